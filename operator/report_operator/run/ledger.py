"""What was sent to whom, so that no retry of a run sends anything twice.

A run has no API token, and its containers, pod and Job can go at any moment. So each entry is two small objects beside
the artifacts: an *intent* before the send and a *record* after it. Both are written only where there is none
(`If-None-Match: *`), so that of several processes one sends:

* neither: nobody has sent; whoever makes the intent may.
* both: the record tells how it ended.
* an intent alone: its process sends now, or was ended in between. Nobody can know whether the message went out.

A send that certainly failed for a passing cause takes its intent back: the next process may try.
"""

import json
import logging
import threading
from datetime import UTC, datetime
from uuid import uuid4

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import DeliveryState, Entry
from report_operator.run.failure import RunError
from report_operator.run.store import Store

_CLAIMS = 5
"""Tries to make or to find an intent, should others take theirs back in between."""

_log = logging.getLogger(__name__)


class Ledger:
    """The entries of a run. Safe for threads. Every method may raise RunError of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._intent = json.dumps({"process": uuid4().hex, "time": datetime.now(UTC).isoformat()}).encode()
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    def claim(self, entry: Entry) -> Entry | None:
        """Return None when this process may send, otherwise what another process has left: its record, or Unknown."""
        with self._lock:
            if entry.id in self._claimed:
                return None
        for _ in range(_CLAIMS):
            mine = self._store.create(_name(entry, "intent"), lambda links: links.entries[entry.id].claim, self._intent)
            if not mine and (known := self.recorded(entry)) is not None:
                return known
            intent = self._intent if mine else self._claimed_by(entry)
            if intent == self._intent:  # An answer of the store may have been lost: it is ours all the same.
                with self._lock:
                    self._claimed.add(entry.id)
                return None
            if intent is not None:
                return _unfinished(entry)
        raise RunError(Reason.STORE_UNAVAILABLE, f"{_name(entry, 'intent')} comes and goes in the store")

    def take_over(self, entry: Entry) -> None:
        """Send in spite of another's intent from now on."""
        with self._lock:
            self._claimed.add(entry.id)

    def release(self, entry: Entry) -> None:
        """Take the intent back: nothing was sent."""
        self._store.delete(_name(entry, "intent"), lambda links: links.entries[entry.id].release)
        with self._lock:
            self._claimed.discard(entry.id)

    def record(self, entry: Entry) -> None:
        """Write how a send ended; a record that is there already stays."""
        name, content = _name(entry, "record"), _bytes(entry)
        if not self._store.create(name, lambda links: links.entries[entry.id].record, content):
            _log.info("%s is there already", name)

    def recorded(self, entry: Entry) -> Entry | None:
        """Return the record, or None when there is none."""
        content = self._store.get(_name(entry, "record"), lambda links: links.entries[entry.id].recorded)
        return Entry.model_validate_json(content) if content is not None else None

    def _claimed_by(self, entry: Entry) -> bytes | None:
        """Return the intent, or None when it is gone."""
        return self._store.get(_name(entry, "intent"), lambda links: links.entries[entry.id].claimed)


def _unfinished(entry: Entry) -> Entry:
    text = "another attempt of the run began to send this and left no word of how it ended"
    return entry.model_copy(update={"state": DeliveryState.UNKNOWN, "last_error": text})


def _name(entry: Entry, what: str) -> str:
    return f"ledger {what} {entry.id}"


def _bytes(entry: Entry) -> bytes:
    return json.dumps(entry.to_wire(), ensure_ascii=False).encode()
