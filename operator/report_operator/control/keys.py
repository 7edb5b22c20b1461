"""Which Reports have which idempotency key, and which runs' files are named by another Report than the run's own."""

import time
from collections import defaultdict

from report_operator.api.report import key_of
from report_operator.cluster.connection import Json
from report_operator.control.controller import Key
from report_operator.plan.sharing import Sharer

SETTLE_SECONDS = 2.0
"""Between the first sight of a key and its use: whoever was made, or has begun, before has been seen by then."""


class Keys:
    """Follows all Reports by their listing and watch; what `note` and `forget` return is to be looked at."""

    def __init__(self) -> None:
        self._sharers: dict[Key, Sharer] = {}
        self._groups: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        """By namespace and key."""
        self._seen: dict[Key, tuple[str, int, float]] = {}
        """UID, generation and when it was first seen."""
        self._borrowed: dict[Key, str] = {}
        """Runs whose files are named by Reports that did not make them."""
        self.is_complete = False
        """Whether all Reports have been seen once."""

    def note(self, manifest: Json) -> list[Key]:
        """See a Report as it came from the API server."""
        report, known = key_of(manifest), manifest.get("status") or {}
        self._borrow(report, known.get("runID") if known.get("sameAs") and known.get("artifacts") else None)
        sharer, before = Sharer.from_manifest(manifest), self._sharers.get(report)
        if sharer == before:
            # What the run of the first one does is of interest too: its status is not in the comparison.
            return self._waiting(report) if sharer is not None and sharer.has_run else []
        waiting = self._drop(report) if before is not None and (sharer is None or sharer.key != before.key) else []
        if sharer is None:
            return waiting
        self._sharers[report] = sharer
        self._groups[report[0], sharer.key].add(report)
        seen = self._seen.get(report)
        if seen is None or seen[:2] != (sharer.uid, sharer.generation):
            self._seen[report] = sharer.uid, sharer.generation, time.monotonic()
        return [*waiting, *self._waiting(report)]

    def forget(self, report: Key) -> list[Key]:
        """Forget a Report that is gone."""
        self._borrow(report, None)
        return self._drop(report)

    def seconds_to_settle(self, report: Key) -> float:
        """Return how long to wait until it is known which Report is the first; 0 when it is."""
        if not self.is_complete or report not in self._seen:
            return SETTLE_SECONDS
        return max(self._seen[report][2] + SETTLE_SECONDS - time.monotonic(), 0.0)

    def first(self, report: Key) -> Key | None:
        """Return the Report whose result this one has; None when it is the first itself."""
        sharer = self._sharers.get(report)
        if sharer is None:
            return None
        group = self._groups[report[0], sharer.key]
        counted = [each for each in group if self._sharers[each].counts]
        first = min(counted, key=lambda each: self._sharers[each].rank, default=report)
        return None if first == report else first

    def is_borrowed(self, run_id: str, report: Key) -> bool:
        """Return whether another Report names the files of a run."""
        return any(run == run_id for borrower, run in self._borrowed.items() if borrower != report)

    def _borrow(self, report: Key, run_id: str | None) -> None:
        if run_id is None:
            self._borrowed.pop(report, None)
        else:
            self._borrowed[report] = run_id

    def _waiting(self, report: Key) -> list[Key]:
        group = self._groups[report[0], self._sharers[report].key]
        return sorted(each for each in group if each != report and not self._sharers[each].is_settled)

    def _drop(self, report: Key) -> list[Key]:
        sharer = self._sharers.get(report)
        if sharer is None:
            return []
        waiting = self._waiting(report)
        del self._sharers[report]
        self._seen.pop(report, None)
        group = self._groups[report[0], sharer.key]
        group.discard(report)
        if not group:
            del self._groups[report[0], sharer.key]
        return waiting
