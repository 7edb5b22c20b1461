"""Decisions about a ScheduledReport, as stories: what is written, what happens, which Reports there are."""

from datetime import timedelta
from typing import Any

import pytest

from report_operator.plan.schedule.facts import Decision
from report_operator.plan.scheduled_report import decide
from tests.support.schedules import CrashError, World, rfc3339, utc

DAILY = {"schedule": ["0 9 * * *"]}
HOURLY = {"schedule": ["0 * * * *"]}
MINUTELY = {"schedule": ["* * * * *"]}
TWO = {"variants": [{"name": "emea", "params": {"b": 3, "c": 4}}, {"name": "apac"}]}


def condition(world: World, kind: str) -> tuple[str, str] | None:
    """Return status and reason of a condition."""
    found = [c for c in world.status["conditions"] if c["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else None


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
            "message": "1 slot until 2026-05-04T09:30:00Z had not been run when the schedule was edited or suspended.",
            "lastSlot": "2026-05-04T09:30:00Z",
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

    def test_of_every_variant_is_a_suspension(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, variants=[{"name": "a", "suspend": True}])
        world.run("2026-05-04 10:10")
        assert condition(world, "Ready") == ("True", "Suspended")
        world.edit(variants=[{"name": "a"}])
        world.run("2026-05-04 11:10")
        assert world.slots() == ["05-04 11:00"]


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

    def test_more_than_the_limit_do_not_wait(self) -> None:
        spec = {**HOURLY, "catchUp": {"policy": "All", "limit": 2}, "concurrencyPolicy": "Forbid"}
        world = World.of("2026-05-04 08:00", **spec)
        world.operate()
        world.operate(to="2026-05-04 10:30")
        world.operate(to="2026-05-04 13:30")
        assert world.status["catchUp"] == ["2026-05-04T12:00:00Z", "2026-05-04T13:00:00Z"]
        assert world.status["missed"]["count"] == 2  # 10:00 gave way, 11:00 was beyond the limit at once


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


class TestConcurrency:
    def test_allow_runs_side_by_side(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY)
        world.run("2026-05-04 10:10", succeed=False)
        assert len(world.active()) == 2

    def test_forbid_skips_and_counts(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Forbid")
        world.run("2026-05-04 10:10", succeed=False)
        assert world.slots() == ["05-04 09:00"]
        assert world.status["skipped"] == {
            "count": 1,
            "reason": "AlreadyRunning",
            "message": f"The slot of 2026-05-04T10:00Z was skipped: not ended yet: {world.made[0]}.",
            "lastSlot": "2026-05-04T10:00:00Z",
        }
        world.end_all()
        world.run("2026-05-04 10:59")
        assert world.slots() == ["05-04 09:00"]  # it does not catch up (k8s website #44796)
        world.run("2026-05-04 11:00")
        assert world.slots() == ["05-04 09:00", "05-04 11:00"]

    def test_replace_cancels_the_earlier_run(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Replace")
        world.run("2026-05-04 10:10", succeed=False)
        assert world.slots() == ["05-04 09:00", "05-04 10:00"]
        assert world.cancelled == [world.made[0]]
        assert world.active() == [world.made[1]]
        assert world.status["lastRun"]["phase"] == "Active"

    def test_counts_for_each_variant_by_itself(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **TWO, concurrencyPolicy="Forbid")
        world.run("2026-05-04 09:00", succeed=False)
        world.end(next(name for name in world.active() if "emea" in name))
        world.run("2026-05-04 10:00", succeed=False)
        assert world.slots("emea") == ["05-04 09:00", "05-04 10:00"]
        assert world.slots("apac") == ["05-04 09:00"]
        assert world.status["skipped"]["count"] == 1

    def test_a_run_that_was_made_before_a_crash_is_not_skipped(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Forbid")
        world.operate()
        world.annotate(run_now="1")
        world.now = utc("2026-05-04 09:00")
        with pytest.raises(CrashError):
            world.operate(steps=2)
        assert len(world.active()) == 2
        world.operate()
        assert world.status["skipped"]["count"] == 0
        assert world.status["lastHandledRunNow"] == "1"

    def test_a_phase_that_this_version_does_not_know_is_not_an_end(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Forbid")
        world.run("2026-05-04 09:00", succeed=False)
        world.end(world.made[0], "Hibernating")
        world.run("2026-05-04 10:00", succeed=False)
        assert world.slots() == ["05-04 09:00"]


class TestChildren:
    def test_carry_the_metadata_of_the_template_and_ours_only(self) -> None:
        """Velero #2975: a tracking label that is copied to a child has Argo CD prune it."""
        template = {
            "metadata": {"labels": {"team": "network"}, "annotations": {"example.com/owner": "ops"}},
            "spec": {"outputs": [{"format": "pdf"}], "field-of-a-newer-version": 1},
        }
        world = World.of("2026-05-04 08:00", **DAILY, template=template)
        world.manifest["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        [report] = world.operate(to="2026-05-04 09:00").creations
        name = report["metadata"]["name"]
        assert name.startswith("weekly-20260504-0900-")
        assert report["metadata"] == {
            "name": name,
            "namespace": "team-a",
            "labels": {
                "team": "network",
                "app.kubernetes.io/managed-by": "report-operator",
                "report-operator.io/schedule": "weekly",
                "report-operator.io/schedule-uid": world.manifest["metadata"]["uid"],
                "report-operator.io/trigger": "scheduled",
            },
            "annotations": {"example.com/owner": "ops", "report-operator.io/slot": "2026-05-04T09:00:00Z"},
        }
        assert report["spec"] == {
            "outputs": [{"format": "pdf"}],
            "field-of-a-newer-version": 1,
            "template": {"name": "standard", "params": {}},
            "period": {"start": "2026-05-03T09:00:00Z", "end": "2026-05-04T09:00:00Z"},
        }

    @pytest.mark.requirement("E2")
    def test_one_for_each_active_variant_with_its_params_over_those_of_the_template(self) -> None:
        variants = [*TWO["variants"], {"name": "off", "suspend": True}]
        world = World.of("2026-05-04 08:00", **DAILY, variants=variants)
        world.operate(to="2026-05-04 09:00")
        found = {
            r["metadata"]["labels"]["report-operator.io/variant"]: r["spec"]["template"]["params"]
            for r in world.reports.values()
        }
        assert found == {"emea": {"a": 1, "b": 3, "c": 4}, "apac": {"a": 1, "b": 2}}

    def test_of_a_long_name_have_names_of_at_most_63_characters_that_differ(self) -> None:
        variants = [{"name": f"{'region-' * 8}{n}"} for n in range(3)]
        world = World.of("2026-05-04 08:00", **DAILY, variants=variants)
        world.manifest["metadata"]["name"] = f"{'a.' * 31}b"
        world.operate(to="2026-05-04 09:00")
        assert len(world.reports) == 3
        assert max(len(name) for name in world.reports) <= 63
        assert all(name.startswith("a-a-a-a-") and "-20260504-0900-region-region" in name for name in world.reports)

    @pytest.mark.requirement("A10")
    def test_stay_when_the_schedule_is_deleted(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.run("2026-05-04 09:00")
        assert [r["metadata"].get("ownerReferences", []) for r in world.reports.values()] == [[]]
        world.manifest["metadata"]["deletionTimestamp"] = "2026-05-05T08:00:00Z"
        world.now = utc("2026-05-05 10:00")
        assert decide(world.facts()) == Decision()

    def test_go_with_the_schedule_when_it_says_so_and_no_longer_when_not(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.run("2026-05-04 09:10")
        world.edit(history={"onDelete": "Delete"})
        world.run("2026-05-05 09:10")
        owners = [[owner["uid"] for owner in r["metadata"]["ownerReferences"]] for r in world.reports.values()]
        assert owners == [[world.manifest["metadata"]["uid"]]] * 2
        world.edit(history={"onDelete": "Keep"})
        world.operate()
        assert [r["metadata"]["ownerReferences"] for r in world.reports.values()] == [[], []]
        assert world.operate() == Decision(wake_at=utc("2026-05-06 09:00"))

    def test_that_the_api_server_refuses_are_skipped_and_the_next_slot_is_tried(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY, **TWO)
        world.refused = {"emea": "exceeded quota"}
        world.operate(to="2026-05-04 09:00")
        assert world.slots() == ["05-04 09:00"]
        skipped = world.status["skipped"]
        assert (skipped["count"], skipped["reason"]) == (1, "ReportRefused")
        assert "exceeded quota" in skipped["message"]
        world.refused = {}
        world.run("2026-05-05 09:00")
        assert world.slots("emea") == ["05-05 09:00"]


@pytest.mark.requirement("N3")
class TestHistory:
    def test_keeps_the_last_of_each_variant(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, **TWO, history={"successful": 2, "failed": 1})
        world.run("2026-05-04 13:10")
        assert world.slots("emea") == world.slots("apac") == ["05-04 12:00", "05-04 13:00"]
        for _ in range(3):
            world.run(rfc3339(world.now + timedelta(hours=1))[:19], succeed=False)
            world.end_all("Failed")
        world.operate()
        assert world.slots("emea") == ["05-04 12:00", "05-04 13:00", "05-04 16:00"]

    def test_keep_last_wins_over_successful(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, history={"successful": 0, "keepLast": 3})
        world.run("2026-05-04 18:10")
        assert world.slots() == ["05-04 16:00", "05-04 17:00", "05-04 18:00"]

    def test_what_a_deleted_report_told_stays_in_the_status(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, history={"successful": 0, "keepLast": 0})
        world.run("2026-05-04 10:10")
        assert world.reports == {}
        assert world.status["lastRun"]["name"] == world.made[1]
        assert world.status["lastRun"]["phase"] == "Succeeded"
        assert world.status["lastSuccessfulTime"] == "2026-05-04T10:00:00Z"
        assert world.status["lastScheduleTime"] == "2026-05-04T10:00:00Z"


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
            ("2026-04-01T00:00:00Z/2026-04-08T12:00:00+02:00", "2026-04-01T00:00:00Z", "2026-04-08T10:00:00Z"),
            ("2026-04-01/2026-04-08", "2026-03-31T22:00:00Z", "2026-04-07T22:00:00Z"),
        ],
    )
    def test_for_a_past_period(self, written: str, start: str, end: str) -> None:
        world = World.of("2026-05-04 08:00", timeZone="Europe/Berlin")
        world.annotate(run_now="1", run_period=written)
        [report] = world.operate().creations
        assert report["spec"]["period"] == {"start": start, "end": end}
        assert report["metadata"]["annotations"]["report-operator.io/run-now"] == "1"

    @pytest.mark.parametrize(
        "written", ["2026-04-01", "2026-04-08/2026-04-01", "a/b", "2026-04-01T00:00:00/2026-05-01"]
    )
    def test_a_period_that_cannot_be_read_runs_nothing_and_says_so(self, written: str) -> None:
        world = World.of("2026-05-04 08:00")
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

    def test_is_not_deleted_by_the_history(self) -> None:
        history = {"successful": 1, "failed": 0, "keepLast": 0}
        world = World.of("2026-05-04 08:00", frequency={"every": "daily"}, backfill=self.APRIL, history=history)
        for _ in range(4):
            world.operate()
            world.end_all()
        world.run("2026-05-06 08:00")
        assert len(world.slots(trigger="backfill")) == 10
        assert world.slots(trigger="scheduled") == ["05-06 00:00"]


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
