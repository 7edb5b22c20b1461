"""What is made up for after the operator was down, and what it arrives at when it was killed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.schedules import HOURLY, MINUTELY, TWO, CrashError, World, utc

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
