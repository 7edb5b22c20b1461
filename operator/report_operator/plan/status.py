"""The status of a Report: phase, conditions, and what the run has made."""

from datetime import UTC, datetime
from typing import Any

from report_operator.api.conditions import ENDED, ConditionType, Phase, Reason
from report_operator.api.deliveries import Delivery
from report_operator.api.download import Refresh
from report_operator.api.redelivery import Redelivery, RedeliveryPhase
from report_operator.api.report import Artifact, Condition, Period, QueuePlace, ReportSpec, ReportStatus
from report_operator.api.run import Result
from report_operator.plan import artifacts, conditions, deliveries, links, retention
from report_operator.plan.facts import Facts
from report_operator.plan.failure import Cause
from report_operator.plan.objects import Job
from report_operator.plan.run_queue import Turn
from report_operator.plan.subject import Subject

_MESSAGE = 2048


def of_outage(facts: Facts, cause: Cause) -> ReportStatus:
    """Return the status while the operator cannot do its part; what is known of an unfinished run is kept."""
    previous = facts.subject.status
    if previous.phase is None or previous.phase in ENDED:
        previous = ReportStatus(phase=Phase.QUEUED, run_id=facts.subject.run_id)
    return _with_cause(facts, previous.model_copy(update={"queue": None}), cause)


def of_refusal(facts: Facts, cause: Cause) -> ReportStatus:
    """Return the status of a generation whose Job cannot be made."""
    return _with_cause(facts, ReportStatus(phase=Phase.QUEUED, run_id=facts.subject.run_id), cause)


def of_waiting(facts: Facts, turn: Turn, cause: Cause) -> ReportStatus:
    """Return the status of a generation whose turn it is not."""
    period = _in_utc(facts.subject.spec)
    fresh = ReportStatus(phase=Phase.QUEUED, run_id=facts.subject.run_id, period=period, queue=_place(turn))
    return _with_cause(facts, fresh, cause)


def of_replaced(facts: Facts, older: Job, cause: Cause) -> ReportStatus:
    """Return the status while an older generation's run is being ended; run and Job are that run's."""
    fresh = ReportStatus(phase=Phase.QUEUED, run_id=older.run_id, job_name=older.metadata.name)
    return _with_cause(facts, fresh, cause)


def of_cancelling(facts: Facts, older: Job, cause: Cause) -> ReportStatus:
    """Return the status while a cancelled run is being ended; run and Job are that run's."""
    known = facts.subject.status
    same = known.run_id == older.run_id and known.phase not in ENDED
    base = known if same else ReportStatus(phase=Phase.QUEUED, run_id=older.run_id)
    its = {"job_name": older.metadata.name, "start_time": older.metadata.creation_timestamp, "queue": None}
    return _with_cause(facts, base.model_copy(update=its), cause)


def of_cancelled(facts: Facts, cause: Cause) -> ReportStatus:
    """Return the final status of a run that was cancelled; run and Job are those that it had, if it had any."""
    update = {"phase": Phase.CANCELLED, "stage": None, "queue": None, "completion_time": _seconds(facts.now)}
    return _with_cause(facts, facts.subject.status.model_copy(update=update), cause)


def of_cut_off(
    facts: Facts, cause: Cause, *, result: Result, files: list[Artifact], sent: list[Delivery]
) -> ReportStatus:
    """Return the final status of a run that was cancelled when it had begun to deliver: what it made is kept."""
    status = of_cancelled(facts, cause)
    made = _made(facts, result, files, sent) | {"run_id": result.run_id}
    further = [*conditions.inlined(facts, result), *_delivered(facts, files, sent)]
    return status.model_copy(update=made | {"conditions": [*status.conditions, *further]})


def of_ended(facts: Facts) -> ReportStatus:
    """Return the status of a run that had ended before it was cancelled: all of it stays, and it is about this spec."""
    known, generation = facts.subject.status, facts.subject.metadata.generation
    kept = [each.model_copy(update={"observed_generation": generation}) for each in known.conditions]
    return known.model_copy(update={"observed_generation": generation, "conditions": kept})


def of_going(facts: Facts, job: Job, phase: Phase, cause: Cause, attempt: int) -> ReportStatus:
    """Return the status of a run that has not ended."""
    base = _of_run(facts, job, attempt)
    return _with_cause(facts, base.model_copy(update={"phase": phase, "stage": cause.stage}), cause)


