"""The Reports of a ScheduledReport: what they carry, which run side by side, and which are kept."""

from datetime import timedelta

import pytest

from report_operator.plan.schedule.facts import Decision
from report_operator.plan.scheduled_report import decide
from tests.support.schedules import DAILY, HOURLY, TWO, CrashError, World, rfc3339, utc


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

    def test_a_report_that_is_refused_replaces_nothing(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Replace")
        world.run("2026-05-04 09:10", succeed=False)
        world.refused = {"1000": "exceeded quota"}
        world.operate(to="2026-05-04 10:00")
        assert (world.cancelled, world.active()) == ([], world.made[:1])
        assert world.status["skipped"]["reason"] == "ReportRefused"

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

    @pytest.mark.parametrize(("phase", "stays"), [("Waiting", True), ("Running", True), ("Ended", False)])
    def test_what_is_being_sent_again_stays_until_that_has_ended(self, phase: str, stays: bool) -> None:
        """The garbage collector would take the Job that sends with the Report."""
        world = World.of("2026-05-04 08:00", **HOURLY, history={"failed": 1})
        world.run("2026-05-04 09:10", succeed=False)
        world.end_all("Failed")
        first = world.made[0]
        world.reports[first]["status"]["redelivery"] = {"token": "t1", "phase": phase}
        world.run("2026-05-04 10:10", succeed=False)
        world.end_all("Failed")
        world.operate()
        assert world.slots() == (["05-04 09:00", "05-04 10:00"] if stays else ["05-04 10:00"])
