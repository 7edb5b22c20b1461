"""What has held back runs while the operator was there: they are late from its end on, not from their time on."""

from datetime import datetime

from report_operator.api.schedule_conditions import ScheduleConditionType, SlotReason
from report_operator.plan.schedule.due import ON_TIME, Hold
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.schedule.timing import Timing


def hold_of(subject: Subject, timing: Timing, anchor: datetime, now: datetime) -> Hold | None:
    """Return what has ended since the last decision, or ends with this one; None when nothing held back a run.

    `anchor`: slots until then are decided. A probe holds back runs from when it waits for its turn until it has ended
    well or an edit does without it. A longer jitter than now does until it is edited, if no run was late by then.
    """
    status, until = subject.status, subject.edited_by(now)
    probes = (c for c in status.conditions if c.type == ScheduleConditionType.RECONCILING)
    probe = next(probes, None)
    if probe is not None:
        return Hold(probe.last_transition_time, until, SlotReason.PROBING)
    first, meant = timing.slots.next(anchor), status.next_run_time
    if not subject.is_edited or first is None or meant is None:
        return None
    is_shorter, was_late = first + timing.delay < meant, meant < until - ON_TIME
    return Hold(anchor, until, SlotReason.EDITED) if is_shorter and not was_late else None
