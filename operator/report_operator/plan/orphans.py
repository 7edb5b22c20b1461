"""Files in the store that nobody keeps any more: those of Reports that are gone, and of a Report's earlier runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.conditions import ENDED, Phase
from report_operator.plan import names, retention
from report_operator.plan.names import StoredRun

RETAINED_FILE = "retained"
"""Name of an object beside the artifacts of a Report with `retention.onDelete: Retain`: what the store remembers when
the Report is gone. No output has a name without an ending."""


class Orphans:
    """What is left of a listing of the store after every Report that there is has been noted.

    The store has to be listed first: a Report that is made meanwhile has no files that were there before it. Folders
    in which something is younger than `grace` are left alone all the same: the pod of a deleted Report may still be at
    work. So is everything that does not have the form of our keys.
    """

    def __init__(self, now: datetime, grace: timedelta) -> None:
        self._youngest = now - grace
        self._runs: dict[str, dict[StoredRun, datetime]] = {}
        """By UID of the Report: its runs, and when the last of their files was written."""
        self._retained: set[StoredRun] = set()
        self._named: set[str] = set()
        """Ids of the runs whose files Reports list, their own or those of another one with the same key."""
        self._over: set[StoredRun] = set()
        """Runs of Reports that are there."""

    def see(self, key: str, modified: datetime) -> None:
        """Note an object of the listing."""
        run = names.run_of(key)
        if run is None:
            return
        runs = self._runs.setdefault(run.uid, {})
        runs[run] = max(runs.get(run, modified), modified)
        if key == run.folder + RETAINED_FILE:
            self._retained.add(run)

    def keep(self, manifest: Mapping[str, Any], longest: timedelta | None) -> None:
        """Note a Report that is there; `longest` is how long its policy lets files be kept, None for ever.

        It keeps the run of its status and any newer one. Those that no status lists are kept as long as its spec says:
        earlier ones, and one that had begun to deliver what the status cannot list. One that has expired has no files
        any more: what is left of it was kept for another Report with its idempotency key.
        """
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        if status.get("artifacts") and "runID" in status:
            self._named.add(status["runID"])
        runs = self._runs.pop(metadata["uid"], {})
        if status.get("observedGeneration") == metadata["generation"] and status.get("phase") == Phase.EXPIRED:
            self._over.update(run for run, modified in runs.items() if modified <= self._youngest)
            return
        present = status.get("runID")
        lists_none = status.get("phase") in ENDED and not status.get("artifacts")
        unlisted = {
            run: modified
            for run, modified in runs.items()
            if (lists_none if run.run_id == present else run.generation < metadata["generation"])
        }
        ttl = retention.lifetime(manifest["spec"], longest) if unlisted else None
        if ttl is not None:
            self._over.update(run for run, modified in unlisted.items() if modified <= self._youngest - ttl)

    @property
    def folders(self) -> list[str]:
        """Return the folders to delete."""
        of_nobody = {run for runs in self._runs.values() for run in runs if runs[run] <= self._youngest}
        over = (of_nobody - self._retained) | self._over
        return sorted(run.folder for run in over if run.run_id not in self._named)
