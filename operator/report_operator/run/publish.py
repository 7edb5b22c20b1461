"""The last stage: files into the store, then messages to the destinations, the result last of all."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Deliveries, Entry
from report_operator.api.fields import Model
from report_operator.api.outputs import INLINE_LIMIT, OutputFormat
from report_operator.api.run import (
    LEDGER_FILE,
    RESULT_FILE,
    Links,
    Rendered,
    RenderedFile,
    Request,
    Result,
    StoredFile,
)
from report_operator.run.delivery import begun, deliver
from report_operator.run.destinations.package import Package
from report_operator.run.digests import chunks, digests
from report_operator.run.failure import RunError
from report_operator.run.ledger import Ledger
from report_operator.run.progress import Progress
from report_operator.run.redaction import Redactor
from report_operator.run.store import Store
from report_operator.run.totals import totals
from report_operator.run.workspace import Workspace

PARALLEL = 4
"""Uploads at the same time."""

_log = logging.getLogger(__name__)


def publish(request: Request, rendered: Rendered, links: Links, workspace: Workspace) -> Result:
    """Upload every rendered file, then send to the destinations, and upload the result last of all; return the result.

    The store checks each upload against its Content-MD5 (RFC 1864), so what it keeps is what was rendered. Raises
    RunError: StoreUnavailable, StoreRefused, InternalError when there is no link for a file. A delivery that fails is
    told in the result: the files are there all the same. So they are when the run is ended while it delivers: a result
    that says so is stored before.
    """
    if missing := {*(file.name for file in rendered.files), RESULT_FILE} - links.uploads.keys():
        raise RunError(Reason.INTERNAL_ERROR, f"no upload link for {', '.join(sorted(missing))}")
    with Store() as store:
        uploader = _Uploader(store, links)
        with ThreadPoolExecutor(PARALLEL) as pool:
            stored = list(pool.map(lambda file: uploader.put_file(file, workspace), rendered.files))
        inline, size = _inline(request, workspace)
        result = Result(run_id=request.run_id, files=stored, metrics=rendered.metrics, inline=inline, inline_size=size)
        if links.deliver_until is not None:
            package = Package(request, rendered, stored, links, workspace, Redactor.of(workspace.secrets))
            uploader.put_result(result, begun(request.spec.destinations))
            entries = deliver(request.spec.destinations, package, Ledger(store, links.entries), links.deliver_until)
            return uploader.put_result(result, entries)
        uploader.put_json(RESULT_FILE, json_bytes(result))
    return result


def json_bytes(content: Model) -> bytes:
    """Return JSON as it is in the store; the result, if it fits, is the same in the termination message."""
    return json.dumps(content.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()


def _inline(request: Request, workspace: Workspace) -> tuple[dict[str, object] | None, int | None]:
    """Return the inline document, if it is small enough, and its size; (None, None) where none is asked for."""
    wanted = next((output for output in request.spec.outputs if output.inline), None)
    if wanted is None:
        return None, None
    content = (workspace.outputs / wanted.file_name).read_bytes()
    return (json.loads(content) if len(content) <= INLINE_LIMIT else None), len(content)


class _Uploader:
    """Puts files through the run's links."""

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links
        self._progress = Progress(_log, "{:,} bytes uploaded so far")

    def put_file(self, file: RenderedFile, workspace: Workspace) -> StoredFile:
        path = workspace.outputs / file.name
        known = digests(path)
        headers = {
            "Content-Type": file.format.media_type,
            "Content-Length": str(known.size),
            "Content-MD5": known.md5,
        }
        self._store.put(file.name, self._links.uploads[file.name].whole, lambda: self._counted(path), headers)
        _log.info("%s: %s bytes stored", file.name, f"{known.size:,}")
        return StoredFile(**file.model_dump(), size=known.size, sha256=known.sha256)

    def put_json(self, name: str, content: bytes) -> StoredFile:
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"Content-Type": "application/json", "Content-MD5": base64.b64encode(md5).decode()}
        self._store.put(name, self._links.uploads[name].whole, lambda: content, headers)
        digest = hashlib.sha256(content).hexdigest()
        return StoredFile(name=name, format=OutputFormat.JSON, size=len(content), sha256=digest)

    def put_result(self, result: Result, entries: Sequence[Entry]) -> Result:
        """Store the ledger and the result with its totals; return the result."""
        listed = self.put_json(LEDGER_FILE, json_bytes(Deliveries(run_id=result.run_id, entries=list(entries))))
        whole = result.model_copy(update={"deliveries": totals(entries), "ledger": listed})
        self.put_json(RESULT_FILE, json_bytes(whole))
        return whole

    def _counted(self, path: Path) -> Iterator[bytes]:
        for chunk in chunks(path):
            self._progress.add(len(chunk))
            yield chunk
