"""ScheduledReports of a namespace: made, and waited for."""

from datetime import datetime
from typing import Any

from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually

Json = dict[str, Any]


def create(team: Team, name: str = "weekly", metadata: Json | None = None, **spec: Any) -> Json:
    """Create a ScheduledReport."""
    manifest = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport"}
    body = {"template": {"spec": objects.SPEC}, **spec}
    return team.post("scheduledreports", manifest | {"metadata": {"name": name, **(metadata or {})}, "spec": body})


def schedule(team: Team, name: str = "weekly") -> Json:
    return team.get("scheduledreports", name)


def status(team: Team, name: str = "weekly") -> Json:
    found: Json = schedule(team, name)["status"]
    return found


def wait(team: Team, what: str, holds: Any, name: str = "weekly") -> Json:
    """Return the status of the ScheduledReport once something holds of it."""

    def look() -> Json | None:
        found = status(team, name)
        return found if found["observedGeneration"] >= 0 and holds(found) else None

    return eventually(look, PATIENCE, what)


def ready(found: Json) -> str | None:
    return next((c["reason"] for c in found.get("conditions", []) if c["type"] == "Ready"), None)


def slot_of(report: Json) -> str:
    return str(report["metadata"]["annotations"]["report-operator.io/slot"])


def slots(team: Team, name: str) -> list[str]:
    return sorted(slot_of(each) for each in team.list("reports", f"report-operator.io/schedule={name}"))


def minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
