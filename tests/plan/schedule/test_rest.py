"""At a start, a ScheduledReport rests only when a decision would do nothing."""

import contextlib
from typing import Any

import pytest

from report_operator.plan.schedule.rest import Rest, rest_of
from tests.support.schedules import DAILY, MINUTELY, CrashError, World, utc


def resting(**spec: Any) -> World:
    """Return a world whose last run has ended and was told of."""
    world = World.of("2026-05-04 08:00", **(spec or DAILY))
    world.operate()
    world.run("2026-05-04 09:00")
    world.operate()
    return world


def test_rests_until_its_next_run() -> None:
    world = resting()
    assert rest_of(world.manifest) == Rest(utc("2026-05-05 09:00"))
    assert world.operate().status is None


@pytest.mark.parametrize("spec", [{**DAILY, "suspend": True}, {"suspend": False}])
def test_rests_for_ever_while_nothing_starts_by_itself(spec: dict[str, Any]) -> None:
    assert rest_of(resting(**spec).manifest) == Rest(None)


def test_what_is_under_way_needs_a_decision() -> None:
    new = World.of("2026-05-04 08:00", **DAILY)
    edited, asked, reconciled, deleted = (resting() for _ in range(4))
    edited.edit(stopAfter=3)
    asked.annotate(run_now="1")
    reconciled.manifest["metadata"]["annotations"] = {"reconcile.fluxcd.io/requestedAt": "1"}
    deleted.manifest["metadata"]["deletionTimestamp"] = "2026-05-04T10:00:00Z"
    running = World.of("2026-05-04 08:00", **MINUTELY)
    running.operate()
    running.operate(to="2026-05-04 08:01")
    invalid = resting(schedule=["0 0 31 2 *"])
    filling = World.of(
        "2026-05-04 08:00", **DAILY, backfill={"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    )
    filling.operate()
    filling.end_all()
    for world in (new, edited, asked, reconciled, deleted, running, invalid, filling):
        assert rest_of(world.manifest) is None


@pytest.mark.parametrize("steps", range(6))
def test_a_crash_before_all_reports_are_owned_needs_a_decision(steps: int) -> None:
    """Notices too: after the last step there is nothing left to do."""
    notify = {"notify": [{"name": "owners", "webhook": {"url": "https://chat.example/hook"}}]}
    world = World.of("2026-05-04 08:00", **DAILY, onFailure=notify, preflight="Skip")
    world.run("2026-05-04 09:00", succeed=False)
    world.end_all("Failed")
    world.operate()
    world.end_all()
    world.run("2026-05-05 10:00")
    world.edit(history={"onDelete": "Delete"})
    with contextlib.suppress(CrashError):
        world.operate(steps)
    owned = [bool(report["metadata"].get("ownerReferences")) for report in world.reports.values()]
    assert len(owned) == 4
    assert rest_of(world.manifest) is None or all(owned)
    assert all(owned) == (steps > 3)


def test_an_answered_request_is_none() -> None:
    world = resting()
    world.annotate(run_now="1")
    world.operate()
    world.end_all()
    world.operate()
    assert rest_of(world.manifest) == Rest(utc("2026-05-05 09:00"))


def test_a_failure_that_may_have_to_be_told_needs_a_decision() -> None:
    """Told of a failure at 09:00 and of the success at 09:20, owners are told of the failure at 09:30 at 10:00."""
    notify = {"notify": [{"name": "owners", "webhook": {"url": "https://chat.example/hook"}}]}
    world = World.of("2026-05-04 08:00", schedule=["0,20,30 9 * * MON"], onFailure=notify, preflight="Skip")
    for time, phase in (("09:00", "Failed"), ("09:20", "Succeeded"), ("09:30", "Failed")):
        world.operate(to=f"2026-05-04 {time}")
        world.end_all(phase)
        world.operate()
        world.end_all()
        world.operate()
    assert world.operate().wake_at == utc("2026-05-04 10:00")
    assert rest_of(world.manifest) is None
