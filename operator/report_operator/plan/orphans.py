"""Files in the store whose Report is gone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.conditions import Phase
from report_operator.plan import names

RETAINED_FILE = "retained"
"""Name of an object beside the artifacts of a Report with `retention.onDelete: Retain`: what the store remembers when
the Report is gone. No output has a name without an ending."""


def spared_by(manifest: Mapping[str, Any]) -> list[str]:
    """Return the UIDs of the Reports whose files stay because of a Report: its own, and that of the run it tells of.

    One that has expired has no files any more: what is left of it was kept for another Report with its idempotency key.
    """
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    is_observed = status.get("observedGeneration") == metadata["generation"]
    own = [] if is_observed and status.get("phase") == Phase.EXPIRED else [metadata["uid"]]
    its = [status["runID"].rpartition("-")[0]] if status.get("artifacts") and "runID" in status else []
    return [*own, *its]


class Orphans:
    """What is left of a listing of the store after every Report that there is has been named.

    The store has to be listed first: a Report that is made meanwhile has no files that were there before it. Folders
    in which something is younger than `grace` are left alone all the same: the pod of a deleted Report may still be at
    work. So is everything that does not have the form of our keys.
    """

    def __init__(self, now: datetime, grace: timedelta) -> None:
        self._youngest = now - grace
        self._folders: dict[str, set[str]] = {}
        """By UID of the Report."""
        self._left_alone: set[str] = set()

    def see(self, key: str, modified: datetime) -> None:
        """Note an object of the listing."""
        run = names.run_of(key)
        if run is None:
            return
        self._folders.setdefault(run.uid, set()).add(run.folder)
        if modified > self._youngest or key == run.folder + RETAINED_FILE:
            self._left_alone.add(run.folder)

    def spare(self, uid: str) -> None:
        """Note a Report that is there: none of its runs is touched."""
        self._folders.pop(uid, None)

    @property
    def folders(self) -> list[str]:
        """Return the folders to delete."""
        found = {folder for folders in self._folders.values() for folder in folders}
        return sorted(found - self._left_alone)
