"""The status of a ScheduledReport, gone on with from the one before: Reports come and go, what they told stays."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from report_operator.api.metadata import RECONCILE_ANNOTATION, Trigger
from report_operator.api.report import Condition
from report_operator.api.schedule_conditions import ScheduleConditionType, ScheduleReason
from report_operator.api.schedule_status import (
    ACTIVE_LIMIT,
    REPORT_DELETED,
    ActiveRun,
    LastRun,
    RunPhase,
    ScheduledReportStatus,
)
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.conclusion import Conclusion
from report_operator.plan.schedule.subject import Subject

_MESSAGE = 2048
_PHASES = {phase.value: phase for phase in RunPhase}
_DELETED = {
    "phase": RunPhase.CANCELLED,
    "reason": REPORT_DELETED,
    "message": "The Report was deleted before the end of its run was seen.",
}
_TELLING = (RunPhase.SUCCEEDED, RunPhase.CANCELLED, RunPhase.ACTIVE, RunPhase.FAILED)
"""Of the variants of a slot the one whose phase is the last of these tells most."""


def of_runs(known: ScheduledReportStatus, children: Iterable[Child]) -> dict[str, object]:
    """Return the fields that tell of runs; backfilled ones say nothing about the health of the schedule."""
    current = [child for child in children if child.trigger is not Trigger.BACKFILL]
    slots = [child.slot for child in current if child.trigger is Trigger.SCHEDULED]
    active = sorted((child for child in children if child.is_active), key=lambda child: (child.slot, child.name))
    return {
        "last_schedule_time": max([*slots, *_present(known.last_schedule_time)], default=None),
        "last_successful_time": _last_end(known.last_successful_time, current, "Succeeded"),
        "last_failure_time": _last_end(known.last_failure_time, current, "Failed"),
        "last_run": _last_run(known.last_run, current),
        "active": [ActiveRun(name=c.name, variant=c.variant or None, slot=c.slot) for c in active[:ACTIVE_LIMIT]],
    }


def of_conclusion(subject: Subject, conclusion: Conclusion, now: datetime) -> dict[str, object]:
    """Return the fields that tell whether the schedule is followed."""
    accepted = conclusion.is_accepted
    conditions = [_condition(subject, ScheduleConditionType.READY, "True" if accepted else "False", conclusion, now)]
    if not accepted:
        goes_on = conclusion.reason is ScheduleReason.PROBING
        kind = ScheduleConditionType.RECONCILING if goes_on else ScheduleConditionType.STALLED
        conditions.append(_condition(subject, kind, "True", conclusion, now))
    if conclusion.reason is ScheduleReason.STOPPED_AFTER_FAILURES:
        conditions.append(_condition(subject, ScheduleConditionType.STOPPED, "True", conclusion, now))
    seen = subject.annotations.get(RECONCILE_ANNOTATION, subject.status.last_handled_reconcile_at)
    return {
        "observed_generation": subject.metadata.generation,
        "schedule": conclusion.timing.words if conclusion.timing is not None else None,
        "last_handled_reconcile_at": seen[:1024] if seen else None,
        "conditions": conditions,
    }


def _last_run(known: LastRun | None, children: Sequence[Child]) -> LastRun | None:
    """Return the run of the last slot; the one that was known, when its Report is gone and no later one is there.

    With its Report a run ends: the garbage collector deletes its Job.
    """
    last = max(children, key=lambda child: (child.slot, _TELLING.index(_phase(child)), child.name), default=None)
    if known is not None and (last is None or known.slot > last.slot):
        return known.model_copy(update=_DELETED) if known.phase is RunPhase.ACTIVE else known
    if last is None:
        return None
    ended = last.has_ended
    return LastRun(
        name=last.name,
        slot=last.slot,
        phase=_phase(last),
        reason=last.reason[:64] if ended and last.reason else None,
        message=last.message[:_MESSAGE] if ended and last.message else None,
        # The time that the API server notes for a Report may differ from ours by a second; what is written stays.
        start_time=known.start_time if known is not None and known.name == last.name else last.created_at,
        completion_time=last.completed_at if ended else None,
    )


def _phase(child: Child) -> RunPhase:
    if not child.has_ended:
        return RunPhase.ACTIVE
    return _PHASES.get(child.phase, RunPhase.SUCCEEDED)  # one whose artifacts have expired had succeeded


def _last_end(known: datetime | None, children: Sequence[Child], phase: str) -> datetime | None:
    ends = [child.completed_at for child in children if child.phase == phase and child.completed_at is not None]
    return max([*ends, *_present(known)], default=None)


def _present(time: datetime | None) -> list[datetime]:
    return [time] if time is not None else []


def _condition(
    subject: Subject,
    kind: ScheduleConditionType,
    status: Literal["True", "False"],
    conclusion: Conclusion,
    now: datetime,
) -> Condition:
    before = next((c for c in subject.status.conditions if c.type == kind and c.status == status), None)
    return Condition(
        type=kind,
        status=status,
        reason=conclusion.reason,
        message=conclusion.message[:_MESSAGE],
        last_transition_time=before.last_transition_time if before is not None else now.replace(microsecond=0),
        observed_generation=subject.metadata.generation,
    )
