"""Reports that wait: for their turn, or for Kueue to start their Job."""

from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason
from report_operator.api.fields import parse_duration
from report_operator.plan import secret
from report_operator.plan.facts import Decision, DeleteSecret, DiscardArtifacts, StartRun
from report_operator.plan.objects import Job
from report_operator.plan.progress import is_stuck
from report_operator.plan.report import decide
from report_operator.plan.run_queue import Turn
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, SPEC, UID, condition, facts, job, pod, report, running, stored

Json = dict[str, Any]
SUBJECT = Subject.from_manifest(report())
SINCE = NOW - timedelta(minutes=1)
TURN = Turn(3, SINCE, "namespace team-a may have 2 runs at once", timedelta(seconds=95.4))
IN_LINE = {"position": 3, "since": "2026-05-04T05:59:30Z", "estimatedWaitSeconds": 95}


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def waiting(generation: int = 1, turn: Turn = TURN, status: Json | None = None) -> Json:
    return wire(decide(facts(report(generation, status=status), turn=turn)))


@pytest.mark.requirement("B6", "E6")
class TestTurn:
    def test_the_status_tells_position_wait_and_what_holds_it(self) -> None:
        decision = decide(facts(report(), turn=TURN))
        status = wire(decision)
        assert (status["phase"], status["reason"]) == ("Queued", "RunLimitReached")
        assert status["message"] == "The run waits for its turn: namespace team-a may have 2 runs at once."
        assert status["queue"] == IN_LINE
        assert (status["runID"], status.get("jobName")) == (f"{UID}-1", None)
        assert {c["type"]: c["status"] for c in status["conditions"]} == {"Ready": "Unknown", "Reconciling": "True"}
        assert decision.actions == ()
        assert decision.requeue_after == TURN.look_again(f"{UID}-1")
        assert [told.reason for told in decision.announcements] == ["RunLimitReached"]

    def test_an_unknown_wait_is_not_told(self) -> None:
        assert (
            "estimatedWaitSeconds"
            not in waiting(turn=Turn(1, SINCE, "the cluster may have 1 run at once", None))["queue"]
        )

    def test_each_look_asks_again(self) -> None:
        assert decide(facts(report(status=waiting()))) == Decision(actions=(StartRun(SUBJECT.job_name),))

    def test_who_moves_up_is_told_so_without_an_event(self) -> None:
        moved = Turn(2, SINCE, TURN.rule, timedelta(seconds=60))
        decision = decide(facts(report(status=waiting()), turn=moved))
        assert wire(decision)["queue"] == IN_LINE | {"position": 2, "estimatedWaitSeconds": 60}
        assert decision.announcements == ()

    def test_who_does_not_is_not_written(self) -> None:
        decision = decide(facts(report(status=waiting()), turn=TURN, now=NOW + timedelta(seconds=30)))
        assert (decision.status, decision.actions, decision.announcements) == (None, (), ())

    def test_a_run_that_has_started_does_not_wait(self) -> None:
        status = wire(decide(facts(report(status=waiting()), jobs=(job(SUBJECT),))))
        assert "queue" not in status
        assert status["jobName"] == SUBJECT.job_name

    @pytest.mark.parametrize("trouble", [{"refusal": "exceeded quota"}, {"outage": "The store is down."}])
    def test_a_start_that_fails_is_no_wait_for_a_turn(self, trouble: Json) -> None:
        assert "queue" not in wire(decide(facts(report(status=waiting()), **trouble)))

    def test_a_finished_report_that_is_edited_waits_with_its_new_run(self) -> None:
        done = {"observedGeneration": 1, "phase": "Succeeded", "runID": f"{UID}-1", "jobName": SUBJECT.job_name}
        status = waiting(2, status=done)
        assert (status["runID"], status.get("jobName"), status["artifacts"]) == (f"{UID}-2", None, [])

    def test_what_a_replaced_run_left_is_tidied_up_before_the_new_one_waits(self) -> None:
        replacing = wire(decide(facts(report(2, status=waiting()), jobs=(job(SUBJECT),))))
        decision = decide(facts(report(2, status=replacing), stored=stored(None, "nothing is there")))
        assert decision.actions == (DeleteSecret(SUBJECT.job_name),)
        assert decision.cleanup == (DiscardArtifacts(SUBJECT.run_id),)

    def test_a_waiting_report_that_is_cancelled_is_so_at_once(self) -> None:
        decision = decide(facts(report(2, SPEC | {"cancel": True}, waiting())))
        status = wire(decision)
        assert (status["phase"], "queue" in status) == ("Cancelled", False)


class TestKueue:
    @pytest.fixture
    def suspended(self) -> Job:
        plain = job(SUBJECT, condition("Suspended"), age=timedelta(hours=2))
        labels = plain.metadata.labels | {"kueue.x-k8s.io/queue-name": "reports"}
        return plain.model_copy(
            update={
                "metadata": plain.metadata.model_copy(update={"labels": labels}),
                "spec": plain.spec.model_copy(update={"suspend": True}),
            }
        )

    def test_the_message_names_its_queue(self, suspended: Job) -> None:
        status = decide(facts(report(), jobs=(suspended,))).status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.QUEUED, Reason.QUEUED)
        assert status.message == f"Job {SUBJECT.job_name} is suspended; Kueue resumes it when queue reports has room."

    def test_a_preempted_run_is_queued_again(self, suspended: Job) -> None:
        going = pod(suspended, running())
        assert decide(facts(report(), jobs=(suspended,), pods=(going,))).status is not None
        status = decide(facts(report(), jobs=(suspended,), pods=(going,))).status
        assert status is not None
        assert status.phase is Phase.QUEUED

    def test_a_job_that_somebody_has_suspended_needs_somebody(self, suspended: Job) -> None:
        by_hand = suspended.model_copy(update={"metadata": job(SUBJECT).metadata})
        status = decide(facts(report(), jobs=(by_hand,))).status
        assert status is not None
        assert (status.message or "").endswith("is suspended; resume it to go on.")

    def test_no_events_are_read_of_it(self, suspended: Job) -> None:
        assert not is_stuck(suspended, (), NOW)

    def test_its_links_work_as_long_as_s3_allows(self) -> None:
        spec = Subject.from_manifest(report(spec=SPEC | {"run": {"kueueQueueName": "reports"}})).spec
        assert spec is not None
        assert secret.links_ttl(spec) == parse_duration("168h")
