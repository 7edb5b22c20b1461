"""What a ScheduledReport says of itself and its runs."""

from typing import Any

import pytest

from tests.support.schedules import DAILY, HOURLY, MINUTELY, TWO, World, condition, utc


class TestStatus:
    @pytest.mark.requirement("E1", "E3")
    def test_tells_of_the_last_and_the_next_run(self) -> None:
        world = World.of("2026-05-04 08:00", frequency={"every": "daily", "time": "09:00"}, timeZone="Europe/Berlin")
        world.run("2026-05-05 07:00", succeed=False)
        world.now = utc("2026-05-05 07:05")
        world.end_all("Failed")
        world.operate()
        status = world.status
        assert status["schedule"] == "daily at 09:00"
        assert status["nextRunTime"] == "2026-05-06T07:00:00Z"
        assert status["nextPeriod"] == {"start": "2026-05-04T22:00:00Z", "end": "2026-05-05T22:00:00Z"}
        assert status["lastScheduleTime"] == "2026-05-05T07:00:00Z"
        assert status["lastFailureTime"] == "2026-05-05T07:05:00Z"
        assert "lastSuccessfulTime" not in status
        assert status["lastRun"] == {
            "name": world.made[0],
            "slot": "2026-05-05T07:00:00Z",
            "phase": "Failed",
            "reason": "Failed",
            "message": "It has Failed.",
            "startTime": "2026-05-05T07:00:00Z",
            "completionTime": "2026-05-05T07:05:00Z",
        }

    def test_of_several_variants_shows_the_one_that_failed(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY, **TWO)
        world.run("2026-05-04 09:00", succeed=False)
        emea, apac = world.active()
        world.end(apac, "Failed")
        world.end(emea)
        world.operate()
        assert (world.status["lastRun"]["name"], world.status["lastRun"]["phase"]) == (apac, "Failed")

    def test_a_report_that_somebody_deletes_does_not_run_for_ever(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:05", succeed=False)
        del world.reports[world.made[0]]
        world.operate(to="2026-05-04 09:06")
        assert world.status["active"] == []
        assert world.status["lastRun"] == {
            "name": world.made[0],
            "slot": "2026-05-04T09:00:00Z",
            "phase": "Cancelled",
            "reason": "ReportDeleted",
            "message": "The Report was deleted before the end of its run was seen.",
            "startTime": "2026-05-04T09:00:00Z",
        }
        assert world.operate().status is None

    def test_a_report_that_is_deleted_after_its_end_goes_on_to_tell_of_it(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:05")
        del world.reports[world.made[0]]
        assert world.operate().status is None
        assert world.status["lastRun"]["phase"] == "Succeeded"

    def test_lists_at_most_100_active_runs(self) -> None:
        world = World.of("2026-05-04 08:00", **MINUTELY)
        world.run("2026-05-04 10:00", succeed=False)
        assert len(world.active()) == 120
        assert len(world.status["active"]) == 100
        assert world.status["active"][0] == {"name": world.made[0], "slot": "2026-05-04T08:01:00Z"}

    def test_is_written_twice_for_a_run(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        written = []
        for phase in (None, "Queued", "Running", "Succeeded"):
            world.now = utc("2026-05-04 09:00")
            if phase is not None:
                next(iter(world.reports.values()))["status"] = {"phase": phase}
            written.append(world.operate().status is not None)
            written.append(world.operate().status is not None)
        assert written == [True, False, False, False, False, False, True, False]


class TestStopAfter:
    def failing(self, **spec: Any) -> World:
        world = World.of("2026-05-04 08:00", **HOURLY, stopAfter=3, history={"failed": 1}, **spec)
        for hour in (9, 10, 11):
            world.run(f"2026-05-04 {hour:02}:10", succeed=False)
            world.end_all("Failed")
        world.operate()
        return world

    def test_stops_although_the_failed_reports_are_gone(self) -> None:
        world = self.failing()
        assert condition(world, "Stopped") == ("True", "StoppedAfterFailures")
        assert condition(world, "Ready") == ("True", "StoppedAfterFailures")
        assert "nextRunTime" not in world.status
        assert world.told == ["StoppedAfterFailures"]
        world.run("2026-05-04 15:10")
        assert len(world.made) == 3
        assert "suspend" not in world.manifest["spec"]

    def test_an_edit_starts_it_again_without_making_up(self) -> None:
        world = self.failing()
        world.now = utc("2026-05-04 14:30")
        world.edit(template={"spec": {"outputs": [{"format": "html"}]}})
        world.run("2026-05-04 15:10")
        assert len(world.made) == 4
        assert condition(world, "Stopped") is None
        assert world.slots()[-1] == "05-04 15:00"

    def test_without_the_limit_it_starts_again_without_making_up(self) -> None:
        world = self.failing()
        world.now = utc("2026-05-04 15:30")
        world.edit(stopAfter=None)
        world.run("2026-05-04 15:40")
        assert len(world.made) == 3
        world.run("2026-05-04 16:10")
        assert world.slots()[-1] == "05-04 16:00"

    def test_a_run_by_hand_that_succeeds_starts_it_again(self) -> None:
        world = self.failing()
        world.now = utc("2026-05-04 14:30")
        world.annotate(run_now="1")
        world.operate()
        world.end_all("Failed")
        world.operate()
        assert condition(world, "Stopped") is not None
        world.annotate(run_now="2")
        world.operate()
        world.end_all()
        world.run("2026-05-04 15:10")
        assert condition(world, "Stopped") is None
        assert world.slots(trigger="scheduled")[-1] == "05-04 15:00"

    def test_a_success_ends_the_row_and_one_of_several_variants_is_enough(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **TWO, stopAfter=2)
        for hour in range(9, 15):
            world.run(f"2026-05-04 {hour:02}:10", succeed=False)
            emea, apac = world.active()
            world.end(emea, "Failed")
            world.end(apac, "Succeeded" if hour % 2 else "Failed")
        world.operate()
        assert len(world.made) == 12
        assert world.status["failures"]["inARow"] == 1


class TestForgiving:
    """What fails after an edit, or a success by hand, is a failure although its slot lay before."""

    def running(self) -> World:
        world = World.of("2026-05-04 08:00", **HOURLY, stopAfter=1)
        world.run("2026-05-04 09:00", succeed=False)
        world.now = utc("2026-05-04 09:03")
        return world

    def fail(self, world: World) -> None:
        world.now = utc("2026-05-04 09:05")
        world.end(world.made[0], "Failed")
        world.operate()

    @pytest.mark.parametrize("seen", [True, False])
    def test_an_edit_while_a_slot_runs(self, *, seen: bool) -> None:
        world = self.running()
        world.edit(jitter="0s")
        if seen:
            world.operate()
        self.fail(world)
        assert world.status["failures"]["inARow"] == 1
        assert condition(world, "Stopped") == ("True", "StoppedAfterFailures")

    @pytest.mark.parametrize("seen", [True, False])
    def test_a_success_by_hand_while_a_slot_runs(self, *, seen: bool) -> None:
        world = self.running()
        world.annotate(run_now="1")
        world.operate()
        world.end(world.made[1])
        if seen:
            world.operate()
        self.fail(world)
        assert world.status["failures"]["inARow"] == 1
        world.operate(to="2026-05-04 09:10")
        assert world.status["failures"]["inARow"] == 1

    def test_an_edit_before_the_slot_is_started(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.operate()
        world.now = utc("2026-05-04 09:00:02")
        world.edit(jitter="0s")
        world.operate(to="2026-05-04 09:00:03")
        self.fail(world)
        assert world.status["failures"]["inARow"] == 1

    def test_an_edit_forgives_what_had_failed_unseen(self) -> None:
        world = self.running()
        world.end_all("Failed")
        world.now = utc("2026-05-04 09:30")
        world.edit(jitter="0s")
        world.operate(to="2026-05-04 09:40")
        assert (world.status["failures"]["inARow"], condition(world, "Stopped")) == (0, None)


class TestRunWithoutEnd:
    """One that Kueue holds back, for instance."""

    def test_does_not_keep_later_slots_from_being_counted_told_and_deleted(self) -> None:
        notify = {"notify": [{"name": "owners", "webhook": {"url": "https://chat.example/hook"}}]}
        spec = {"stopAfter": 9, "history": {"failed": 2}, "onFailure": notify, "preflight": "Skip"}
        world = World.of("2026-05-04 08:00", **HOURLY, **spec)
        world.run("2026-05-04 09:00", succeed=False)
        for hour in range(10, 20):
            world.run(f"2026-05-04 {hour:02}:10", succeed=False)
            for name in world.active():
                if name != world.made[0]:
                    world.end(name, "Failed")
        world.operate()
        assert (world.status["failures"]["inARow"], condition(world, "Stopped") is not None) == (9, True)
        assert world.slots(trigger="scheduled") == ["05-04 09:00", "05-04 17:00", "05-04 18:00"]
        assert world.status["notices"]["inARow"] > 0
        world.end(world.made[0], "Failed")
        world.operate()
        assert world.slots(trigger="scheduled") == ["05-04 17:00", "05-04 18:00"]


class TestInvalid:
    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"schedule": ["0 0 31 2 *"]}, "spec.schedule: 0 0 31 2 * never fires: write days that the month has."),
            ({"timeZone": "Mars/Olympus"}, "spec.timeZone: Mars/Olympus is not in the operator's time zone database"),
        ],
    )
    def test_stalls_and_resumes_by_itself_when_edited(self, wrong: dict[str, Any], says: str) -> None:
        world = World.of("2026-05-04 08:00", **{**HOURLY, **wrong})
        decision = world.operate()
        assert decision.wake_at is None
        assert condition(world, "Ready") == ("False", "InvalidSchedule")
        assert condition(world, "Stalled") == ("True", "InvalidSchedule")
        assert says in world.status["conditions"][0]["message"]
        assert world.told == ["InvalidSchedule"]
        world.now = utc("2026-05-04 11:30")
        world.edit(**HOURLY, timeZone="UTC")
        world.run("2026-05-04 12:10")
        assert world.slots() == ["05-04 12:00"]
        assert condition(world, "Ready") == ("True", "Scheduled")
        assert condition(world, "Stalled") is None

    def test_keeps_telling_of_runs_that_go_on(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:10", succeed=False)
        world.edit(schedule=["0 0 31 2 *"])
        world.operate()
        world.end_all()
        world.operate()
        assert world.status["lastRun"]["phase"] == "Succeeded"
        assert world.status["active"] == []

    def test_a_spec_that_this_version_cannot_read_is_named(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:10")
        world.edit(concurrencyPolicy="Whatever")
        world.operate()
        assert condition(world, "Stalled") == ("True", "InvalidSpec")
        assert "spec.concurrencyPolicy cannot be read" in world.status["conditions"][0]["message"]
        world.now = utc("2026-05-04 12:30")
        world.edit(concurrencyPolicy="Allow")
        world.run("2026-05-04 12:40")
        assert world.slots() == ["05-04 09:00"]
