"""Runs that somebody asks for: one by hand, or those of a time that has passed."""

from datetime import timedelta

import pytest

from tests.support.schedules import DAILY, MINUTELY, TWO, World, condition


class TestRunNow:
    @pytest.mark.requirement("E4", "D1")
    def test_runs_once_for_each_new_value(self) -> None:
        world = World.of("2026-05-04 08:00")
        world.operate()
        assert condition(world, "Ready") == ("True", "OnDemand")
        for value in ("one", "one", "two"):
            world.annotate(run_now=value)
            world.operate()
            world.operate()
        assert world.slots(trigger="manual") == ["05-04 08:00"] * 2
        assert world.status["lastHandledRunNow"] == "two"
        assert all(name.startswith("weekly-manual-") for name in world.made)
        assert all("period" not in report["spec"] for report in world.reports.values())

    @pytest.mark.requirement("N6")
    @pytest.mark.parametrize(
        ("written", "start", "end"),
        [
            (
                "2026-04-01T00:00:00Z/2026-04-08T12:00:00+02:00",
                "2026-04-01T02:00:00+02:00",
                "2026-04-08T12:00:00+02:00",
            ),
            ("2026-03-25/2026-04-01", "2026-03-25T00:00:00+01:00", "2026-04-01T00:00:00+02:00"),
            ("2026-04-01/2026-04-08", "2026-04-01T00:00:00+02:00", "2026-04-08T00:00:00+02:00"),
        ],
    )
    def test_for_a_past_period(self, written: str, start: str, end: str) -> None:
        """Written in the schedule's zone: documents then speak of whole days."""
        world = World.of("2026-05-04 08:00", timeZone="Europe/Berlin")
        world.annotate(run_now="1", run_period=written)
        [report] = world.operate().creations
        assert report["spec"]["period"] == {"start": start, "end": end}
        assert report["metadata"]["annotations"]["report-operator.io/run-now"] == "1"

    @pytest.mark.parametrize(
        "written",
        [
            "2026-04-01",
            "2026-04-08/2026-04-01",
            "a/b",
            "2026-04-01T00:00:00/2026-05-01",
            "0001-01-01/2026-01-01",
            "2026-01-01/9999-12-31T23:59:59-05:00",
        ],
    )
    def test_a_period_that_cannot_be_read_runs_nothing_and_says_so(self, written: str) -> None:
        world = World.of("2026-05-04 08:00", timeZone="Europe/Berlin")
        world.annotate(run_now="1", run_period=written)
        world.operate()
        assert world.reports == {}
        assert world.status["lastHandledRunNow"] == "1"
        assert world.status["skipped"]["reason"] == "InvalidRunPeriod"
        assert f"report-operator.io/run-period: {written} is not a period: " in world.status["skipped"]["message"]

    def test_is_about_what_a_slot_at_that_moment_would_be_about(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "weekly"})
        world.annotate(run_now="1")
        [report] = world.operate(to="2026-05-07 15:30").creations
        assert report["spec"]["period"] == {"start": "2026-04-30T00:00:00Z", "end": "2026-05-07T00:00:00Z"}

    def test_runs_while_suspended_and_beside_another_run(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY, concurrencyPolicy="Forbid")
        world.run("2026-05-04 09:00", succeed=False)
        world.edit(suspend=True)
        world.annotate(run_now="1")
        world.operate()
        assert world.slots(trigger="manual") == ["05-04 09:00"]
        assert len(world.active()) == 2

    @pytest.mark.parametrize("suspend", [True, False])
    def test_while_every_variant_is_suspended_is_skipped_and_said_so(self, *, suspend: bool) -> None:
        world = World.of("2026-05-04 08:00", **DAILY, variants=[{"name": "a", "suspend": True}], suspend=suspend)
        world.annotate(run_now="1")
        world.operate()
        world.operate()
        assert (world.reports, world.status["lastHandledRunNow"]) == ({}, "1")
        assert (world.status["skipped"]["count"], world.status["skipped"]["reason"]) == (1, "VariantsSuspended")
        assert world.told == ["VariantsSuspended"]
        assert (
            world.status["conditions"][0]["message"] == "Every variant is suspended; nothing runs, not by hand either."
        )

    def test_of_a_schedule_that_cannot_be_followed_waits_for_the_edit(self) -> None:
        world = World.of("2026-05-04 08:00", schedule=["0 0 31 2 *"])
        world.annotate(run_now="1")
        world.operate()
        assert world.reports == {}
        world.edit(schedule=["0 0 28 2 *"])
        world.operate()
        assert len(world.reports) == 1

    def test_flux_asks_to_look_again_and_gets_an_echo_only(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.manifest["metadata"]["annotations"] = {"reconcile.fluxcd.io/requestedAt": "2026-05-04T08:00:00.123Z"}
        world.operate()
        assert world.reports == {}
        assert world.status["lastHandledReconcileAt"] == "2026-05-04T08:00:00.123Z"


class TestBackfill:
    APRIL = {"from": "2026-04-01T00:00:00Z", "to": "2026-04-11T00:00:00Z"}

    @pytest.mark.requirement("N6")
    def test_makes_the_reports_whose_period_lies_in_the_range_oldest_first_a_few_at_a_time(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL)
        world.operate()
        assert world.slots() == ["04-02 00:00", "04-03 00:00", "04-04 00:00", "04-05 00:00", "04-06 00:00"]
        assert world.status["backfill"]["slots"] == 10
        assert world.status["backfill"]["decided"] == 5
        world.end(world.made[0])
        world.operate()
        assert world.made[-1].startswith("weekly-20260407-")
        world.run("2026-05-04 08:30")
        for _ in range(5):
            world.end_all()
            world.operate()
        assert world.slots(trigger="backfill") == [f"04-{day:02} 00:00" for day in range(2, 12)]
        first, *_, last = (report["spec"]["period"] for report in world.reports.values())
        assert (first["start"], last["end"]) == (self.APRIL["from"], self.APRIL["to"])
        assert world.status["backfill"]["decided"] == 10
        assert "nextSlot" not in world.status["backfill"]
        assert [time for time in ("lastRun", "lastScheduleTime", "lastSuccessfulTime") if time in world.status] == []

    def test_a_slot_that_has_a_report_gets_no_second_one(self) -> None:
        world = World.of("2026-04-05 08:00", frequency={"every": "daily"})
        world.run("2026-04-08 08:00")
        world.edit(backfill=self.APRIL)
        for _ in range(5):
            world.operate()
            world.end_all()
        world.operate()
        assert len(set(world.made)) == len(world.made)
        assert world.slots(trigger="scheduled") == ["04-06 00:00", "04-07 00:00", "04-08 00:00"]
        assert world.slots(trigger="backfill") == ["04-02 00:00", "04-03 00:00", "04-04 00:00", "04-05 00:00"]
        world.run("2026-04-12 08:00")
        assert world.slots(trigger="scheduled")[-1] == "04-12 00:00"  # slots to come are the schedule's

    def test_gives_way_to_the_schedule_and_is_no_reason_to_skip(self) -> None:
        spec = {"concurrencyPolicy": "Forbid", "backfill": self.APRIL}
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, **spec)
        world.operate()
        assert world.slots() == ["04-02 00:00"]
        world.run("2026-05-05 00:00", succeed=False)
        assert world.slots() == ["04-02 00:00", "05-05 00:00"]
        assert world.status["skipped"]["count"] == 0
        world.end(world.made[0])
        world.operate()
        assert len(world.made) == 2  # the run of the schedule has not ended
        world.end_all()
        world.operate()
        assert world.slots() == ["04-02 00:00", "04-03 00:00", "05-05 00:00"]

    def test_of_too_many_slots_does_nothing_and_says_so(self) -> None:
        world = World.of("2026-05-04 08:00", **MINUTELY, backfill=self.APRIL)
        world.operate()
        assert world.reports == {}
        assert "The range has more than 1000 slots: write a shorter one" in world.status["backfill"]["message"]

    def backfilled(self, looks: int, time: str) -> World:
        """Return a world in which the hour is edited after so many looks at a backfill."""
        world = World.of("2026-05-04 08:00", frequency={"every": "daily", "time": "06:00"}, backfill=self.APRIL)
        for _ in range(looks):
            world.operate()
            world.end_all()
        world.edit(frequency={"every": "daily", "time": time})
        for _ in range(4):
            world.operate()
            world.end_all()
        return world

    @pytest.mark.parametrize("looks", [1, 2, 4])
    @pytest.mark.parametrize("time", ["05:00", "06:00", "07:00"])
    def test_an_edit_of_the_timing_does_nothing_twice(self, looks: int, time: str) -> None:
        world = self.backfilled(looks, time)
        periods = [report["spec"]["period"]["start"][5:10] for report in world.reports.values()]
        assert periods == [f"04-{day:02}" for day in range(1, 11)]
        assert (world.status["backfill"]["slots"], world.status["backfill"]["decided"]) == (10, 10)
        assert "nextSlot" not in world.status["backfill"]

    def test_an_edit_of_the_timing_leaves_no_time_out(self) -> None:
        """The period of a cron line is the time since the slot before: one overlaps with what is done already."""
        world = World.of("2026-05-04 08:00", schedule=["0 6 * * *"], backfill=self.APRIL)
        world.operate()
        world.end_all()
        world.edit(schedule=["0 5 * * *"])
        world.operate()
        periods = [report["spec"]["period"] for report in world.reports.values()]
        assert (periods[4]["end"], periods[5]["start"]) == ("2026-04-06T06:00:00Z", "2026-04-06T05:00:00Z")

    def test_another_range_or_a_timing_with_fewer_slots_is_taken_up(self) -> None:
        world = World.of("2026-05-04 08:00", **MINUTELY, backfill=self.APRIL)
        world.operate()
        world.edit(schedule=["0 0 * * *"])
        world.operate()
        assert len(world.made) == 5
        world.edit(backfill={"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"})
        world.end_all()
        world.operate()
        assert world.slots(trigger="backfill")[0] == "03-02 00:00"

    def test_rests_while_suspended_and_goes_with_the_spec(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL)
        world.operate()
        world.edit(suspend=True)
        world.end_all()
        world.operate()
        assert len(world.made) == 5
        world.edit(suspend=False)
        world.operate()
        assert len(world.made) == 10
        world.edit(backfill=None)
        world.operate()
        assert "backfill" not in world.status

    def test_waits_while_the_api_server_refuses_a_report_and_goes_on_by_itself(self) -> None:
        year = {"from": "2025-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
        world = World.of("2026-05-10 08:00", frequency={"every": "monthly"}, backfill=year)
        world.refused = {"weekly-": "exceeded quota: reports"}
        for _ in range(2):
            wake = world.operate().wake_at
            assert wake == world.now + timedelta(minutes=1)
            progress = world.status["backfill"]
            assert (progress["slots"], progress["decided"], progress["nextSlot"]) == (15, 0, "2025-02-01T00:00:00Z")
            assert progress["message"].endswith("exceeded quota: reports")
            world.now = wake
        assert (world.made, world.status["skipped"]["count"], world.told) == ([], 0, ["ReportRefused"])
        world.refused = {}
        world.operate()
        assert (len(world.made), world.status["backfill"]["decided"]) == (1, 1)
        assert "message" not in world.status["backfill"]
        for _ in range(3):
            world.end_all()
            world.operate()
        assert (len(world.made), world.status["backfill"]["decided"]) == (15, 15)

    def test_stops_at_the_slot_that_is_refused(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL, **TWO)
        world.refused = {"weekly-20260404-0000-emea": "no"}
        world.operate()
        assert world.slots(variant="emea") == [f"04-{day:02} 00:00" for day in (2, 3, 5, 6)]
        assert world.slots(variant="apac") == [f"04-{day:02} 00:00" for day in (2, 3, 4, 5, 6)]
        for _ in range(3):
            world.end_all()
            world.operate()
        assert len(world.made) == 9
        assert world.status["backfill"]["decided"] == 2
        world.refused = {}
        for _ in range(3):
            world.operate()
            world.end_all()
        assert (len(set(world.made)), len(world.made), world.status["backfill"]["decided"]) == (20, 20, 10)
        assert "message" not in world.status["backfill"]

    def test_says_why_it_waits_while_others_run(self) -> None:
        spec = {"frequency": {"every": "daily"}, "backfill": self.APRIL, "concurrencyPolicy": "Forbid"}
        world = World.of("2026-05-04 23:59", **spec)
        world.refused = {"weekly-202604": "no"}
        for _ in range(3):
            world.operate()
            world.now += timedelta(minutes=1)
        assert (world.slots(), world.told) == (["05-05 00:00"], ["ReportRefused"])
        assert world.status["backfill"]["message"].endswith("no")

    def test_that_waits_after_a_refusal_does_nothing_twice_when_the_timing_is_edited(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily", "time": "06:00"}, backfill=self.APRIL)
        for _ in range(2):
            world.operate()
            world.end_all()
            world.refused = {"weekly-": "no"}
        world.edit(frequency={"every": "daily", "time": "05:00"})
        world.refused = {}
        world.operate()
        periods = [report["spec"]["period"]["start"][5:10] for report in world.reports.values()]
        assert periods == [f"04-{day:02}" for day in range(1, 11)]

    def test_does_not_look_again_while_suspended(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL)
        world.refused = {"weekly-": "no"}
        world.operate()
        world.edit(suspend=True)
        assert world.operate().wake_at is None

    def test_is_not_deleted_by_the_history(self) -> None:
        history = {"successful": 1, "failed": 0, "keepLast": 0}
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL, history=history)
        for _ in range(4):
            world.operate()
            world.end_all()
        world.run("2026-05-06 08:00")
        assert len(world.slots(trigger="backfill")) == 10
        assert world.slots(trigger="scheduled") == ["05-06 00:00"]
