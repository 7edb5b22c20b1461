"""Reads the ledgers of runs, and settles those of runs that were ended for good while they delivered."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from report_operator.api.deliveries import Deliveries, Entry
from report_operator.api.fields import Model
from report_operator.api.outputs import OutputFormat
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Result, StoredFile
from report_operator.api.totals import totals
from report_operator.plan import deliveries
from report_operator.store.store import Store

_LEDGER_LIMIT = 4 * 1024 * 1024
"""Bytes of a ledger that are read: a thousand entries have less than one."""
_RECORD_LIMIT = 16 * 1024
"""Bytes of a record that are read: a run is not trusted with the operator's memory."""
_PARALLEL = 8
"""Records that are read at the same time: half of the store's threads, which are for all Reports."""


@dataclass(frozen=True)
class Ledgers:
    """The ledgers in a store. Every method may raise StoreError."""

    store: Store

    async def read(self, folder: str, sizes: Mapping[str, int]) -> Deliveries | str:
        """Return the ledger in a run's folder, which has objects of these sizes, or why it cannot be had."""
        key = folder + LEDGER_FILE
        if sizes.get(key, 0) > _LEDGER_LIMIT:
            return f"{LEDGER_FILE} in the store has {sizes[key]} bytes; at most {_LEDGER_LIMIT} are read."
        content = await self.store.get(key, _LEDGER_LIMIT) if key in sizes else None
        if content is None:
            return f"The store does not hold {LEDGER_FILE} of the run."
        try:
            return Deliveries.model_validate_json(content)
        except ValidationError as error:
            return f"{LEDGER_FILE} in the store cannot be read: {error.error_count()} errors."

    async def settle(self, spec: ReportSpec, result: Result, folder: str, cut_off: str) -> Result:
        """Store the ledger of a run with what became of each delivery, and the result with its totals; return that.

        `folder` is the run's, `cut_off` that in which the objects of the deliveries are (run/ledger.py): their names
        tell what was begun, only the records of what has ended are read. It can be repeated.
        """
        sizes = await self.store.sizes(folder)
        known = await self.read(folder, sizes)
        before = known.entries if isinstance(known, Deliveries) else deliveries.unknown(spec)
        stems = {entry.id: f"{cut_off}ledger/{entry.id}" for entry in before}
        keys = {id_: f"{stem}.record" for id_, stem in stems.items()}
        small = {id_: key for id_, key in keys.items() if 0 < sizes.get(key, 0) <= _RECORD_LIMIT}
        records = await self._records(small) if small else {}
        begun = {id_ for id_, stem in stems.items() if f"{stem}.intent" in sizes}
        entries = deliveries.settled(before, begun, records)
        content = _json(Deliveries(run_id=result.run_id, entries=entries))
        digest = hashlib.sha256(content).hexdigest()
        listed = StoredFile(name=LEDGER_FILE, format=OutputFormat.JSON, size=len(content), sha256=digest)
        settled = result.model_copy(update={"deliveries": totals(entries), "ledger": listed})
        await self.store.put(folder + LEDGER_FILE, content)
        await self.store.put(folder + RESULT_FILE, _json(settled))
        return settled

    async def _records(self, keys: Mapping[str, str]) -> dict[str, Entry]:
        """Return the records with these keys, both by id; one that cannot be read is left out."""
        gate = asyncio.Semaphore(_PARALLEL)

        async def read(key: str) -> Entry | None:
            async with gate:
                content = await self.store.get(key, _RECORD_LIMIT)
            try:
                return Entry.model_validate_json(content or b"")
            except ValidationError:
                return None

        found = zip(keys, await asyncio.gather(*map(read, keys.values())), strict=True)
        return {id_: record for id_, record in found if record is not None}


def _json(content: Model) -> bytes:
    return json.dumps(content.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()
