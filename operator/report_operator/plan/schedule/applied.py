"""Since when slots count: editing or resuming a schedule never runs what lies before.

CronJob counts the times of the edited schedule since the last run and starts the latest (kubernetes/kubernetes #63371,
#130838); here the status keeps the timing that is followed, and since when. An operator that was down is no edit: the
timing is the same when it is back, and `catchUp` decides.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_status import AppliedSchedule
from report_operator.plan.schedule.errors import ScheduleError
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.schedule.timing import slots_of

SKEW = timedelta(minutes=5)
"""Between the clocks of two operators, at most: what is decided for a time so near stays decided."""


@dataclass(frozen=True)
class Following:
    """The timing to follow from now on."""

    applied: AppliedSchedule
    anchor: datetime
    """Slots later than this are to be decided."""
    is_other: bool = False
    """Whether the timing is another one than before."""
    dropped: tuple[datetime, datetime] | None = None
    """Slots of the timing before that will not be decided any more: later than the first, not later than the second."""


def follow(subject: Subject, spec: ScheduledReportSpec, paused: bool, now: datetime) -> Following:
    """Return the timing to follow, compared with what the status says was followed.

    `paused`: no run starts by itself.
    """
    known, created = subject.status.applied_schedule, subject.created_at(now)
    if known is None:
        since = created if subject.metadata.generation <= 1 else max(created, subject.edited_by(now))
        return Following(_applied(spec, paused, since), since)
    known = _by_the_clock(known, now)
    anchor = _anchor(known, created)
    is_other = (known.schedule, known.frequency, known.time_zone) != (spec.schedule, spec.frequency, spec.time_zone)
    edit = max(anchor, subject.edited_by(now))
    dropped = None if known.paused else (anchor, edit)
    if is_other or (known.paused and not paused) or _may_hide_a_pause(subject):
        return Following(_applied(spec, paused, edit), edit, is_other, dropped)
    applied = known.model_copy(update={"paused": paused})
    return Following(applied, anchor, dropped=dropped if paused else None)


def give_up(subject: Subject, now: datetime) -> Following | None:
    """Return the timing that is not followed any more, as the spec cannot be read; None when none was."""
    known = subject.status.applied_schedule
    if known is None:
        return None
    known = _by_the_clock(known, now)
    anchor = _anchor(known, subject.created_at(now))
    dropped = None if known.paused else (anchor, max(anchor, subject.edited_by(now)))
    return Following(known.model_copy(update={"paused": True}), anchor, dropped=dropped)


def missed_by_edit(following: Following, subject: Subject, begun: Collection[datetime]) -> int:
    """Return how many slots had not been started yet when the timing was edited or the schedule suspended.

    `begun`: slots that have Reports.
    """
    known = subject.status.applied_schedule
    if following.dropped is None or known is None:
        return 0
    after, until = following.dropped
    try:
        slots = slots_of(known)
    except ScheduleError:
        return 0
    made = [slot for slot in begun if after < slot <= until and slot in slots]
    return slots.count(after, until) - len(made)


def _by_the_clock(known: AppliedSchedule, now: datetime) -> AppliedSchedule:
    """Return what was followed, until now at most: a clock that was far ahead must not silence a schedule."""
    if _anchor(known, known.since) <= now + SKEW:
        return known
    return known.model_copy(update={"since": min(known.since, now), "decided_until": now.replace(microsecond=0)})


def _anchor(known: AppliedSchedule, created: datetime) -> datetime:
    return max(created, known.since, known.decided_until or known.since)


def _applied(spec: ScheduledReportSpec, paused: bool, since: datetime) -> AppliedSchedule:
    return AppliedSchedule(
        schedule=spec.schedule,
        frequency=spec.frequency,
        time_zone=spec.time_zone,
        paused=paused,
        since=since.replace(microsecond=0),
    )


def _may_hide_a_pause(subject: Subject) -> bool:
    """Return whether several edits have passed unseen: a suspension may have begun and ended among them.

    One edit changes the generation by one, and its effect is seen.
    """
    return subject.metadata.generation - subject.status.observed_generation > 1
