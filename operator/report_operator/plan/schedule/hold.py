"""What has held back runs while the operator was there: they are late from its end on, not from their time on."""

from dataclasses import dataclass
from datetime import datetime

from report_operator.api.schedule_conditions import ScheduleConditionType, SlotReason
from report_operator.plan.schedule.subject import Subject


@dataclass(frozen=True)
class Hold:
    """A span of time in which runs could not start."""

    since: datetime
    until: datetime
    reason: SlotReason
    """Why runs that were to start within it are missed, should they be too many."""


def hold_of(subject: Subject, anchor: datetime, now: datetime) -> Hold | None:
    """Return what has ended since the last decision, or ends with this one; None when nothing held back a run.

    `anchor`: slots until then are decided. A probe holds back runs from when it waits for its turn until it has ended
    well or an edit does without it. A longer jitter than now does until it is edited: by the status, no run was to
    start before.
    """
    status, until = subject.status, subject.edited_by(now)
    probes = (c for c in status.conditions if c.type == ScheduleConditionType.RECONCILING)
    probe = next(probes, None)
    if probe is not None:
        return Hold(probe.last_transition_time, until, SlotReason.PROBING)
    if subject.is_edited and status.next_run_time is not None and status.next_run_time >= until:
        return Hold(anchor, until, SlotReason.EDITED)
    return None