def of_failure(facts: Facts, job: Job | None, cause: Cause, attempt: int | None) -> ReportStatus:
    """Return the final status of a generation that has no artifacts."""
    base = _of_run(facts, job, attempt)
    update = {"phase": Phase.FAILED, "stage": cause.stage, "completion_time": _seconds(facts.now), "log": [*cause.log]}
    status = _with_cause(facts, base.model_copy(update=update), cause)
    is_sent = facts.subject.spec is not None and facts.subject.spec.destinations
    kinds = (ConditionType.RENDERED, ConditionType.DELIVERED) if is_sent else ()
    further = [conditions.make(facts, kind, "False", Cause(cause.reason, status.message or "")) for kind in kinds]
    return status.model_copy(update={"conditions": [*status.conditions, *further]})


def of_rejected(facts: Facts, cause: Cause) -> ReportStatus:
    """Return the status of a generation that cannot be run, or may not."""
    return _with_cause(facts, ReportStatus(phase=Phase.FAILED), cause)


def of_artifacts(
    facts: Facts, job: Job | None, attempt: int, *, result: Result, files: list[Artifact], sent: list[Delivery]
) -> ReportStatus:
    """Return the final status of a generation whose artifacts are all in the store, sent or not."""
    status = _of_run(facts, job, attempt).model_copy(update=_made(facts, result, files, sent))
    return _concluded(facts, status, conditions.inlined(facts, result))


def of_awaiting(facts: Facts, first: Subject | None, name: str, cause: Cause) -> ReportStatus:
    """Return the status while another Report's run makes the result; run id and Job are that one's alone."""
    known = first.status if first is not None else ReportStatus(phase=Phase.QUEUED)
    fields = ("phase", "stage", "attempt", "period", "queue", "start_time")
    fresh = ReportStatus(same_as=name).model_copy(update={field: getattr(known, field) for field in fields})
    return _with_cause(facts, fresh, cause)


def of_same(facts: Facts, first: Subject) -> ReportStatus:
    """Return the final status of a Report whose result another one has made."""
    known = first.status
    cause = Cause(known.reason or Reason.SUCCEEDED, known.message or "")
    base = _with_cause(facts, known.model_copy(update={"same_as": first.metadata.name, "queue": None}), cause)
    kinds = {condition.type for condition in base.conditions}
    further = [
        conditions.make(facts, ConditionType(each.type), each.status, Cause(Reason(each.reason), each.message))
        for each in known.conditions
        if each.type not in kinds and each.type not in (ConditionType.RECONCILING, ConditionType.STALLED)
    ]
    return base.model_copy(update={"conditions": [*base.conditions, *further]})


def of_redelivering(facts: Facts, redelivery: Redelivery, cause: Cause, turn: Turn | None = None) -> ReportStatus:
    """Return the status while something is sent again. The phase stays: the run has ended, and this is none."""
    known = facts.subject.status
    update = {"redelivery": redelivery, "stage": cause.stage, "queue": _place(turn) if turn is not None else None}
    status = _with_cause(facts, known.model_copy(update=update), cause)
    lasting = (ConditionType.RENDERED, ConditionType.DELIVERED, ConditionType.INLINED)
    kept = [condition for condition in known.conditions if condition.type in lasting]
    return status.model_copy(update={"conditions": [*status.conditions, *kept]})


def of_redelivered(
    facts: Facts, redelivery: Redelivery, sent: list[Delivery], ledger: Artifact | None = None
) -> ReportStatus:
    """Return the status when a redelivery has ended, or was refused: phase and conditions follow from the deliveries.

    `ledger` is the artifact with all of them, where it is new.
    """
    known = facts.subject.status
    files = [ledger if ledger is not None and each.name == ledger.name else each for each in known.artifacts]
    update = {"deliveries": sent, "artifacts": files, "stage": None, "queue": None}
    kept = [condition for condition in known.conditions if condition.type == ConditionType.INLINED]
    status = _concluded(facts, known.model_copy(update=update), kept)
    done = redelivery.model_copy(update={"completion_time": _seconds(facts.now)})
    return status.model_copy(update={"redelivery": done})


def refusing(facts: Facts, status: ReportStatus, refused: Redelivery) -> ReportStatus:
    """Return a status that tells of a redelivery that is refused, and is the same otherwise."""
    done = refused.model_copy(update={"completion_time": _seconds(facts.now)})
    return status.model_copy(update={"redelivery": done})


