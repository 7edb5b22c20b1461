"""Cancelling a Report at each point of its life: the run ends, what has ended stays, and nothing starts."""

from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason
from report_operator.plan.facts import (
    AbandonUploads,
    Decision,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Seal,
    StartRun,
)
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, SPEC, UID, condition, facts, job, pod, report, result, running, stored

Json = dict[str, Any]
CANCEL = SPEC | {"cancel": True}
FIRST = Subject.from_manifest(report())
SECOND = Subject.from_manifest(report(generation=2))
NOTHING = stored(None, "nothing is there")


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def at_work() -> Json:
    """Return the status of a run in its first stage."""
    mine = job(FIRST)
    return wire(decide(facts(report(), jobs=(mine,), pods=(pod(mine, running()),))))


def succeeded() -> Json:
    mine = job(FIRST, condition("Complete"))
    return wire(decide(facts(report(status=at_work()), jobs=(mine,), stored=stored(result(FIRST)))))


def failed() -> Json:
    return wire(decide(facts(report(status=at_work()), jobs=(job(FIRST, condition("Failed")),))))


def cancelling() -> Json:
    return wire(decide(facts(report(2, CANCEL, at_work()), jobs=(job(FIRST),))))


def cancelled() -> Json:
    return wire(decide(facts(report(2, CANCEL, cancelling()), stored=NOTHING)))


def conditions(status: Json) -> dict[str, tuple[str, str, int]]:
    return {c["type"]: (c["status"], c["reason"], c["observedGeneration"]) for c in status["conditions"]}


class TestRunning:
    def test_its_job_is_ended_after_that_is_on_record(self) -> None:
        decision = decide(facts(report(2, CANCEL, at_work()), jobs=(job(FIRST),)))
        status = wire(decision)
        assert (status["phase"], status["stage"], status["reason"]) == ("Running", "fetch", "Cancelling")
        assert (status["observedGeneration"], status["runID"]) == (2, f"{UID}-1")
        assert conditions(status).keys() == {"Ready", "Reconciling"}
        assert (decision.actions, decision.cleanup) == ((), (DeleteJob(FIRST.job_name),))
        assert decision.requeue_after is not None

    def test_its_job_is_waited_for(self) -> None:
        going = job(FIRST, deleted=True)
        again = decide(facts(report(2, CANCEL, cancelling()), jobs=(going,)))
        assert (again.status, again.actions, again.cleanup) == (None, (), ())
        assert again.requeue_after is not None

    def test_then_all_that_it_left_goes_and_it_is_cancelled(self) -> None:
        decision = decide(facts(report(2, CANCEL, cancelling()), stored=NOTHING))
        status = wire(decision)
        assert (status["phase"], status["reason"], status.get("stage")) == ("Cancelled", "Cancelled", None)
        assert (status["runID"], status["jobName"]) == (f"{UID}-1", FIRST.job_name)
        assert status["message"].startswith("The run was cancelled in stage fetch;")
        assert status["completionTime"] == "2026-05-04T06:00:30Z"
        assert status["artifacts"] == []
        assert conditions(status) == {"Ready": ("False", "Cancelled", 2), "Stalled": ("True", "Cancelled", 2)}
        assert decision.actions == (DeleteSecret(FIRST.job_name), DiscardArtifacts(FIRST.run_id))
        assert decision.cleanup == ()
        (told,) = decision.announcements
        assert (told.type, told.reason) == ("Normal", "Cancelled")

    def test_then_nothing_is_left_to_do(self) -> None:
        assert decide(facts(report(2, CANCEL, cancelled()))) == Decision()

    def test_a_run_that_ended_before_its_end_was_on_record_is_cancelled_too(self) -> None:
        over = job(FIRST, condition("Complete"))
        decision = decide(facts(report(2, CANCEL, at_work()), jobs=(over,), stored=NOTHING))
        assert wire(decision)["phase"] == "Cancelled"
        assert decision.cleanup == (
            DiscardArtifacts(FIRST.run_id),
            DeleteSecret(FIRST.job_name),
            Seal(FIRST.job_name),
        )

    def test_a_spec_that_cannot_be_read_can_be_cancelled(self) -> None:
        unreadable = {"outputs": [{"format": "docx"}], "cancel": True}
        decision = decide(facts(report(2, unreadable, at_work()), jobs=(job(FIRST),)))
        assert decision.cleanup == (DeleteJob(FIRST.job_name),)

    def test_an_outage_is_shown_and_it_is_tried_again(self) -> None:
        decision = decide(facts(report(2, CANCEL, cancelling()), outage="The store is down."))
        assert (wire(decision)["phase"], wire(decision)["reason"]) == ("Running", "OperatorRetrying")
        assert decision.retry
        again = decide(facts(report(2, CANCEL, wire(decision)), stored=NOTHING))
        assert DiscardArtifacts(FIRST.run_id) in again.actions

    def test_a_run_that_the_operator_had_no_time_to_record_is_ended(self) -> None:
        decision = decide(facts(report(2, CANCEL), jobs=(job(FIRST),)))
        assert (wire(decision)["reason"], wire(decision)["runID"]) == ("Cancelling", f"{UID}-1")
        ended = decide(facts(report(2, CANCEL, wire(decision)), stored=NOTHING))
        assert wire(ended)["phase"] == "Cancelled"
        assert DiscardArtifacts(FIRST.run_id) in ended.actions

    def test_a_late_job_of_a_racing_operator_is_ended(self) -> None:
        decision = decide(facts(report(2, CANCEL, cancelled()), jobs=(job(FIRST),)))
        assert decision.cleanup == (DeleteJob(FIRST.job_name),)


