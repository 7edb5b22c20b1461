"""Which of the slots since the last decision are run, and which are missed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from report_operator.api.fields import parse_duration
from report_operator.api.schedule import CatchUpPolicy, ScheduledReportSpec
from report_operator.api.schedule_conditions import SlotReason
from report_operator.plan.schedule.timing import Timing

ON_TIME = timedelta(minutes=1)
"""A run that starts so late is on time: an operator that restarts, or has thousands to start, takes seconds."""
_TOO_LATE = SlotReason.STARTING_DEADLINE_EXCEEDED
_MOST_ON_TIME = 2
"""Slots are whole minutes."""


@dataclass(frozen=True)
class Hold:
    """A span of time in which runs could not start although the operator was there."""

    since: datetime
    until: datetime
    reason: SlotReason
    """Why runs that were to start within it are missed, should they be too many."""


@dataclass(frozen=True)
class Due:
    """What becomes of the slots of a span of time; earliest first."""

    on_time: tuple[datetime, ...] = ()
    """To be run."""
    late: tuple[datetime, ...] = ()
    """To be run although an outage, or a hold, delayed them."""
    last: datetime | None = None
    """The last slot of the span; None when it has none."""
    missed: int = 0
    last_missed: datetime | None = None
    reason: SlotReason = SlotReason.OPERATOR_UNAVAILABLE
    """Why that one was missed."""


def due(
    timing: Timing,
    spec: ScheduledReportSpec,
    anchor: datetime,
    now: datetime,
    begun: Collection[datetime],
    *,
    hold: Hold | None,
) -> Due:
    """Return what becomes of the slots later than `anchor` whose time to start has come.

    `begun`: slots that have some of their Reports. They get the others, so that a crash in between changes nothing.
    `hold`: the slots within it are run whatever `catchUp.policy` says of outages, the latest `catchUp.limit` of them.
    """
    horizon = now - timing.delay
    total = timing.slots.count(anchor, horizon)
    if total == 0:
        return Due()
    known = timing.slots.latest(anchor, horizon, most=_MOST_ON_TIME + spec.catch_up.limit)
    on_time = [slot for slot in known if horizon - slot <= ON_TIME]
    late = known[: len(known) - len(on_time)]
    held = [slot for slot in late if _held(slot + timing.delay, hold, now)]
    wanted = [*_caught_up(spec, late, bool(on_time)), *held[-spec.catch_up.limit :], *on_time]
    in_time = {slot for slot in wanted if horizon - slot <= deadline(spec)}
    going_on = {slot for slot in begun if anchor < slot <= horizon and slot in timing.slots}
    run = in_time | going_on
    last_missed = next((s for s in timing.slots.until(horizon) if s not in run), None) if total > len(run) else None
    unwanted = _held(last_missed + timing.delay, hold, now) if last_missed else None
    return Due(
        on_time=tuple(sorted(run.intersection(on_time) | going_on)),
        late=tuple(sorted(run.difference(on_time) - going_on)),
        last=known[-1],
        missed=total - len(run),
        last_missed=last_missed,
        reason=_TOO_LATE if last_missed in wanted else unwanted or SlotReason.OPERATOR_UNAVAILABLE,
    )


def _held(start: datetime, hold: Hold | None, now: datetime) -> SlotReason | None:
    """Return what alone makes a run late: it was not when the hold began, nor is it counted from its end."""
    if hold is None or start < hold.since - ON_TIME or start > hold.until or now - hold.until > ON_TIME:
        return None
    return hold.reason


def _caught_up(spec: ScheduledReportSpec, late: list[datetime], any_on_time: bool) -> list[datetime]:
    """Return the late slots that the policy asks for."""
    if spec.catch_up.policy is CatchUpPolicy.ALL:
        return late[-spec.catch_up.limit :]
    if spec.catch_up.policy is CatchUpPolicy.LATEST and not any_on_time:
        return late[-1:]
    return []


def deadline(spec: ScheduledReportSpec) -> timedelta:
    """Return how long after its time a run may start."""
    return parse_duration(spec.starting_deadline) if spec.starting_deadline else timedelta.max