def _made(facts: Facts, result: Result, files: list[Artifact], sent: list[Delivery]) -> dict[str, Any]:
    """Return the fields of what a run has made, which is kept from now on."""
    done, spec = _seconds(facts.now), facts.subject.spec
    return {
        "completion_time": done,
        "metrics": artifacts.metrics(result),
        "subject": result.subject,
        "inline": artifacts.inline(result),
        "artifacts": files,
        "links_renew_at": _renewal(facts.subject, done, files),
        "expires_at": retention.expires_at(spec.retention, done) if spec is not None else None,
        "deliveries": sent,
    }


def _concluded(facts: Facts, status: ReportStatus, further: list[Condition]) -> ReportStatus:
    """Return the final status of a run whose artifacts are in the store, sent or not; `further` are more conditions."""
    files, sent = status.artifacts, status.deliveries
    delivered = deliveries.conclude(sent) if sent else None
    good = delivered is None or delivered.reason is Reason.DELIVERED
    note = status.subject.fallback if status.subject is not None else None
    parts = (_rendered(files).message, delivered.message if delivered is not None else None, note and f"{note}.")
    text = " ".join(filter(None, parts))
    reason = Reason.SUCCEEDED if good or delivered is None else delivered.reason
    phase = Phase.SUCCEEDED if good else Phase.FAILED
    status = _with_cause(facts, status.model_copy(update={"phase": phase}), Cause(reason, text))
    told = _delivered(facts, files, sent)
    return status.model_copy(update={"conditions": [*status.conditions, *further, *told]})


def _rendered(files: list[Artifact]) -> Cause:
    count = len(files)
    return Cause(Reason.SUCCEEDED, f"{count} file{'' if count == 1 else 's'} in the store.")


def _delivered(facts: Facts, files: list[Artifact], sent: list[Delivery]) -> list[Condition]:
    """Return the conditions Rendered and Delivered where the spec has destinations."""
    if not sent:
        return []
    cause = deliveries.conclude(sent)
    rendered = conditions.make(facts, ConditionType.RENDERED, "True", _rendered(files))
    good = cause.reason is Reason.DELIVERED
    return [rendered, conditions.make(facts, ConditionType.DELIVERED, "True" if good else "False", _short(cause))]


def _renewal(subject: Subject, done: datetime, files: list[Artifact]) -> datetime | None:
    refresh = subject.spec.download.refresh if subject.spec is not None else Refresh.AUTO
    return links.renewal_of(subject.metadata.uid, done, files, refresh)


def _of_run(facts: Facts, job: Job | None, attempt: int | None) -> ReportStatus:
    previous = facts.subject.status if facts.subject.is_observed else ReportStatus()
    return ReportStatus(
        run_id=facts.subject.run_id,
        job_name=facts.subject.job_name if job is not None else previous.job_name,
        attempt=attempt or previous.attempt,
        period=_in_utc(facts.subject.spec),
        start_time=job.metadata.creation_timestamp if job is not None else previous.start_time,
    )


def _with_cause(facts: Facts, status: ReportStatus, cause: Cause) -> ReportStatus:
    short = _short(cause)
    return status.model_copy(
        update={
            "observed_generation": facts.subject.metadata.generation,
            "reason": short.reason,
            "message": short.message,
            "link_refresh": facts.subject.status.link_refresh,
            "test_send": facts.subject.status.test_send,
            "redelivery": status.redelivery if facts.subject.is_settled else _overtaken(facts),
            "conditions": conditions.of_cause(facts, short),
        }
    )


def _overtaken(facts: Facts) -> Redelivery | None:
    """Return what is known of the last redelivery when a new generation has come: its token is never followed twice."""
    known = facts.subject.status.redelivery
    if known is None or not known.is_under_way:
        return known
    text = "The spec was edited before it had ended."
    update = {"phase": RedeliveryPhase.ENDED, "message": text, "completion_time": _seconds(facts.now)}
    return known.model_copy(update=update)


def _short(cause: Cause) -> Cause:
    message = cause.message if len(cause.message) <= _MESSAGE else cause.message[: _MESSAGE - 1] + "…"
    return Cause(cause.reason, message, cause.stage)


def _place(turn: Turn) -> QueuePlace:
    seconds = round(turn.wait.total_seconds()) if turn.wait is not None else None
    return QueuePlace(position=turn.position, since=_seconds(turn.since), estimated_wait_seconds=seconds)


def _in_utc(spec: ReportSpec | None) -> Period | None:
    if spec is None or spec.period is None:
        return None
    return Period(start=spec.period.start.astimezone(UTC), end=spec.period.end.astimezone(UTC))


def _seconds(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)
