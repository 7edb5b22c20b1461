"""What to do about a Report: facts in, decision out."""

from dataclasses import replace
from datetime import timedelta

from report_operator.api.conditions import Phase, Reason
from report_operator.api.report import ReportSpec, ReportStatus
from report_operator.api.run import LEDGER_FILE
from report_operator.plan import (
    artifacts,
    cancel,
    deliveries,
    leftovers,
    policy,
    progress,
    redelivery,
    refresh,
    renewal,
    sharing,
    status,
    transition,
    trial,
)
from report_operator.plan.facts import (
    Announcement,
    Decision,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    ReadResult,
    RenewLinks,
    Seal,
    StartRun,
    Stored,
)
from report_operator.plan.failure import Cause
from report_operator.plan.objects import Job
from report_operator.plan.progress import EndedWell, Failed, Going
from report_operator.plan.run_queue import Turn

REFUSED_RETRY = timedelta(seconds=60)
"""A quota may free up, a policy may be mended: no event tells the operator when."""
DELETED_RETRY = timedelta(seconds=10)
"""The end of a Job is told by an event; this is for the case that the event is lost."""
_SOONEST = timedelta(seconds=3)
_LATEST = timedelta(seconds=60)
_HELD = timedelta(minutes=10)


def decide(facts: Facts) -> Decision:
    """Return what brings the Report nearer to its spec. Pure: the same facts give the same decision.

    The generation is the identity of a run: each has at most one Job, a settled one is only tidied up, and a new one
    starts when no older run is left.
    """
    subject = facts.subject
    if subject.metadata.deletion_timestamp is not None:
        return Decision()  # Jobs and Secrets go with their owner.
    if subject.is_settled:
        decided = redelivery.decide(facts)
        tidied = replace(decided, cleanup=(*leftovers.of_settled(facts), *decided.cleanup))
        return trial.beside(facts, refresh.beside(facts, tidied))
    return trial.beside(facts, refresh.beside(facts, redelivery.beside(facts, _decide(facts))))


def _decide(facts: Facts) -> Decision:
    """Return the decision about a generation that has no final status."""
    subject = facts.subject
    if facts.outage is not None:
        cause = Cause(Reason.OPERATOR_RETRYING, f"{facts.outage} The operator tries again by itself.")
        return replace(transition.to(facts, status.of_outage(facts, cause)), retry=True)
    if redelivery.unfinished(facts):
        return redelivery.end(facts)
    if subject.is_cancelled:
        return cancel.decide(facts)
    if leftovers.unfinished_others(facts):
        return _replace_run(facts)
    earlier = leftovers.unrecorded(facts)
    return _advance(facts) if earlier is None else _take_leave(facts, earlier)


def _advance(facts: Facts) -> Decision:
    """Return the decision about a generation that nothing stands in the way of."""
    subject = facts.subject
    if subject.spec is None:
        written = transition.to(facts, status.of_rejected(facts, Cause(Reason.INVALID_SPEC, subject.problem)))
        return replace(written, cleanup=leftovers.of_others(facts))
    if facts.refusal is not None:
        cause = Cause(Reason.JOB_REFUSED, f"The API server refuses the run's Job: {facts.refusal}")
        written = transition.to(facts, status.of_refusal(facts, cause))
        return replace(written, cleanup=leftovers.of_others(facts), requeue_after=REFUSED_RETRY)
    if facts.job is None:
        return _without_job(facts, subject.spec)
    return _with_job(facts, subject.spec, facts.job)


