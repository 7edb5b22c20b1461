"""What is made up for after the operator was down, and what it arrives at when it was killed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.schedules import HOURLY, MINUTELY, TWO, CrashError, World, utc

ALL: dict[str, Any] = {**HOURLY, "catchUp": {"policy": "All"}, "concurrencyPolicy": "Forbid"}
DEADLINE = "StartingDeadlineExceeded"


def all_of(limit: int) -> dict[str, Any]:
    return {"catchUp": {"policy": "All", "limit": limit}}


class TestOutage:
    @pytest.mark.parametrize(
        ("spec", "back", "slots", "missed", "reason"),
        [
            # So late is on time; two slots a minute apart can both be.
            ({"schedule": ["0 9 * * *"], "catchUp": {"policy": "None"}}, "09:01:00", ["09:00"], 0, None),
            ({"schedule": ["0,1 9 * * *"], "catchUp": {"policy": "None"}}, "09:01:00", ["09:00", "09:01"], 0, None),
            # Later is late.
            ({**HOURLY, "catchUp": {"policy": "None"}}, "11:01:01", [], 3, "OperatorUnavailable"),
            ({**HOURLY, "catchUp": {"policy": "None"}}, "11:00:30", ["11:00"], 2, "OperatorUnavailable"),
            ({**HOURLY}, "11:30:00", ["11:00"], 2, "OperatorUnavailable"),
            ({**HOURLY}, "11:00:30", ["11:00"], 2, "OperatorUnavailable"),
            ({**HOURLY, "catchUp": {"policy": "All"}}, "11:30:00", ["09:00", "10:00", "11:00"], 0, None),
            ({**HOURLY, **all_of(2)}, "11:30:00", ["10:00", "11:00"], 1, "OperatorUnavailable"),
            ({**HOURLY, **all_of(1)}, "11:00:00", ["10:00", "11:00"], 1, "OperatorUnavailable"),
            # A deadline.
            ({**HOURLY, "startingDeadline": "10m"}, "11:10:00", ["11:00"], 2, "OperatorUnavailable"),
            ({**HOURLY, "startingDeadline": "10m"}, "11:10:01", [], 3, DEADLINE),
            ({**HOURLY, "startingDeadline": "30s"}, "11:00:31", [], 3, DEADLINE),
            ({**HOURLY, **all_of(9), "startingDeadline": "90m"}, "11:30:00", ["10:00", "11:00"], 1, DEADLINE),
            # Years of minutes.
            ({**MINUTELY}, "2027-05-04 08:00:30", ["05-04 08:00"], 365 * 24 * 60 - 1, "OperatorUnavailable"),
        ],
    )  # fmt: skip
    def test_catch_up(self, spec: dict[str, Any], back: str, slots: list[str], missed: int, reason: str | None) -> None:
        world = World.of("2026-05-04 08:00", **spec)
        world.operate()
        world.operate(to=back if len(back) > 8 else f"2026-05-04 {back}")
        assert [slot[-len(slots[0]) :] for slot in world.slots()] == slots if slots else world.slots() == []
        assert world.status["missed"]["count"] == missed
        assert world.status["missed"].get("reason") == reason
        assert world.told == [reason] * bool(reason)

    def test_what_was_missed_is_counted_once_and_never_run(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, catchUp={"policy": "None"})
        world.operate()
        world.operate(to="2026-05-04 11:30")
        world.edit(catchUp={"policy": "All", "limit": 100})
        world.run("2026-05-04 12:30")
        assert world.slots() == ["05-04 12:00"]
        assert world.status["missed"]["count"] == 3

    def test_all_runs_one_by_one_where_runs_may_not_overlap(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, catchUp={"policy": "All"}, concurrencyPolicy="Forbid")
        world.operate()
        world.operate(to="2026-05-04 11:30")
        assert world.slots() == ["05-04 09:00"]
        assert world.status["catchUp"] == ["2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z"]
        world.operate()
        assert world.slots() == ["05-04 09:00"]
        for _ in range(3):
            world.end_all()
            world.operate()
        assert world.slots() == ["05-04 09:00", "05-04 10:00", "05-04 11:00"]
        assert world.status["catchUp"] == []
        assert (world.status["missed"]["count"], world.status["skipped"]["count"]) == (0, 0)

    def test_what_still_waits_is_given_up_by_an_edit(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, catchUp={"policy": "All"}, concurrencyPolicy="Forbid")
        world.operate()
        world.operate(to="2026-05-04 11:30")
        world.edit(schedule=["30 * * * *"])
        world.end_all()
        world.operate()
        assert world.slots() == ["05-04 09:00"]
        assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (2, "Edited")

    def test_what_a_spec_that_cannot_be_read_has_overtaken_is_counted(self) -> None:
        """10:00 to 12:00 wait for their turn, 13:00 comes while nobody looks."""
        world = World.of("2026-05-04 08:00", **HOURLY, catchUp={"policy": "All"}, concurrencyPolicy="Forbid")
        world.operate()
        world.operate(to="2026-05-04 12:30")
        world.end_all()
        world.now = utc("2026-05-04 13:30")
        world.edit(concurrencyPolicy="Whatever")
        for _ in range(2):
            world.operate(to="2026-05-04 14:30")
            assert (world.slots(), world.status["catchUp"]) == (["05-04 09:00"], [])
            assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (4, "Edited")
        world.edit(concurrencyPolicy="Forbid")
        world.run("2026-05-04 15:10")
        assert (world.slots(), world.status["missed"]["count"]) == (["05-04 09:00", "05-04 15:00"], 4)

    def test_more_than_the_limit_do_not_wait(self) -> None:
        spec = {**HOURLY, "catchUp": {"policy": "All", "limit": 2}, "concurrencyPolicy": "Forbid"}
        world = World.of("2026-05-04 08:00", **spec)
        world.operate()
        world.operate(to="2026-05-04 10:30")
        world.operate(to="2026-05-04 13:30")
        assert world.status["catchUp"] == ["2026-05-04T12:00:00Z", "2026-05-04T13:00:00Z"]
        assert world.status["missed"]["count"] == 2  # 10:00 gave way, 11:00 was beyond the limit at once


def after_outage(**spec: Any) -> World:
    """Return a world in which an operator is back at 13:30, and 09:00 to 13:00 are to be made up for one by one."""
    world = World.of("2026-05-04 08:00", **ALL | spec)
    world.operate()
    world.operate(to="2026-05-04 13:30")
    return world


def go_on(world: World, until: str, *, phase: str = "Succeeded") -> None:
    """Let time pass while each run takes 40 minutes."""
    while world.now < utc(until):
        world.now += timedelta(minutes=10)
        for name in world.active():
            made = datetime.fromisoformat(world.reports[name]["metadata"]["creationTimestamp"])
            if world.now - made >= timedelta(minutes=39):
                world.end(name, phase)
        world.operate()


class TestInTurn:
    """With catchUp All, and runs that may not overlap."""

    @pytest.mark.parametrize("policy", ["Forbid", "Replace"])
    def test_slots_that_come_meanwhile_are_at_the_end_of_the_line(self, policy: str) -> None:
        world = after_outage(concurrencyPolicy=policy)
        go_on(world, "2026-05-04 23:50")
        assert world.made_for == [utc(f"2026-05-04 {hour:02}:00") for hour in range(9, 24)]
        assert (world.cancelled, world.status["catchUp"]) == ([], [])
        assert (world.status["missed"]["count"], world.status["skipped"]["count"]) == (0, 0)

    @pytest.mark.parametrize("policy", ["Forbid", "Replace"])
    def test_a_slot_waits_for_the_last_of_an_outage(self, policy: str) -> None:
        world = World.of("2026-05-04 08:00", **ALL | {"concurrencyPolicy": policy})
        world.operate()
        world.operate(to="2026-05-04 09:30")
        world.operate(to="2026-05-04 10:00")
        assert (world.slots(), world.status["catchUp"]) == (["05-04 09:00"], ["2026-05-04T10:00:00Z"])
        world.end_all()
        world.operate()
        assert (world.slots(), world.status["catchUp"]) == (["05-04 09:00", "05-04 10:00"], [])

    def test_the_slot_at_which_the_operator_is_back_comes_last(self) -> None:
        """The limit is for those of the outage; it is not one of them."""
        world = World.of("2026-05-04 08:00", **ALL | all_of(2))
        world.operate()
        world.operate(to="2026-05-04 11:00")
        assert world.slots() == ["05-04 09:00"]
        assert world.status["catchUp"] == ["2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z"]
        assert world.status["missed"]["count"] == 0

    def test_nothing_waits_when_the_schedule_has_caught_up(self) -> None:
        world = World.of("2026-05-04 08:00", **ALL)
        world.operate()
        world.operate(to="2026-05-04 09:30")
        world.end_all()
        for hour in (10, 11):
            world.operate(to=f"2026-05-04 {hour}:00")
        assert (world.slots(), world.status["catchUp"]) == (["05-04 09:00", "05-04 10:00"], [])
        assert (world.status["skipped"]["count"], world.status["skipped"]["reason"]) == (1, "AlreadyRunning")

    def test_runs_that_take_longer_than_the_time_between_slots_stay_behind_by_the_limit(self) -> None:
        world = World.of("2026-05-04 08:00", **{**ALL, **all_of(2), "schedule": ["*/30 * * * *"]})
        world.operate()
        world.operate(to="2026-05-04 09:45")
        go_on(world, "2026-05-04 23:45")
        assert world.made_for == sorted(world.made_for)
        waiting, missed = world.status["catchUp"], world.status["missed"]["count"]
        assert world.made_for[-1] == utc("2026-05-04 23:00")
        assert len(world.made) + len(waiting) + missed == len(range(8 * 60 + 30, 24 * 60, 30))
        assert (world.status["skipped"]["count"], world.status["missed"]["reason"]) == (0, "OperatorUnavailable")

    def test_all_of_them_start_when_runs_may_overlap_after_all(self) -> None:
        world = after_outage()
        world.edit(concurrencyPolicy="Allow")
        world.operate(to="2026-05-04 14:00")
        assert world.slots() == [f"05-04 {hour:02}:00" for hour in range(9, 15)]
        assert world.status["catchUp"] == []

    def test_failures_are_counted_as_those_on_time_are(self) -> None:
        world = World.of("2026-05-04 07:00", **ALL, stopAfter=4)
        world.operate()
        world.operate(to="2026-05-04 08:00")
        world.end_all()
        world.operate(to="2026-05-04 10:30")
        go_on(world, "2026-05-04 18:00", phase="Failed")
        assert world.slots() == [f"05-04 {hour:02}:00" for hour in (8, 9, 10, 11, 12)]
        assert world.status["failures"]["inARow"] == 4
        assert world.status["conditions"][0]["reason"] == "StoppedAfterFailures"

    def test_those_that_have_waited_beyond_the_deadline_are_missed(self) -> None:
        world = after_outage(startingDeadline="4h35m")
        world.operate(to="2026-05-04 14:36")
        assert world.status["catchUp"] == [f"2026-05-04T{hour}:00:00Z" for hour in (11, 12, 13, 14)]
        assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (1, DEADLINE)
        world.end_all()
        world.operate(to="2026-05-04 16:35")
        assert world.slots()[1:] == ["05-04 12:00"]  # that of 11:00 could not start, it is not there to wait for
        assert world.status["missed"]["count"] == 2

    @pytest.mark.parametrize("policy", ["None", "Latest"])
    def test_those_that_wait_are_missed_when_they_are_not_asked_for_any_more(self, policy: str) -> None:
        world = after_outage()
        world.edit(catchUp={"policy": policy})
        world.end_all()
        world.operate(to="2026-05-04 13:40")
        assert (world.slots(), world.status["catchUp"]) == (["05-04 09:00"], [])
        assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (4, "OperatorUnavailable")
        assert f"catchUp is {policy}" in world.status["missed"]["message"]
        world.operate(to="2026-05-04 14:00")
        assert world.slots() == ["05-04 09:00", "05-04 14:00"]


class TestCrash:
    """Killed after any number of steps, and gone for a while, the operator arrives at the same Reports and counts."""

    SPEC = {**HOURLY, **TWO, "concurrencyPolicy": "Replace", "history": {"successful": 1, "keepLast": 0}}

    @staticmethod
    def story(world: World) -> None:
        world.run("2026-05-04 10:30")
        world.run("2026-05-04 11:00", succeed=False)
        world.annotate(run_now="1")

    def undisturbed(self) -> World:
        world = World.of("2026-05-04 08:00", **self.SPEC)
        self.story(world)
        world.operate(to="2026-05-04 12:00")
        world.end_all()
        world.operate()
        return world

    @pytest.mark.parametrize("steps", range(12))
    @pytest.mark.parametrize("gone", [timedelta(0), timedelta(minutes=30)])
    def test_after_any_step(self, steps: int, gone: timedelta) -> None:
        world, expected = World.of("2026-05-04 08:00", **self.SPEC), self.undisturbed()
        self.story(world)
        world.now = utc("2026-05-04 12:00")
        try:
            world.operate(steps=steps)
        except CrashError:
            world.now += gone
            world.operate()
        world.end_all()
        world.now = utc("2026-05-04 12:30")
        world.operate()
        assert sorted(world.made) == sorted(expected.made)
        assert sorted(world.reports) == sorted(expected.reports)
        for count in ("missed", "skipped"):
            assert world.status[count] == expected.status[count]
