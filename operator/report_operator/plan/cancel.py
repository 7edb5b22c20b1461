"""Ending a run because of `spec.cancel`: a cancelled generation has no run of its own, it ends those before it."""

from dataclasses import replace

from report_operator.api.conditions import Reason
from report_operator.api.report import ReportSpec, ReportStatus
from report_operator.api.run import Result
from report_operator.plan import artifacts, deliveries, leftovers, redelivery, status, transition
from report_operator.plan.facts import Decision, DeleteJob, DiscardArtifacts, Facts, Stored
from report_operator.plan.failure import Cause
from report_operator.plan.objects import Job

_AGAIN = "Set spec.cancel to false to run again"
_ENDED_BY = "The run was ended because of spec.cancel."


def decide(facts: Facts) -> Decision:
    """Return what ends the run; what has ended already stays as it is, with its artifacts."""
    going = leftovers.unfinished_others(facts)
    if going:
        return _end(facts, going)
    if facts.subject.has_ended:
        return _of_ended(facts)
    ended, spec = leftovers.unrecorded(facts), facts.subject.spec
    if ended is not None and spec is not None:
        if facts.stored is None:
            return Decision(actions=(ended,))
        result = facts.stored.begun(ended.run_id)
        if result is not None:
            return _cut_off(facts, spec, result, facts.stored, _ENDED_BY if ended.cut_off else "")
    stage = facts.subject.status.stage
    begun = f"in stage {stage}" if stage else "before a stage had begun"
    kept = "nothing of it is kept" if spec is not None else "only what it had begun to deliver is kept"
    text = f"The run was cancelled {begun}; {kept}. {_AGAIN}."
    return _conclude(facts, status.of_cancelled(facts, Cause(Reason.CANCELLED, text)))


def _end(facts: Facts, going: list[Job]) -> Decision:
    """Return what ends Jobs. That is written first: an operator that is killed then still knows which run it was."""
    name = going[-1].metadata.name
    cause = Cause(Reason.CANCELLING, f"Job {name} is being ended (spec.cancel).", facts.subject.status.stage)
    ending = tuple(DeleteJob(job.metadata.name) for job in going if job.metadata.deletion_timestamp is None)
    written = transition.to(facts, status.of_cancelling(facts, going[-1], cause))
    return replace(written, cleanup=ending, requeue_after=redelivery.ENDED_SOON)


def _of_ended(facts: Facts) -> Decision:
    known = facts.subject.status
    if known.redelivery is not None and known.redelivery.is_under_way:
        return redelivery.conclude(facts, known.redelivery, "it was ended because of spec.cancel")
    kept = known if known.phase is None else status.of_ended(facts)  # None: a newer operator's, left alone
    if kept == known:
        return Decision(cleanup=leftovers.of_others(facts))
    return Decision(status=kept, actions=leftovers.of_unended(facts), cleanup=leftovers.of_others(facts))


def _cut_off(facts: Facts, spec: ReportSpec, result: Result, stored: Stored, ended_by: str) -> Decision:
    """Return the decision about a run that had begun to deliver: its files stay, and the status tells who has them."""
    sent = deliveries.check(spec, result, ended_by)
    told = deliveries.conclude(sent or deliveries.reported(result, ended_by))
    text = (
        f"The run was cancelled when it had begun to deliver. {told.message}"
        f" What it has made is kept. {_AGAIN}, and to send to everybody anew."
    )
    files = artifacts.intact(spec, result, stored.files)
    cause = Cause(Reason.CANCELLED, text)
    decided = _conclude(facts, status.of_cut_off(facts, cause, result=result, files=files, sent=sent))
    return replace(decided, actions=(*decided.actions, *leftovers.retained(facts, result.run_id)))


def _conclude(facts: Facts, final: ReportStatus) -> Decision:
    written = transition.to(facts, final)
    discard = tuple(DiscardArtifacts(run) for run in leftovers.unended(facts).values())
    tidy = tuple(action for action in leftovers.of_others(facts) if action not in discard)
    return replace(written, actions=(*written.actions, *discard), cleanup=tidy)
