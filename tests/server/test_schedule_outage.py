"""What becomes of slots that nobody was there for. No other operator may run meanwhile, so this is its own module."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.server.process import operator
from tests.server.scheduled import create, minute, ready, slots, wait
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS


@pytest.fixture
def team(api: httpx.Client) -> Iterator[Team]:
    made = Team.make(api, "schedule-outage")
    yield made
    api.delete(made.path("scheduledreports")).raise_for_status()


def test_an_outage_is_made_up_for_as_the_policy_says(
    team: Team, access: Path, store: SeaweedFS, tmp_path: Path
) -> None:
    """The operator is killed, and both slots of the schedules are more than a minute old when the next one starts."""
    policies = {"none": "None", "latest": "Latest", "all": "All"}
    first = minute(datetime.now(UTC) + timedelta(seconds=40)) + timedelta(minutes=1)
    second = first + timedelta(minutes=1)
    with operator(access, store, tmp_path / "log") as process:
        process.wait_ready()
        for name, policy in policies.items():
            lines = [f"{first.minute},{second.minute} * * * *"]
            create(team, name, catchUp={"policy": policy}, concurrencyPolicy="Allow", schedule=lines)
        for name in policies:
            wait(team, name, lambda found: ready(found) == "Scheduled", name=name)
    assert datetime.now(UTC) < first
    back = second + timedelta(seconds=65)
    eventually(lambda: True if datetime.now(UTC) >= back else None, 300, "both slots are late")
    made = {"none": [], "latest": [objects.text(second)], "all": [objects.text(first), objects.text(second)]}
    with operator(access, store, tmp_path / "log") as process:
        process.wait_ready()
        for name, expected in made.items():
            missed = 2 - len(expected)
            wait(team, name, lambda found, missed=missed: found["missed"]["count"] == missed, name=name)
            eventually(lambda name=name, expected=expected: slots(team, name) == expected or None, PATIENCE, name)  # type: ignore[misc]
