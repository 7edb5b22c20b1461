"""Sending again what a run has not delivered, because an annotation asks for it.

A redelivery is no run: it makes no files, its messages have the ids of the run, and the phase stays while it lasts. The
status has the request before there is a Job, so that every request is followed once, whatever crashes in between. It
has a Job and a ledger of its own, named after the token.
"""

from dataclasses import replace
from datetime import timedelta

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.deliveries import Delivery, DeliveryState
from report_operator.api.metadata import REDELIVER_ANNOTATION
from report_operator.api.redelivery import TOKEN_LENGTH, Redelivery, RedeliveryPhase
from report_operator.api.report import Artifact, ReportSpec, ReportStatus
from report_operator.api.run import LEDGER_FILE, Outcome, Result
from report_operator.plan import deliveries, names, policy, progress, renewal, status, transition
from report_operator.plan.facts import (
    Action,
    Announcement,
    Decision,
    DeleteJob,
    DeleteSecret,
    Facts,
    Question,
    ReadResult,
    RenewLinks,
    Seal,
    StartRedelivery,
    Stored,
)
from report_operator.plan.failure import Cause
from report_operator.plan.objects import Job
from report_operator.plan.progress import Failed, Going
from report_operator.plan.subject import Subject

LOOK_AGAIN = timedelta(seconds=60)
"""At a Job that goes on or is refused: its own events come sooner."""
ENDED_SOON = timedelta(seconds=10)
"""Until a Job that is being deleted is gone; for the case that its event is lost."""
FOLLOWED = f"A request with this value was followed before. To send again, give {REDELIVER_ANNOTATION} another value."
"""Why a value is refused that was used some requests ago: Job and ledger have its name, the status knows the last."""
_UNDELIVERED = frozenset({DeliveryState.FAILED, DeliveryState.PENDING})
_STATES = {"unknown": _UNDELIVERED | {DeliveryState.UNKNOWN}, "all": frozenset(DeliveryState)}
"""What a request with this word before a slash is about; any other, what is certain not to have arrived."""


def requested(subject: Subject) -> str:
    """Return the token of a request that the status does not know; empty when there is none."""
    token = subject.metadata.annotations.get(REDELIVER_ANNOTATION, "")[:TOKEN_LENGTH]
    known = subject.status.redelivery
    return "" if known is not None and known.token == token else token


def states(token: str) -> frozenset[DeliveryState]:
    """Return the states of the deliveries that a request is about."""
    return _STATES.get(token.partition("/")[0], _UNDELIVERED) if "/" in token else _UNDELIVERED


def decide(facts: Facts) -> Decision:
    """Return what a Report needs whose run has ended: a request taken up, or the redelivery one step further."""
    known, tidy = facts.subject.status.redelivery, _leftovers(facts)
    if known is not None and known.is_under_way:
        decided = _go_on(facts, known)
    elif token := requested(facts.subject):
        decided = _take_up(facts, token)
    else:
        decided = Decision()
    return replace(decided, cleanup=(*tidy, *decided.cleanup))


def beside(facts: Facts, decision: Decision) -> Decision:
    """Return the decision about a run that has not ended, with what redeliveries of runs before it still need.

    A request that comes now is refused: nobody knows yet what it would be about.
    """
    known, token = facts.subject.status, requested(facts.subject)
    cleanup = (*decision.cleanup, *_leftovers(facts))
    if known.redelivery is not None and known.redelivery.is_under_way and facts.redelivery is None:
        cleanup = (*cleanup, DeleteSecret(facts.subject.redelivery_name))
    if not token or any(isinstance(action, Question) for action in decision.actions):
        return replace(decision, cleanup=cleanup)
    text = "The run has not ended, so there is nothing to send again yet."
    return replace(_refused(facts, decision.status or known, token, text, decision), cleanup=cleanup)


def unfinished(facts: Facts) -> list[Job]:
    """Return the Jobs that may still send."""
    return [job for job in facts.redeliveries if not job.is_finished and not job.is_sealed]


def end(facts: Facts) -> Decision:
    """Return what ends redeliveries of an older generation: nothing is sent beside a new run, nor after a cancel."""
    going = unfinished(facts)
    ending = tuple(DeleteJob(job.metadata.name) for job in going if job.metadata.deletion_timestamp is None)
    if facts.subject.is_cancelled:
        return Decision(actions=ending, requeue_after=ENDED_SOON)
    text = f"The spec was edited; Job {going[-1].metadata.name} is being ended, then the new run starts."
    written = transition.to(facts, status.of_refusal(facts, Cause(Reason.REPLACING, text)))
    return replace(written, actions=(*written.actions, *ending), requeue_after=ENDED_SOON)


