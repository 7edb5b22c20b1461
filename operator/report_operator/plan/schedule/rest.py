"""Which ScheduledReports need no decision when an operator starts: ten thousand decisions would hold up those due."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from report_operator.api.metadata import RECONCILE_ANNOTATION, RUN_NOW_ANNOTATION, TEST_SEND_ANNOTATION

_WORK = ("active", "catchUp")
"""Fields of the status that are empty when nothing is under way."""
_FOLLOWED = (("lastHandledRunNow", RUN_NOW_ANNOTATION), ("lastHandledReconcileAt", RECONCILE_ANNOTATION))


@dataclass(frozen=True)
class Rest:
    """Nothing is to be done before a time; for ever when it is None."""

    until: datetime | None


def rest_of(manifest: Mapping[str, Any]) -> Rest | None:
    """Return how long a ScheduledReport rests by what its status says; None when a decision is needed.

    It rests when it is accepted as it is, has followed what was asked for, and has no run under way and no failure that
    owners may have to be told of. What else may have happened to its Reports meanwhile is seen by the next decision.
    """
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    annotations = metadata.get("annotations") or {}
    accepted = {"type": "Ready", "status": "True"}.items()
    if (
        "deletionTimestamp" in metadata
        or status.get("observedGeneration") != metadata["generation"]
        or not any(accepted <= condition.items() for condition in status.get("conditions", ()))
        or any(status.get(field) for field in _WORK)
        or (status.get("backfill") or {}).get("nextSlot")
        or (status.get("failures") or {}).get("withFailures")
        or (status.get("notices") or {}).get("failedUntil")
        or (status.get("testSend") or {}).get("token", "") != annotations.get(TEST_SEND_ANNOTATION, "")
        or any(status.get(field) != annotations.get(name, status.get(field)) for field, name in _FOLLOWED)
    ):
        return None
    until = status.get("nextRunTime")
    return Rest(datetime.fromisoformat(until) if until else None)