class TestWaiting:
    def test_a_report_that_is_made_cancelled_is_cancelled_at_once(self) -> None:
        decision = decide(facts(report(spec=CANCEL)))
        status = wire(decision)
        assert (status["phase"], status["reason"], status.get("jobName")) == ("Cancelled", "Cancelled", None)
        assert status["message"].startswith("The run was cancelled before a stage had begun;")
        assert decision.actions == ()
        assert decide(facts(report(spec=CANCEL, status=status))) == Decision()

    def test_a_refused_job_is_not_asked_for_again(self) -> None:
        refused = wire(decide(facts(report(), refusal="exceeded quota: jobs")))
        decision = decide(facts(report(2, CANCEL, refused)))
        assert wire(decision)["phase"] == "Cancelled"
        assert decision.actions == (DeleteSecret(FIRST.job_name), DiscardArtifacts(FIRST.run_id))
        assert decision.requeue_after is None

    def test_a_run_that_replaces_another_one_does_not_start(self) -> None:
        replacing = wire(decide(facts(report(2, status=at_work()), jobs=(job(FIRST),))))
        decision = decide(facts(report(3, CANCEL, replacing), stored=NOTHING))
        assert (wire(decision)["phase"], wire(decision)["runID"]) == ("Cancelled", f"{UID}-1")
        assert set(decision.actions) == {
            DeleteSecret(FIRST.job_name),
            DeleteSecret(SECOND.job_name),
            DiscardArtifacts(FIRST.run_id),
            DiscardArtifacts(SECOND.run_id),
        }


class TestEnded:
    @pytest.mark.parametrize("ended", [succeeded, failed, cancelled])
    def test_only_the_generation_changes(self, ended: Any) -> None:
        before = ended()
        now = before["observedGeneration"] + 1
        decision = decide(facts(report(now, CANCEL, before), now=NOW + timedelta(hours=1)))
        after = wire(decision)
        assert {c["observedGeneration"] for c in after["conditions"]} == {now}
        for each in (*before["conditions"], *after["conditions"]):
            del each["observedGeneration"]
        assert after == before | {"observedGeneration": now}
        assert (decision.actions, decision.announcements, decision.cleanup) == ((), (), ())
        assert decide(facts(report(now, CANCEL, wire(decision)))) == Decision()

    def test_the_secret_of_a_run_that_was_begun_in_between_goes(self) -> None:
        """The operator was killed before its Job was there."""
        decision = decide(facts(report(3, CANCEL, succeeded())))
        assert wire(decision)["phase"] == "Succeeded"
        assert decision.actions == (DeleteSecret(SECOND.job_name),)

    def test_a_success_whose_job_is_not_marked_yet_keeps_its_artifacts(self) -> None:
        decision = decide(facts(report(2, CANCEL, succeeded()), jobs=(job(FIRST),)))
        assert wire(decision)["phase"] == "Succeeded"
        assert decision.cleanup == (AbandonUploads(FIRST.run_id), DeleteSecret(FIRST.job_name), Seal(FIRST.job_name))

    def test_an_unfinished_run_after_a_success_is_ended(self) -> None:
        decision = decide(facts(report(3, CANCEL, succeeded()), jobs=(job(SECOND),)))
        status = wire(decision)
        assert (status["phase"], status["reason"], status["runID"]) == ("Queued", "Cancelling", f"{UID}-2")
        assert status["artifacts"] == []
        assert wire(decide(facts(report(3, CANCEL, status), stored=NOTHING)))["phase"] == "Cancelled"

    def test_a_newer_operators_phase_is_left_alone(self) -> None:
        archived = {"observedGeneration": 1, "phase": "Archived", "reason": "Archived"}
        assert decide(facts(report(2, CANCEL, archived))) == Decision()


class TestTakenBack:
    def test_it_runs_again(self) -> None:
        again = Subject.from_manifest(report(generation=3))
        assert decide(facts(report(3, status=cancelled()))) == Decision(actions=(StartRun(again.job_name),))

    def test_what_is_being_ended_is_replaced(self) -> None:
        decision = decide(facts(report(3, status=cancelling()), jobs=(job(FIRST, deleted=True),)))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.QUEUED, Reason.REPLACING)
