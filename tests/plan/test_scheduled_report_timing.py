"""When a ScheduledReport runs: from its creation on, after edits and suspensions, and with jitter."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.schedules import DAILY, HOURLY, MINUTELY, World, condition, rfc3339, utc


class TestCreation:
    def test_runs_at_each_slot_from_its_creation_on(self) -> None:
        world = World.of("2026-05-04 08:59:59", **DAILY)
        world.run("2026-05-06 09:00")
        assert world.slots() == ["05-04 09:00", "05-05 09:00", "05-06 09:00"]
        assert world.status["missed"] == {"count": 0}

    @pytest.mark.parametrize("created", ["2026-05-04 09:00:00", "2026-05-04 09:30:00"])
    def test_slots_before_the_creation_never_run(self, created: str) -> None:
        world = World.of(created, **DAILY)
        world.run("2026-05-04 23:00")
        assert world.slots() == []

    def test_made_while_the_operator_was_down_it_runs_when_it_is_back(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.operate(to="2026-05-04 11:20")
        assert world.slots() == ["05-04 11:00"]
        assert world.status["missed"]["count"] == 2

    def test_edited_before_it_was_first_seen_only_slots_after_the_edit_count(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.now = utc("2026-05-04 10:30")
        world.edit(schedule=["15 * * * *"])
        world.operate(to="2026-05-04 10:40")
        assert world.slots() == []
        world.run("2026-05-04 11:30")
        assert world.slots() == ["05-04 11:15"]

    def test_a_restored_status_of_an_object_that_was_before_says_nothing(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:00")
        world.manifest["metadata"] |= {"creationTimestamp": "2026-06-01T08:30:00Z", "uid": "another"}
        world.manifest["status"]["observedGeneration"] = 7
        world.reports.clear()
        world.run("2026-06-01 09:10")
        assert world.slots() == ["06-01 09:00"]
        assert world.status["missed"]["count"] == 0


class TestEdit:
    """k8s #63371, #130838: CronJob runs the times of an edited schedule that have passed already."""

    @pytest.mark.parametrize(
        "change",
        [
            {"schedule": ["0 7 * * *"]},
            {"schedule": ["0 9 * * *", "* 7 * * *"]},
            {"timeZone": "Asia/Tokyo"},
            {"schedule": None, "frequency": {"every": "daily", "time": "09:30"}},
        ],
    )
    def test_to_an_earlier_time_sends_nothing(self, change: dict[str, Any]) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.run("2026-05-05 10:00")
        world.edit(**change)
        world.run("2026-05-05 16:00")
        assert world.slots() == ["05-04 09:00", "05-05 09:00"]
        world.run("2026-05-06 10:00")
        assert len(world.slots()) > 2

    def test_the_same_slot_is_not_run_again(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.run("2026-05-04 09:00:00")
        world.edit(schedule=["0 * * * *"])
        world.run("2026-05-04 09:30")
        assert world.slots() == ["05-04 09:00"]

    def test_while_the_operator_was_down_only_slots_after_it_count(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        world.now = utc("2026-05-04 09:30")
        world.edit(schedule=["0 8,9,10,11 * * *"])
        world.operate(to="2026-05-04 11:30")
        assert world.slots() == ["05-04 11:00"]
        assert world.status["missed"]["count"] == 2  # 09:00 of the timing before, 10:00 of the new one
        assert world.status["appliedSchedule"]["since"] == "2026-05-04T09:30:00Z"

    def test_without_managed_fields_it_counts_as_made_when_it_is_seen(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        world.edit(schedule=["0 8,9,10,11 * * *"])
        del world.manifest["metadata"]["managedFields"]
        world.operate(to="2026-05-04 11:30")
        assert world.slots() == []

    def test_of_the_template_leaves_slots_that_are_due(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        world.now = utc("2026-05-04 09:00:02")
        world.edit(template={"spec": {"outputs": [{"format": "html"}]}})
        world.operate()
        assert world.slots() == ["05-04 09:00"]
        assert next(iter(world.reports.values()))["spec"]["outputs"] == [{"format": "html"}]

    def test_and_back_unseen_runs_nothing_of_before(self) -> None:
        """The generation has moved by two: the operator cannot know what was in force at the slot."""
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        world.now = utc("2026-05-04 08:30")
        world.edit(schedule=["0 12 * * *"])
        world.now = utc("2026-05-04 09:30")
        world.edit(schedule=["0 9 * * *"])
        world.operate(to="2026-05-04 09:31")
        assert world.slots() == []
        assert world.status["missed"] == {
            "count": 1,
            "reason": "Edited",
            "message": "1 slot until 2026-05-04T09:31:00Z had not been run "
            "when the schedule was edited, suspended or refused.",
            "lastSlot": "2026-05-04T09:31:00Z",
        }


class TestSuspend:
    def test_stops_runs_and_resuming_makes_up_for_none(self) -> None:
        """k8s #45825, velero #6517."""
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:10")
        world.edit(suspend=True)
        world.run("2026-05-04 12:10")
        assert condition(world, "Ready") == ("True", "Suspended")
        assert "nextRunTime" not in world.status
        world.edit(suspend=False)
        world.run("2026-05-04 12:30")
        assert world.slots() == ["05-04 09:00"]
        world.run("2026-05-04 13:00")
        assert world.slots() == ["05-04 09:00", "05-04 13:00"]
        assert world.status["missed"]["count"] == 0

    def test_leaves_runs_under_way(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 09:10", succeed=False)
        world.edit(suspend=True)
        world.operate()
        assert len(world.active()) == 1
        assert world.cancelled == []
        assert len(world.status["active"]) == 1

    def test_and_resume_unseen_runs_nothing_of_before(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.operate()
        world.now = utc("2026-05-04 08:30")
        world.edit(suspend=True)
        world.now = utc("2026-05-04 11:30")
        world.edit(suspend=False)
        world.operate(to="2026-05-04 11:40")
        assert world.slots() == []
        world.run("2026-05-04 12:00")
        assert world.slots() == ["05-04 12:00"]

    def test_resumed_while_the_operator_is_down_only_slots_after_it_count(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, suspend=True)
        world.operate()
        world.now = utc("2026-05-04 11:30")
        world.edit(suspend=False)
        world.operate(to="2026-05-04 13:10")
        assert world.slots() == ["05-04 13:00"]
        assert world.status["missed"]["count"] == 1

    def test_suspended_while_the_operator_was_down_what_was_due_before_is_missed(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.operate()
        world.now = utc("2026-05-04 10:30")
        world.edit(suspend=True)
        world.operate(to="2026-05-04 12:30")
        world.operate()
        assert world.slots() == []
        assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (2, "Edited")

    def test_that_ends_by_a_field_that_is_removed_makes_up_for_none(self) -> None:
        """The API server notes no time of an edit that only removes something."""
        world = World.of("2026-05-04 08:00", **HOURLY, variants=[{"name": "a", "suspend": True}])
        world.run("2026-05-06 15:30")
        world.edit(variants=None)
        world.run("2026-05-06 15:40")
        assert (world.slots(), world.status["missed"]["count"]) == ([], 0)
        world.run("2026-05-06 16:10")
        assert world.slots() == ["05-06 16:00"]

    def test_that_ends_by_the_last_of_several_edits_unseen_makes_up_for_none(self) -> None:
        """Of two edits one is noted: which of them, nobody can tell."""
        world = World.of("2026-05-04 08:00", **HOURLY, variants=[{"name": "a", "suspend": True}])
        world.operate()
        world.now = utc("2026-05-04 09:30")
        world.edit(stopAfter=3)
        world.now = utc("2026-05-04 11:30")
        world.edit(variants=None)
        world.operate(to="2026-05-04 11:31")
        assert (world.slots(), world.status["missed"]["count"]) == ([], 0)

    def test_of_every_variant_is_a_suspension(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, variants=[{"name": "a", "suspend": True}])
        world.run("2026-05-04 10:10")
        assert condition(world, "Ready") == ("True", "Suspended")
        world.edit(variants=[{"name": "a"}])
        world.run("2026-05-04 11:10")
        assert world.slots() == ["05-04 11:00"]


@pytest.mark.requirement("N4")
class TestJitter:
    SPEC = {**HOURLY, "jitter": "30m"}

    def test_holds_back_the_start_by_the_same_time_and_not_the_period(self) -> None:
        world = World.of("2026-05-04 08:00", **self.SPEC)
        first = world.operate().wake_at
        assert first is not None
        delay = first - utc("2026-05-04 09:00")
        assert timedelta(0) < delay < timedelta(minutes=30)
        assert world.status["nextRunTime"] == rfc3339(first)
        assert world.status["nextPeriod"] == {"start": "2026-05-04T08:00:00Z", "end": "2026-05-04T09:00:00Z"}
        world.operate(to=(first - timedelta(seconds=1)).isoformat()[:19])
        assert world.slots() == []
        world.operate(to=first.isoformat()[:19])
        assert world.slots() == ["05-04 09:00"]
        assert world.operate().wake_at == utc("2026-05-04 10:00") + delay

    def test_differs_between_objects_and_fills_the_range(self) -> None:
        starts = set()
        for number in range(200):
            world = World.of("2026-05-04 08:00", **self.SPEC)
            world.manifest["metadata"]["uid"] = f"uid-{number}"
            starts.add(world.operate().wake_at)
        minutes = {start.minute for start in starts if start is not None}
        assert minutes == set(range(30))

    def test_a_slot_that_is_held_back_at_an_edit_is_missed_and_said_so(self) -> None:
        world = World.of("2026-05-04 08:00", **self.SPEC)
        world.operate()
        world.now = utc("2026-05-04 09:00:01")
        world.edit(schedule=["30 * * * *"])
        world.run("2026-05-04 09:29")
        assert world.slots() == []
        assert (world.status["missed"]["count"], world.status["missed"]["reason"]) == (1, "Edited")

    def test_lateness_and_deadline_count_from_the_start_that_was_meant(self) -> None:
        world = World.of("2026-05-04 08:00", **self.SPEC, startingDeadline="10s", catchUp={"policy": "None"})
        start = world.operate().wake_at
        assert start is not None
        world.operate(to=(start + timedelta(seconds=10)).isoformat()[:19])
        assert world.slots() == ["05-04 09:00"]

    LATE = {"jitter": "23h", "catchUp": {"policy": "None"}}

    @pytest.mark.parametrize("jitter", ["0s", "1m", None])
    def test_a_slot_that_is_held_back_by_more_than_there_is_after_an_edit_is_run_then(self, jitter: str | None) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **self.LATE)
        world.operate()
        world.now = utc("2026-05-04 09:20")
        world.edit(jitter=jitter)
        world.operate()
        assert (world.slots(), world.status["missed"]["count"]) == (["05-04 09:00"], 0)

    def test_an_outage_after_that_edit_is_one(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **self.LATE)
        world.operate()
        world.now = utc("2026-05-04 09:20")
        world.edit(jitter="0s")
        world.operate(to="2026-05-04 09:30")
        assert (world.slots(), world.status["missed"]["reason"]) == ([], "OperatorUnavailable")

    def test_an_outage_before_that_edit_is_one(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **self.LATE | {"jitter": "10m"})
        first = world.operate().wake_at
        assert first is not None
        world.now = first + timedelta(minutes=5)
        world.edit(jitter="0s")
        world.operate()
        assert (world.slots(), world.status["missed"]["reason"]) == ([], "OperatorUnavailable")

    def test_any_other_edit_makes_no_slot_less_late(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, catchUp={"policy": "None"})
        world.operate()
        world.now = utc("2026-05-04 09:00:50")
        world.edit(stopAfter=3)
        world.operate(to="2026-05-04 09:01:40")
        assert (world.slots(), world.status["missed"]["reason"]) == ([], "OperatorUnavailable")

    def test_of_many_slots_that_were_held_back_the_latest_are_run(self) -> None:
        world = World.of("2026-05-04 08:00", **MINUTELY, **self.LATE | {"catchUp": {"limit": 2}})
        start = world.operate().wake_at
        assert start is not None
        assert start > utc("2026-05-04 08:30")
        world.now = utc("2026-05-04 08:30:30")
        world.edit(jitter="0s")
        world.operate()
        assert world.slots() == ["05-04 08:28", "05-04 08:29", "05-04 08:30"]
        missed = world.status["missed"]
        assert (missed["count"], missed["reason"]) == (27, "Edited")
        assert missed["message"].endswith("08:27:00Z had not been run when jitter was edited, and catchUp.limit is 2.")