def _without_job(facts: Facts, spec: ReportSpec) -> Decision:
    subject = facts.subject
    if not subject.is_observed or subject.status.job_name != subject.job_name:
        forbidden = policy.refusal(spec, facts.rules)
        if forbidden:
            written = transition.to(facts, status.of_rejected(facts, Cause(Reason.NOT_ALLOWED_BY_POLICY, forbidden)))
            return replace(written, cleanup=leftovers.of_others(facts))
        if facts.key_settles_in is not None:
            return Decision(requeue_after=facts.key_settles_in)
        if facts.first is not None:
            written = sharing.follow(facts, facts.first)
            return replace(written, cleanup=leftovers.of_others(facts))
        return Decision(actions=(StartRun(subject.job_name),)) if facts.turn is None else _wait(facts, facts.turn)
    return _of_deleted_job(facts, spec)


def _of_deleted_job(facts: Facts, spec: ReportSpec) -> Decision:
    """Return the decision about a run whose Job is gone before its result was on record: it may have ended well."""
    subject = facts.subject
    text = f"Job {subject.job_name} was deleted before its result was recorded. Edit the spec to run again."
    cause, attempt = Cause(Reason.JOB_DELETED, text), subject.status.attempt or 0
    if spec.destinations:
        return _interrupted(facts, spec, None, Failed(cause, attempt))
    if facts.stored is None:
        return Decision(actions=(ReadResult(None),))
    if facts.stored.result is not None and facts.stored.result.run_id == subject.run_id:
        return _finish(facts, _of_result(facts, spec, None, EndedWell(None, attempt), facts.stored))
    written = transition.to(facts, status.of_failure(facts, None, cause, attempt=None))
    tidy = (DiscardArtifacts(subject.run_id),)
    return replace(written, actions=(*written.actions, DeleteSecret(subject.job_name)), cleanup=tidy)


def _wait(facts: Facts, turn: Turn) -> Decision:
    cause = Cause(Reason.RUN_LIMIT_REACHED, f"The run waits for its turn: {turn.rule}.")
    written = transition.to(facts, status.of_waiting(facts, turn, cause))
    again = turn.look_again(facts.subject.run_id)
    return replace(written, cleanup=leftovers.of_others(facts), requeue_after=again)


def _with_job(facts: Facts, spec: ReportSpec, job: Job) -> Decision:
    if job.metadata.deletion_timestamp is not None and not job.is_finished:
        return Decision(requeue_after=DELETED_RETRY)
    pods = [pod for pod in facts.pods if pod.metadata.is_owned_by(job.metadata.uid)]
    found = progress.of_run(job, pods, facts.events, spec.run, _last_seen(facts))
    if isinstance(found, Going):
        written = transition.to(facts, status.of_going(facts, job, found.phase, found.cause, found.attempt))
        renewal_due = (RenewLinks(job.metadata.name),) if renewal.is_due(job, facts.now) else ()
        cleanup = (*leftovers.of_others(facts), *renewal_due)
        return replace(written, cleanup=cleanup, requeue_after=_look_again(facts, job, found.phase))
    if isinstance(found, Failed) and not spec.destinations:
        return _finish(facts, status.of_failure(facts, job, found.cause, found.attempt))
    if isinstance(found, Failed):
        return _interrupted(facts, spec, job, found)
    if facts.stored is None:
        return Decision(actions=(ReadResult(found.outcome),))
    return _finish(facts, _of_result(facts, spec, job, found, facts.stored))


def _of_result(facts: Facts, spec: ReportSpec, job: Job | None, ended: EndedWell, stored: Stored) -> ReportStatus:
    if stored.result is None:
        missing = Cause(Reason.ARTIFACT_MISSING, stored.problem)
        return status.of_failure(facts, job, missing, ended.attempt)
    files = artifacts.check(spec, facts.subject.run_id, stored.result, stored.files)
    if isinstance(files, Cause):
        return status.of_failure(facts, job, files, ended.attempt)
    sent = deliveries.check(spec, stored.result)
    return status.of_artifacts(facts, job, ended.attempt, result=stored.result, files=files, sent=sent)


