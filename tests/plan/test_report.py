"""Decisions at each point of a Report's life, and at each point where the operator can be killed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.entity import Entity
from report_operator.api.report import ReportStatus
from report_operator.api.run import EXIT_USER_ERROR, Failure, Outcome
from report_operator.plan.facts import (
    AbandonUploads,
    Announcement,
    Decision,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    ReadResult,
    Seal,
    StartRun,
)
from report_operator.plan.objects import Job
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import (
    NOW,
    SPEC,
    UID,
    condition,
    document,
    ended,
    facts,
    job,
    pod,
    report,
    result,
    running,
    stored,
    waiting,
)

Json = dict[str, Any]
SUBJECT = Subject.from_manifest(report())
OLDER = SUBJECT
NEWER = Subject.from_manifest(report(generation=2))
NOTHING = stored(None, "nothing is there")
COMPLETE = condition("Complete")
FAILED = condition("Failed", "BackoffLimitExceeded")


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def published(outcome: Outcome) -> Json:
    return ended(0, outcome.model_dump_json(by_alias=True, exclude_none=True))


def queued(generation: int = 1) -> Json:
    subject = Subject.from_manifest(report(generation))
    return wire(decide(facts(report(generation), jobs=(job(subject),))))


def succeeded() -> Json:
    return wire(decide(good(report(status=queued()))))


def good(manifest: Json, **fields: Any) -> Facts:
    """Return facts about a run that ended well and left everything."""
    subject = Subject.from_manifest(manifest)
    of = result(subject)
    mine = job(subject)
    done = pod(mine, ended(), ended(), published(Outcome(result=of)))
    whole = facts(manifest, jobs=(mine,), pods=(done,), stored=stored(of))
    return replace(whole, **fields)


def test_a_new_report_starts_its_run() -> None:
    decision = decide(facts(report()))
    assert decision == Decision(actions=(StartRun(SUBJECT.job_name),))


def test_the_status_names_run_and_job_once_the_job_is_there() -> None:
    status = decide(facts(report(), jobs=(job(SUBJECT),))).status
    assert status is not None
    assert (status.observed_generation, status.phase) == (1, Phase.QUEUED)
    assert (status.run_id, status.job_name) == (f"{UID}-1", SUBJECT.job_name)
    assert status.start_time == NOW - timedelta(seconds=20)


def test_a_job_that_was_made_before_the_operator_was_killed_is_not_made_again() -> None:
    decision = decide(facts(report(), jobs=(job(SUBJECT),)))
    assert decision.actions == ()
    assert decision.status is not None


def test_a_report_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    assert decide(facts(report(deletionTimestamp="2026-05-04T06:00:00Z"))) == Decision()


def test_a_second_look_changes_nothing() -> None:
    decision = decide(facts(report(status=queued()), jobs=(job(SUBJECT),), now=NOW + timedelta(minutes=5)))
    assert (decision.status, decision.actions, decision.cleanup, decision.announcements) == (None, (), (), ())


def test_stages_are_no_events() -> None:
    mine = job(SUBJECT)
    decision = decide(facts(report(status=queued()), jobs=(mine,), pods=(pod(mine, running(), waiting(), waiting()),)))
    assert decision.status is not None
    assert decision.announcements == ()


class TestEndedWell:
    def test_the_result_is_read_before_anything_is_said(self) -> None:
        looked = decide(good(report(status=queued()), stored=None))
        (action,) = looked.actions
        assert isinstance(action, ReadResult)
        assert action.outcome is not None
        assert action.outcome.result is not None
        assert looked.status is None

    def test_artifacts_are_listed_with_their_links(self) -> None:
        decision = decide(good(report(status=queued())))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.SUCCEEDED)
        assert [(a.name, a.size, a.media_type) for a in status.artifacts] == [
            ("report.pdf", 100, "application/pdf"),
            ("sales.csv", 100, "text/csv; charset=utf-8"),
        ]
        assert status.artifacts[0].download_url == "https://store.example/report.pdf?download"
        assert status.artifacts[0].url_expires_at == NOW + timedelta(hours=24)
        assert status.completion_time == NOW
        assert {c.type: c.status for c in status.conditions} == {"Ready": "True"}
        assert decision.actions == (DeleteSecret(SUBJECT.job_name),)
        assert decision.cleanup == (Seal(SUBJECT.job_name),)
        assert decision.announcements == (Announcement("Normal", "Succeeded", "2 files in the store."),)

    def test_the_store_tells_when_the_pod_is_gone(self) -> None:
        mine = job(SUBJECT, COMPLETE)
        decision = decide(facts(report(status=queued()), jobs=(mine,)))
        assert decision.actions == (ReadResult(None),)

    @pytest.mark.parametrize(
        ("stored_facts", "says"),
        [
            (stored(None, "neither its pod nor result.json"), "neither its pod nor result.json"),
            (stored(result(SUBJECT, run_id="other-1")), "of run other-1"),
            (stored(result(SUBJECT, files=[])), "does not report report.pdf"),
            (stored(result(SUBJECT), sizes={"sales.csv": 0}), "store does not hold it"),
            (stored(result(SUBJECT), sizes={"sales.csv": 7}), "has 7 bytes in the store, 100 were reported"),
        ],
    )
    def test_half_of_it_is_a_failure(self, stored_facts: Any, says: str) -> None:
        decision = decide(good(report(status=queued()), stored=stored_facts))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.ARTIFACT_MISSING)
        assert says in (status.message or "")
        assert status.artifacts == []
        assert DiscardArtifacts(SUBJECT.run_id) in decision.cleanup

    def test_a_run_cannot_list_files_that_the_spec_did_not_plan(self) -> None:
        of = result(SUBJECT)
        strange = of.files[0].model_copy(update={"name": "../other/report.pdf"})
        both = stored(of.model_copy(update={"files": [*of.files, strange]}))
        status = decide(good(report(status=queued()), stored=both)).status
        assert status is not None
        assert [a.name for a in status.artifacts] == ["report.pdf", "sales.csv"]

    def test_a_run_cannot_write_anything_but_a_hash_and_a_count_into_the_status(self) -> None:
        of = result(SUBJECT)
        strange = [file.model_copy(update={"sha256": "x" * 500}) for file in of.files]
        hashes = decide(good(report(), stored=stored(of.model_copy(update={"files": strange})))).status
        assert hashes is not None
        assert hashes.message == "The run reports no SHA-256 of report.pdf."
        counts = [file.model_copy(update={"rows": -1}) for file in of.files]
        rows = decide(good(report(), stored=stored(of.model_copy(update={"files": counts})))).status
        assert rows is not None
        assert [artifact.rows for artifact in rows.artifacts] == [0, 0]

    @pytest.mark.requirement("B2", "B3")
    def test_the_subject_is_in_the_status_and_a_fallback_in_the_message(self) -> None:
        for fallback, said in ((None, "."), ("The dominant one", ". The dominant one.")):
            found = Entity(id="a-1", label="Agent Smith", fallback=fallback)
            made = result(SUBJECT).model_copy(update={"subject": found})
            decision = decide(good(report(), stored=stored(made)))
            assert wire(decision)["subject"] == found.to_wire()
            assert wire(decision)["message"].endswith(f"in the store{said}")

    def test_metrics_are_bounded(self) -> None:
        many = {f"{n:03}" + "t" * 300: "v" * 300 for n in range(100)}
        status = decide(good(report(), stored=stored(result(SUBJECT, metrics=many)))).status
        assert status is not None
        assert len(status.metrics) == 64
        assert all(len(title) == len(value) == 200 for title, value in status.metrics.items())

    @pytest.mark.parametrize(
        ("inline", "condition_status", "reason"),
        [
            (document(16 * 1024), "True", "Succeeded"),
            (document(16 * 1024 + 1), "False", "InlineTooLarge"),
            (None, "False", "InlineTooLarge"),
        ],
    )
    def test_an_inline_document_is_in_the_status_or_a_condition_says_why_not(
        self, inline: Json | None, condition_status: str, reason: str
    ) -> None:
        spec = SPEC | {"outputs": [{"format": "json", "inline": True}]}
        manifest = report(spec=spec)
        of = result(Subject.from_manifest(manifest), inline=inline, inline_size=20_000)
        status = decide(good(manifest, stored=stored(of))).status
        assert status is not None
        assert (status.inline is not None) == (condition_status == "True")
        assert {c.type: (c.status, c.reason) for c in status.conditions} == {
            "Ready": ("True", "Succeeded"),
            "Inlined": (condition_status, reason),
        }


class TestSettled:
    def test_nothing_is_left_to_do(self) -> None:
        sealed = job(SUBJECT, COMPLETE, ttl=3600)
        assert decide(facts(report(status=succeeded()), jobs=(sealed,))) == Decision()
        assert decide(facts(report(status=succeeded()))) == Decision()

    def test_a_kill_between_status_and_sealing_is_made_up_for(self) -> None:
        assert decide(facts(report(status=succeeded()), jobs=(job(SUBJECT, COMPLETE),))) == Decision(
            cleanup=(DeleteSecret(SUBJECT.job_name), Seal(SUBJECT.job_name))
        )

    def test_a_kill_between_failure_and_discarding_is_made_up_for(self) -> None:
        mine = job(SUBJECT, FAILED)
        status = wire(decide(facts(report(), jobs=(mine,))))
        assert decide(facts(report(status=status), jobs=(mine,))).cleanup == (
            DiscardArtifacts(SUBJECT.run_id),
            DeleteSecret(SUBJECT.job_name),
            Seal(SUBJECT.job_name),
        )

    def test_a_job_that_was_made_after_the_end_is_ended(self) -> None:
        late = job(SUBJECT, age=timedelta(seconds=-5))
        assert decide(facts(report(status=succeeded()), jobs=(late,))).cleanup == (DeleteJob(SUBJECT.job_name),)

    def test_an_outage_does_not_touch_it(self) -> None:
        assert decide(facts(report(status=succeeded()), outage="The store is down.")) == Decision()

    def test_a_newer_operators_phase_is_left_alone(self) -> None:
        status = {"observedGeneration": 1, "phase": "Archived", "reason": "Archived"}
        assert decide(facts(report(status=status))) == Decision()

    def test_a_job_of_a_racing_operator_is_ended(self) -> None:
        status = succeeded() | {"observedGeneration": 2, "runID": NEWER.run_id}
        looked = decide(facts(report(generation=2, status=status), jobs=(job(OLDER),)))
        assert looked.cleanup == (DeleteJob(OLDER.job_name),)


class TestEdited:
    def test_a_finished_report_runs_again(self) -> None:
        decision = decide(facts(report(generation=2, status=succeeded())))
        assert decision == Decision(actions=(StartRun(NEWER.job_name),))

    def test_a_second_after_its_end_the_job_that_nobody_has_marked_yet_stays_with_its_logs(self) -> None:
        ended_well = job(OLDER, ttl=3600)
        starting = facts(report(generation=2, status=succeeded()), jobs=(ended_well,))
        assert decide(starting) == Decision(actions=(StartRun(NEWER.job_name),))
        started = decide(facts(report(generation=2, status=succeeded()), jobs=(ended_well, job(NEWER))))
        again = facts(report(generation=2, status=wire(started)), jobs=(ended_well, job(NEWER)))
        assert decide(again).actions == decide(again).cleanup == ()

    def test_the_new_run_starts_with_a_new_status_and_leaves_the_old_artifacts(self) -> None:
        decision = decide(facts(report(generation=2, status=succeeded()), jobs=(job(NEWER),)))
        status = decision.status
        assert status is not None
        assert (status.observed_generation, status.run_id, status.artifacts) == (2, f"{UID}-2", [])
        assert decision.cleanup == ()

    def test_a_running_run_is_ended_first(self) -> None:
        decision = decide(facts(report(generation=2, status=queued()), jobs=(job(OLDER),)))
        assert decision.actions == (DeleteJob(OLDER.job_name),)
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason, status.run_id) == (Phase.QUEUED, Reason.REPLACING, f"{UID}-1")
        assert status.observed_generation == 2

    def test_its_job_is_waited_for(self) -> None:
        going = job(OLDER, deleted=True)
        replacing = wire(decide(facts(report(generation=2, status=queued()), jobs=(going,))))
        again = decide(facts(report(generation=2, status=replacing), jobs=(going,)))
        assert (again.actions, again.status) == ((), None)
        assert again.requeue_after is not None

    def test_then_what_the_old_one_left_goes_and_the_new_run_starts(self) -> None:
        replacing = wire(decide(facts(report(generation=2, status=queued()), jobs=(job(OLDER),))))
        ended = decide(facts(report(generation=2, status=replacing), stored=NOTHING))
        assert ended.actions == (DeleteSecret(OLDER.job_name),)
        assert ended.cleanup == (DiscardArtifacts(OLDER.run_id),)
        assert (wire(ended)["reason"], wire(ended)["runID"]) == ("Replacing", NEWER.run_id)
        assert ended.requeue_after == timedelta()
        start = decide(facts(report(generation=2, status=wire(ended))))
        assert start == Decision(actions=(StartRun(NEWER.job_name),))

    def test_a_kill_before_replacing_was_written_changes_nothing(self) -> None:
        ended = decide(facts(report(generation=2, status=queued()), jobs=(job(NEWER),), stored=NOTHING))
        assert ended.actions == (DeleteSecret(OLDER.job_name),)
        assert ended.cleanup == (DiscardArtifacts(OLDER.run_id),)

    def test_an_edit_before_the_first_status_leaves_no_secret(self) -> None:
        started = decide(facts(report(generation=2), jobs=(job(NEWER),)))
        assert started.actions == (DeleteSecret(OLDER.job_name),)

    def test_a_run_that_ended_unseen_is_tidied_up(self) -> None:
        jobs = (job(OLDER, COMPLETE), job(NEWER))
        decision = decide(facts(report(generation=2, status=queued()), jobs=jobs, stored=NOTHING))
        assert decision.cleanup == (
            DiscardArtifacts(OLDER.run_id),
            DeleteSecret(OLDER.job_name),
            Seal(OLDER.job_name),
        )

    def test_a_succeeded_run_that_was_not_sealed_keeps_its_artifacts(self) -> None:
        jobs = (job(OLDER, COMPLETE), job(NEWER))
        decision = decide(facts(report(generation=2, status=succeeded()), jobs=jobs))
        assert decision.cleanup == (AbandonUploads(OLDER.run_id), DeleteSecret(OLDER.job_name), Seal(OLDER.job_name))

    def test_an_unreadable_spec_still_ends_the_old_run(self) -> None:
        decision = decide(facts(report(generation=2, spec={}, status=queued()), jobs=(job(OLDER),)))
        assert decision.actions == (DeleteJob(OLDER.job_name),)


class TestLookingAgain:
    def test_soon_at_a_pod_that_may_be_stuck_and_seldom_at_a_job_that_is_held_back(self) -> None:
        fresh = job(SUBJECT, age=timedelta())
        assert decide(facts(report(status=queued()), jobs=(fresh,))).requeue_after == timedelta(seconds=3)
        held = Job.model_validate(fresh.to_wire() | {"spec": {"suspend": True}})
        assert decide(facts(report(status=queued()), jobs=(held,))).requeue_after == timedelta(minutes=10)


class TestGone:
    def test_a_deleted_job_is_not_made_again(self) -> None:
        assert decide(facts(report(status=queued()))).actions == (ReadResult(None),)
        decision = decide(facts(report(status=queued()), stored=stored(None, "nothing is there")))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.JOB_DELETED)
        assert decision.actions == (DeleteSecret(SUBJECT.job_name),)
        assert decision.cleanup == (DiscardArtifacts(SUBJECT.run_id),)

    def test_a_run_that_had_ended_well_has_succeeded_without_its_job(self) -> None:
        """As when the operator is down, and somebody deletes the finished Job meanwhile."""
        decision = decide(facts(report(status=queued()), stored=stored(result(SUBJECT))))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.SUCCEEDED)
        assert status.artifacts
        assert DiscardArtifacts(SUBJECT.run_id) not in decision.cleanup

    def test_a_job_that_is_going_is_waited_for(self) -> None:
        decision = decide(facts(report(status=queued()), jobs=(job(SUBJECT, deleted=True),)))
        assert (decision.status, decision.actions) == (None, ())
        assert decision.requeue_after is not None


class TestTrouble:
    def test_a_refused_job_is_stalled_and_tried_again(self) -> None:
        decision = decide(facts(report(), refusal="exceeded quota: jobs"))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason, status.job_name) == (Phase.QUEUED, Reason.JOB_REFUSED, None)
        assert "exceeded quota: jobs" in (status.message or "")
        assert {c.type for c in status.conditions} == {"Ready", "Stalled"}
        assert decision.requeue_after == timedelta(seconds=60)
        again = decide(facts(report(status=wire(decision))))
        assert again.actions == (StartRun(SUBJECT.job_name),)

    def test_an_outage_is_shown_and_retried(self) -> None:
        decision = decide(facts(report(), outage="The store does not answer."))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.QUEUED, Reason.OPERATOR_RETRYING)
        assert decision.retry
        again = decide(facts(report(status=wire(decision)), outage="The store does not answer."))
        assert again.status is None
        assert again.retry

    def test_an_outage_keeps_what_is_known_of_the_run(self) -> None:
        status = decide(good(report(status=queued()), outage="The store does not answer.")).status
        assert status is not None
        assert (status.job_name, status.run_id, status.attempt) == (SUBJECT.job_name, SUBJECT.run_id, 1)

    def test_a_spec_that_cannot_be_read_is_stalled_until_somebody_acts(self) -> None:
        spec = SPEC | {"outputs": [{"format": "docx"}]}
        decision = decide(facts(report(spec=spec)))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.INVALID_SPEC)
        assert "spec.outputs[0].format" in (status.message or "")
        assert decision.requeue_after is None
        assert decide(facts(report(spec=spec, status=wire(decision)))) == Decision()

    def test_a_run_that_found_its_spec_invalid_is_final_though_its_job_and_pods_go(self) -> None:
        mine = job(SUBJECT, FAILED)
        failure = Failure(reason=Reason.INVALID_SPEC, message="The value is no URL.", stage=Stage.FETCH)
        message = Outcome(failure=failure).model_dump_json(by_alias=True)
        failed = pod(mine, ended(EXIT_USER_ERROR, message), phase="Failed")
        status = decide(facts(report(status=queued()), jobs=(mine,), pods=(failed,))).status
        assert status is not None
        assert status.reason is Reason.INVALID_SPEC
        assert decide(facts(report(status=status.to_wire()))) == Decision()

    def test_an_upgrade_that_can_read_the_spec_runs_it(self) -> None:
        status = wire(decide(facts(report(spec={}))))
        assert decide(facts(report(status=status))).actions == (StartRun(SUBJECT.job_name),)

    def test_a_status_that_cannot_be_read_does_not_hide_the_rest_of_it(self) -> None:
        status = succeeded() | {"reason": "NewReason", "artifacts": "none"}
        assert decide(facts(report(status=status))) == Decision()


class TestConditions:
    def test_times_change_with_the_status_of_a_condition_only(self) -> None:
        first = decide(facts(report(), jobs=(job(SUBJECT),)))
        later = NOW + timedelta(seconds=30)
        mine = job(SUBJECT)
        running_now = decide(facts(report(status=wire(first)), now=later, jobs=(mine,), pods=(pod(mine, running()),)))
        assert _times(running_now.status) == {"Ready": NOW, "Reconciling": NOW}
        done = decide(good(report(status=wire(running_now)), now=later))
        assert _times(done.status) == {"Ready": later}

    def test_times_have_whole_seconds(self) -> None:
        status = decide(facts(report(), now=NOW.replace(microsecond=999), jobs=(job(SUBJECT),))).status
        assert _times(status) == {"Ready": NOW, "Reconciling": NOW}

    def test_the_period_is_in_utc(self) -> None:
        spec = SPEC | {"period": {"start": "2026-05-04T00:00:00+02:00", "end": "2026-05-11T00:00:00+02:00"}}
        decision = decide(facts(report(spec=spec), jobs=(job(SUBJECT),)))
        assert wire(decision)["period"] == {"start": "2026-05-03T22:00:00Z", "end": "2026-05-10T22:00:00Z"}


def _times(status: ReportStatus | None) -> Json:
    assert status is not None
    return {c.type: c.last_transition_time for c in status.conditions}