def conclude(facts: Facts, known: Redelivery, problem: str = "", outcome: Outcome | None = None) -> Decision:
    """Return the decision that records the end of a redelivery; `problem` is why it did not end well."""
    run_id, name = facts.subject.status.run_id, facts.subject.redelivery_name
    if facts.stored is None:
        folder = names.run_prefix(*facts.subject.key, run_id or "")
        cut_off = names.redelivery_prefix(folder, known.token) if problem else ""
        return Decision(actions=(ReadResult(outcome, run_id, cut_off),))
    result, problem = facts.stored.result, problem or facts.stored.problem
    if result is not None and result.run_id != run_id:
        problem = f"The result is of run {result.run_id}, not of {run_id}."
        result = None
    before = facts.subject.status.deliveries
    sent = deliveries.again(before, result, problem) if result is not None else before
    ended = known.model_copy(update={"phase": RedeliveryPhase.ENDED, "message": problem or None})
    written = transition.to(facts, status.of_redelivered(facts, ended, sent, _ledger(facts, facts.stored, result)))
    there = facts.redelivery is not None
    return replace(
        written, actions=(*written.actions, DeleteSecret(name)), cleanup=(Seal(name),) if there else written.cleanup
    )


def _take_up(facts: Facts, token: str) -> Decision:
    """Write the request into the status, or why it is refused; only then is anything done for it."""
    problem = _followed(facts, token) or _problem(facts, token)
    if problem:
        return _refused(facts, facts.subject.status, token, problem)
    accepted = Redelivery(token=token, phase=RedeliveryPhase.WAITING)
    text = f"What has not been delivered is sent again ({REDELIVER_ANNOTATION}: {token[:100]})."
    written = transition.to(facts, status.of_redelivering(facts, accepted, Cause(Reason.REDELIVERING, text)))
    return replace(written, requeue_after=timedelta())


def _followed(facts: Facts, token: str) -> str:
    """Return what to say of a request whose Job is still there, before one is made; empty when there is none."""
    known = facts.subject
    name = names.redelivery_name(known.metadata.name, known.status.run_id or "", token)
    return FOLLOWED if any(job.metadata.name == name for job in facts.redeliveries) else ""


def _problem(facts: Facts, token: str) -> str:
    """Return why nothing can be sent again; empty when it can."""
    subject, known = facts.subject, facts.subject.status
    if known.run_id is None or not known.artifacts:
        return "There are no files to send: the run made none, or they have expired. Edit the spec to run again."
    if subject.spec is None:
        return subject.problem
    if known.run_id != subject.run_id:
        other = f"Report {known.same_as}; ask there" if known.same_as else "an older spec; run the Report again"
        return f"The files are of another run, that of {other} to have them sent."
    if not known.deliveries:
        return "The Report has no destinations."
    forbidden = policy.refusal(subject.spec, facts.rules)
    if forbidden:
        return forbidden
    return "" if any(_count(each, states(token)) for each in known.deliveries) else _nothing(known)


def _count(delivery: Delivery, wanted: frozenset[DeliveryState]) -> int:
    counts = {
        DeliveryState.SENT: delivery.sent,
        DeliveryState.FAILED: delivery.failed,
        DeliveryState.UNKNOWN: delivery.unknown,
        DeliveryState.PENDING: delivery.pending,
    }
    return sum(counts[state] for state in wanted)


def _nothing(known: ReportStatus) -> str:
    if any(each.unknown for each in known.deliveries):
        return "Nothing has failed; to send again what may or may not have arrived, write unknown/<token>."
    return "Nothing has failed; to send everything again, write all/<token>."


def _refused(facts: Facts, base: ReportStatus, token: str, text: str, beside: Decision | None = None) -> Decision:
    refused = Redelivery(token=token, phase=RedeliveryPhase.REFUSED, message=text[:2048])
    told = Announcement("Warning", Reason.REDELIVERY_REFUSED, text)
    decision = beside or Decision()
    return replace(
        decision,
        status=status.refusing(facts, base, refused),
        announcements=(*decision.announcements, told),
    )