def _interrupted(facts: Facts, spec: ReportSpec, job: Job | None, failed: Failed) -> Decision:
    """Return the decision about a run that was ended, and may have delivered by then.

    If so, it has left a result with a ledger: recipients have links to its files, which stay whatever is missing.
    """
    if facts.stored is None:
        return Decision(actions=(ReadResult(None, cut_off=facts.subject.prefix),))
    result, found = facts.stored.begun(facts.subject.run_id), facts.stored.files
    if result is None:
        return _finish(facts, status.of_failure(facts, job, failed.cause, failed.attempt))
    ended_by = failed.cause.message
    files = artifacts.check(spec, result.run_id, result, found)
    if isinstance(files, Cause):
        ended_by = f"{ended_by} {files.message}"
        files = artifacts.intact(spec, result, found)
    sent = deliveries.check(spec, result, ended_by)
    return _finish(facts, status.of_artifacts(facts, job, failed.attempt, result=result, files=files, sent=sent))


def _finish(facts: Facts, final: ReportStatus) -> Decision:
    written = transition.to(facts, final)
    stored = leftovers.in_store(facts, listed=bool(final.artifacts))
    retain = leftovers.retained(facts, facts.subject.run_id) if final.artifacts else ()
    name = facts.subject.job_name
    return replace(
        written,
        actions=(*written.actions, *retain, DeleteSecret(name)),
        cleanup=(*leftovers.of_others(facts), *stored, Seal(name)),
    )


def _replace_run(facts: Facts) -> Decision:
    others = leftovers.unfinished_others(facts)
    ending = tuple(DeleteJob(job.metadata.name) for job in others if job.metadata.deletion_timestamp is None)
    older = others[-1]
    text = f"The spec was edited; Job {older.metadata.name} is being ended, then the new run starts."
    written = transition.to(facts, status.of_replaced(facts, older, Cause(Reason.REPLACING, text)))
    return replace(written, actions=(*written.actions, *ending), requeue_after=DELETED_RETRY)


def _take_leave(facts: Facts, earlier: ReadResult) -> Decision:
    """Return the decision that tells what an older run has delivered, before the new one delivers to everybody.

    Its end could not be recorded: it was ended because of the edit, or nobody looked between its end and the edit. From
    then on the status is about the new run.
    """
    if facts.stored is None:
        return Decision(actions=(earlier,))
    run_id = earlier.run_id
    text = f"The spec was edited; run {run_id} has ended, the new one starts."
    written = transition.to(facts, status.of_refusal(facts, Cause(Reason.REPLACING, text)))
    result = facts.stored.begun(run_id)
    if result is None:
        return replace(written, cleanup=leftovers.of_others(facts), requeue_after=timedelta())
    cause = deliveries.conclude(deliveries.reported(result, "The run was ended." if earlier.cut_off else ""))
    text = f"Run {run_id}, before the spec was edited: {cause.message} Its files and {LEDGER_FILE} stay in the store."
    told = Announcement("Normal" if cause.reason is Reason.DELIVERED else "Warning", cause.reason, text)
    return replace(
        written,
        actions=(*written.actions, *leftovers.retained(facts, result.run_id)),
        announcements=(*written.announcements, told),
        cleanup=leftovers.of_others(facts),
        requeue_after=timedelta(),
    )


def _last_seen(facts: Facts) -> Cause | None:
    """Return where this generation's run was when it was last seen, or what it waited for."""
    before = facts.subject.status
    if not facts.subject.is_observed or before.reason is None:
        return None
    return Cause(before.reason, before.message or "", before.stage)


def _look_again(facts: Facts, job: Job, phase: Phase) -> timedelta:
    """Return the delay that finds a stuck pod soon, and costs little where it stays stuck.

    A Job that Kueue holds back has no pod: its end comes with an event, and what remains is to renew its links.
    """
    if job.spec.suspend:
        return _HELD
    if phase is Phase.RUNNING:
        return _LATEST
    return min(max((facts.now - job.metadata.creation_timestamp) / 2, _SOONEST), _LATEST)
