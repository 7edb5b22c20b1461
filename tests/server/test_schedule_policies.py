"""What a ScheduledReport asks for beside its times, by the real clock: all side by side, as each needs two ticks."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.server.scheduled import create, minute, ready, schedule, slot_of, slots, status, wait
from tests.server.team import PATIENCE, Team
from tests.support.apiserver import ApiServer
from tests.support.cluster import condition, eventually

Json = dict[str, Any]
A_TICK = 120.0
"""Seconds until a schedule has certainly run whose first slot is in the next but one minute."""
KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
OWNERS = {"notify": [{"name": "owners", "webhook": {"url": "https://chat.example/hook"}}]}
SPECS: dict[str, Json] = {
    "forbids": {"concurrencyPolicy": "Forbid"},
    "replaces": {"concurrencyPolicy": "Replace"},
    "stops": {"stopAfter": 1},
    "spreads": {"jitter": "40s"},
    "last-month": {"window": {"previous": "month"}, "timeZone": str(KOLKATA)},
    "looks-back": {"window": {"lookback": "36h"}},
    "recovers": {"onFailure": OWNERS, "preflight": "Skip"},
}
pytestmark = pytest.mark.usefixtures("running")


@pytest.fixture(scope="module")
def first() -> datetime:
    """Return the slot of the schedule that is due each day; the others are due each minute."""
    return minute(datetime.now(UTC) + timedelta(seconds=30)) + timedelta(minutes=1)


@pytest.fixture(scope="module")
def team(api_server: ApiServer, first: datetime) -> Iterator[Team]:
    """Make all, before the first slot."""
    with api_server.client() as client:
        made = Team.make(client, "schedule-policies")
        for name, spec in SPECS.items():
            create(made, name, schedule=["* * * * *"], **spec)
        daily = {"every": "daily", "time": f"{first.astimezone(NEW_YORK):%H:%M}"}
        create(made, "daily", frequency=daily, timeZone=str(NEW_YORK))
        for name in (*SPECS, "daily"):
            wait(made, name, lambda found: ready(found) == "Scheduled", name=name)
        yield made
        client.delete(made.path("scheduledreports")).raise_for_status()


def runs(team: Team, name: str, count: int = 1) -> Sequence[Json]:
    """Return the Reports of a schedule once there are so many, oldest slot first."""

    def look() -> list[Json] | None:
        found = team.list("reports", f"report-operator.io/schedule={name},report-operator.io/trigger=scheduled")
        return sorted(found, key=slot_of) if len(found) >= count else None

    return eventually(look, count * A_TICK, f"{count} Reports of {name}")


def period(report: Json) -> tuple[datetime, datetime]:
    start, end = (datetime.fromisoformat(report["spec"]["period"][each]) for each in ("start", "end"))
    return start, end


def midnight(of: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(of.astimezone(zone), time(), zone)


def fail(team: Team, report: Json) -> None:
    """End a run badly."""
    job = team.job_of(report["metadata"]["name"])["metadata"]["name"]
    team.end_job(job, "Failed", "BackoffLimitExceeded", failed=1)


@pytest.mark.requirement("A4", "A7")
def test_a_day_at_its_time_is_the_day_before(team: Team, first: datetime) -> None:
    [report] = runs(team, "daily")
    assert datetime.fromisoformat(slot_of(report)) == first
    today = midnight(first, NEW_YORK)
    assert period(report) == (midnight(today - timedelta(hours=12), NEW_YORK), today)


def test_the_month_before_is_that_of_the_time_zone(team: Team) -> None:
    report = runs(team, "last-month")[0]
    this = midnight(datetime.fromisoformat(slot_of(report)), KOLKATA).replace(day=1)
    assert period(report) == ((this - timedelta(days=1)).replace(day=1), this)


def test_a_time_to_look_back_ends_with_the_slot(team: Team) -> None:
    report = runs(team, "looks-back")[0]
    slot = datetime.fromisoformat(slot_of(report))
    assert period(report) == (slot - timedelta(hours=36), slot)


@pytest.mark.requirement("N4")
def test_a_spread_run_begins_later_by_always_the_same(team: Team) -> None:
    report = runs(team, "spreads")[0]
    following = datetime.fromisoformat(status(team, "spreads")["nextRunTime"])
    delay = following - minute(following)
    assert timedelta() <= delay < timedelta(seconds=40)
    made = datetime.fromisoformat(report["metadata"]["creationTimestamp"])
    assert made >= datetime.fromisoformat(slot_of(report)) + delay


def test_after_a_failure_too_many_no_run_starts(team: Team) -> None:
    fail(team, runs(team, "stops")[0])
    eventually(lambda: condition(schedule(team, "stops"), "Stopped"), PATIENCE, "it has stopped")
    found = wait(team, "no run is planned", lambda found: "nextRunTime" not in found, name="stops")
    assert ready(found) == "StoppedAfterFailures"
    assert condition(schedule(team, "stops"), "Ready") == "True"


@pytest.mark.requirement("N8")
def test_owners_are_told_of_a_failure_and_of_the_recovery(team: Team) -> None:
    fail(team, runs(team, "recovers")[0])
    second = runs(team, "recovers", 2)[1]
    team.finish(second["metadata"]["name"])

    def titles() -> set[str]:
        notices = team.list("reports", "report-operator.io/schedule=recovers,report-operator.io/trigger=notice")
        return {notice["spec"]["title"] for notice in notices}

    expected = {"recovers failed", "recovers succeeds again"}
    eventually(lambda: True if titles() == expected else None, PATIENCE, "both are told")


def test_one_run_replaces_the_one_before(team: Team) -> None:
    earlier, later = runs(team, "replaces", 2)[:2]
    name = earlier["metadata"]["name"]
    eventually(lambda: team.get("reports", name)["spec"].get("cancel") or None, PATIENCE, "it is cancelled")
    assert slot_of(earlier) < slot_of(later)


def test_one_run_keeps_the_next_from_starting(team: Team) -> None:
    skipped = eventually(lambda: status(team, "forbids")["skipped"].get("reason"), 2 * A_TICK, "a slot is skipped")
    assert skipped == "AlreadyRunning"
    assert len(slots(team, "forbids")) == 1
