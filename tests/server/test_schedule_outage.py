"""What becomes of slots that nobody was there for. No other operator may run meanwhile, so this is its own module."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import operator
from tests.server.scheduled import create, minute, ready, slots, wait
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]


@pytest.fixture
def team(api: httpx.Client) -> Iterator[Team]:
    made = Team.make(api, "schedule-outage")
    yield made
    api.delete(made.path("scheduledreports")).raise_for_status()


def test_slots_of_an_outage_are_made_up_for_as_the_policy_says_and_those_before_an_edit_are_not(
    team: Team, access: Path, store: SeaweedFS, tmp_path: Path
) -> None:
    """The operator is killed; the slots are more than two minutes and more than one minute old when the next starts.

    Other schedules have none of these slots until they are edited after it.
    """
    policies: dict[str, Json] = {
        "none": {"catchUp": {"policy": "None"}},
        "latest": {"catchUp": {"policy": "Latest"}},
        "all": {"catchUp": {"policy": "All"}},
        "in-time": {"catchUp": {"policy": "All"}, "startingDeadline": "120s"},
    }
    first = minute(datetime.now(UTC) + timedelta(seconds=80)) + timedelta(minutes=1)
    second = first + timedelta(minutes=1)
    lines = [f"{first.minute},{second.minute} * * * *"]
    with operator(access, store, tmp_path / "log") as process:
        process.wait_ready()
        for name, policy in policies.items():
            create(team, name, concurrencyPolicy="Allow", schedule=lines, **policy)
        for name, (reason, before, _) in edits(lines).items():
            create(team, name, **before)
            wait(team, name, lambda found, reason=reason: ready(found) == reason, name=name)
        for name in policies:
            wait(team, name, lambda found: ready(found) == "Scheduled", name=name)
    assert datetime.now(UTC) < first
    back = second + timedelta(seconds=65)
    eventually(lambda: True if datetime.now(UTC) >= back else None, 300, "both slots are late")
    both = [objects.text(first), objects.text(second)]
    made = {"none": [], "latest": both[1:], "all": both, "in-time": both[1:]}
    with operator(access, store, tmp_path / "log") as process:
        process.wait_ready()
        for name, expected in made.items():
            missed = 2 - len(expected)
            wait(team, name, lambda found, missed=missed: found["missed"]["count"] == missed, name=name)
            eventually(lambda name=name, expected=expected: slots(team, name) == expected or None, PATIENCE, name)  # type: ignore[misc]
        for name, (_, _, change) in edits(lines).items():
            generation = team.patch("scheduledreports", name, {"spec": change})["metadata"]["generation"]
            found = wait(team, name, lambda f, seen=generation: f["observedGeneration"] == seen, name=name)
            assert ready(found) == "Scheduled"
            assert (slots(team, name), found["missed"]["count"]) == ([], 0)


def edits(lines: list[str]) -> dict[str, tuple[str, Json, Json]]:
    """Return edits after which a schedule has these lines: by name, what it is in before, its spec, and the change."""
    off = [{"name": "all", "suspend": True}]
    return {
        "resumed": ("Suspended", {"schedule": lines, "suspend": True}, {"suspend": False}),
        "variants-removed": ("Suspended", {"schedule": lines, "variants": off}, {"variants": None}),
        "moved": ("Scheduled", {"schedule": ["0 0 1 1 *"]}, {"schedule": lines}),
        "begun": ("OnDemand", {}, {"schedule": lines}),
    }