def _go_on(facts: Facts, known: Redelivery) -> Decision:
    spec, job, name = facts.subject.spec, facts.redelivery, facts.subject.redelivery_name
    if facts.outage is not None:
        cause = Cause(Reason.OPERATOR_RETRYING, f"{facts.outage} The operator tries again by itself.")
        return replace(_going(facts, known, cause), retry=True)
    if job is not None and spec is not None:
        return _with_job(facts, known, spec, job)
    if known.job_name is not None:
        return conclude(facts, known, f"Job {name} was deleted before its end was recorded.")
    return _start(facts, known, name)


def _start(facts: Facts, known: Redelivery, name: str) -> Decision:
    """Return the decision to make the Job, or what came of it."""
    if facts.refusal is not None:
        cause = Cause(Reason.JOB_REFUSED, f"The API server refuses the Job that sends again: {facts.refusal}")
        return replace(_going(facts, known, cause), requeue_after=LOOK_AGAIN)
    if facts.turn is not None:
        cause = Cause(Reason.RUN_LIMIT_REACHED, f"The redelivery waits for its turn: {facts.turn.rule}.")
        written = transition.to(facts, status.of_redelivering(facts, known, cause, facts.turn))
        return replace(written, requeue_after=facts.turn.look_again(facts.subject.run_id))
    problem = facts.nothing_to_send or _problem(facts, known.token)
    if problem:
        back = status.of_redelivered(facts, known, facts.subject.status.deliveries)
        return _refused(facts, back, known.token, problem)
    return Decision(actions=(_ordered(known, name),))


def _with_job(facts: Facts, known: Redelivery, spec: ReportSpec, job: Job) -> Decision:
    if job.metadata.deletion_timestamp is not None and not job.is_finished:
        return Decision(requeue_after=ENDED_SOON)
    pods = [pod for pod in facts.pods if pod.metadata.is_owned_by(job.metadata.uid)]
    before = facts.subject.status
    last_seen = Cause(before.reason, before.message or "", before.stage) if before.reason is not None else None
    found = progress.of_run(job, pods, facts.events, spec.run, last_seen)
    if isinstance(found, Failed):
        return conclude(facts, known, found.cause.message)
    if not isinstance(found, Going):
        return conclude(facts, known, outcome=found.outcome)
    made = {"job_name": job.metadata.name, "start_time": job.metadata.creation_timestamp}
    running = known.model_copy(update={"phase": RedeliveryPhase.RUNNING, **made})
    cause = found.cause
    if cause.reason in (Reason.QUEUED, Reason.RUNNING):
        text = f"What has not been delivered is sent again: {cause.message}"
        cause = Cause(Reason.REDELIVERING, text, Stage.REDELIVER if found.phase is Phase.RUNNING else None)
    wanted = _ordered(known, job.metadata.name)
    renewal_due = (RenewLinks(job.metadata.name, wanted),) if renewal.is_due(job, facts.now) else ()
    return replace(_going(facts, running, cause), cleanup=renewal_due, requeue_after=LOOK_AGAIN)


def _ordered(known: Redelivery, name: str) -> StartRedelivery:
    return StartRedelivery(name, known.token, states(known.token))


def _going(facts: Facts, known: Redelivery, cause: Cause) -> Decision:
    return transition.to(facts, status.of_redelivering(facts, known, cause))


def _ledger(facts: Facts, stored: Stored, result: Result | None) -> Artifact | None:
    """Return the artifact of the ledger as it is now; its links lead to what is there whatever its content."""
    known = next((each for each in facts.subject.status.artifacts if each.name == LEDGER_FILE), None)
    reported = result.ledger if result is not None else None
    there = stored.files.get(LEDGER_FILE)
    if known is None or reported is None or there is None or reported.size != there.size:
        return known
    return known.model_copy(update={"size": there.size, "sha256": reported.sha256})


def _leftovers(facts: Facts) -> tuple[Action, ...]:
    """Return what redeliveries need that have ended and are not tidied up, or were not to be there any more."""
    known = facts.subject.status.redelivery
    awaited = facts.subject.redelivery_name if known is not None and known.is_under_way else ""
    actions: list[Action] = []
    for job in facts.redeliveries:
        name = job.metadata.name
        if job.is_sealed or name == awaited:
            continue
        actions += [DeleteSecret(name), Seal(name)] if job.is_finished else [DeleteJob(name)]
    return tuple(actions)
