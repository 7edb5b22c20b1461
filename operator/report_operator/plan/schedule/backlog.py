"""Slots that wait for their turn: those of an outage that run one by one, and those of a backfill."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import takewhile

from report_operator.api.metadata import Trigger
from report_operator.api.schedule import Backfill, CatchUpPolicy, ConcurrencyPolicy, ScheduledReportSpec
from report_operator.api.schedule_conditions import SlotReason
from report_operator.api.schedule_status import BackfillProgress
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.draft import Draft
from report_operator.plan.schedule.due import ON_TIME, Due, deadline
from report_operator.plan.schedule.errors import ScheduleError
from report_operator.plan.schedule.timing import Timing, slots_of
from report_operator.plan.schedule.window import period_of

BACKFILL_SLOTS = 1000
"""Most slots of a backfill."""
BACKFILL_AT_ONCE = 5
"""Slots of a backfill with unfinished Reports at the same time, where concurrencyPolicy is Allow."""
_RETRY = timedelta(minutes=1)
"""Until a slot that was refused is tried again."""
_LOOKED_AT = 5 * BACKFILL_SLOTS
"""Most slots that are looked at to find those whose period lies in the range."""


def still_due(
    spec: ScheduledReportSpec, waiting: Collection[datetime], horizon: datetime, begun: Collection[datetime]
) -> Due:
    """Return what becomes of slots that wait for their turn: they are late, or have come to be missed.

    They are missed beyond the deadline, and all of them when `catchUp` does not ask for each slot any more. `begun`:
    slots that have some of their Reports; they get the others.
    """
    is_wanted = spec.catch_up.policy is CatchUpPolicy.ALL
    late = [slot for slot in waiting if slot in begun or (is_wanted and horizon - slot <= deadline(spec))]
    return Due(
        late=tuple(late),
        missed=len(waiting) - len(late),
        last_missed=max(set(waiting).difference(late), default=None),
        reason=SlotReason.STARTING_DEADLINE_EXCEEDED if is_wanted else SlotReason.OPERATOR_UNAVAILABLE,
    )


def line(draft: Draft, waiting: Iterable[datetime], found: Due, begun: Collection[datetime]) -> list[datetime]:
    """Return the slots that run one by one, earliest first: those that wait, and those of an outage.

    As long as one of them waits or runs, slots that come on time are at the end of the line. Started at once they would
    be skipped by Forbid, cancel those before by Replace, and their success would hide the failures of those before.
    `begun`: slots that have some of their Reports; those that did not wait were started on time.
    """
    spec = draft.spec
    if spec.catch_up.policy is not CatchUpPolicy.ALL or spec.concurrency_policy is ConcurrencyPolicy.ALLOW:
        return sorted(waiting)
    behind = {*waiting, *found.late}
    if behind or any(_is_late(child, draft.timing) for child in draft.active(Trigger.SCHEDULED)):
        return sorted(behind.union(slot for slot in found.on_time if slot not in begun))
    return []


def catch_up(draft: Draft, line: Iterable[datetime], begun: Collection[datetime]) -> list[datetime]:
    """Start slots of the line, each when no run is left, or all when runs may overlap; return those that still wait.

    `begun`: slots that have some of their Reports.
    """
    still: list[datetime] = []
    may_overlap = draft.spec.concurrency_policy is ConcurrencyPolicy.ALLOW
    for slot in line:
        if may_overlap or slot in begun or not draft.active():
            draft.start(draft.runs(Trigger.SCHEDULED, slot), draft.timing.period_of(slot))
        else:
            still.append(slot)
    return still


def _is_late(child: Child, timing: Timing) -> bool:
    """Return whether a run was started to make up for an outage, or after one that was."""
    return child.created_at - child.slot > timing.delay + ON_TIME


def backfill(draft: Draft, until: datetime, *, is_other: bool) -> BackfillProgress | None:
    """Start slots of the range that the spec asks for, earliest first; return how far it is.

    `until`: the last slot that the schedule itself has decided. `is_other`: whether the timing is another one than
    before; then what is left of the range is worked off by the new one. Where concurrencyPolicy is not Allow, a slot
    waits until nothing else runs.
    """
    wanted, known = draft.spec.backfill, draft.facts.subject.status.backfill
    if wanted is None:
        return None
    if known is None or (known.from_, known.to) != (wanted.from_, wanted.to):
        known = _taken_up(draft.timing, wanted, until)
    elif is_other and known.next_slot is not None:
        known = _taken_up(draft.timing, wanted, until, done=_done(draft, known.next_slot), decided=known.decided)
    elif is_other and known.message:
        known = _taken_up(draft.timing, wanted, until)
    return _gone_on(draft, known)


def _gone_on(draft: Draft, known: BackfillProgress) -> BackfillProgress:
    """Start the next slots of a backfill, as many as there is room for; return how far it is then.

    It ends at a slot that the API server refuses. That one alone is tried again after a while, the others after it.
    """
    if known.next_slot is None or known.last_slot is None:
        return known
    room, decided, last, said = _room(draft), known.decided, known.last_slot, known.message
    if said:
        room = min(room, 1)
    for slot in takewhile(lambda slot: slot <= last, draft.timing.slots.after(known.next_slot - timedelta.resolution)):
        if not draft.is_made(Trigger.BACKFILL, slot):
            refused = draft.refused(draft.runs(Trigger.BACKFILL, slot))
            if refused:
                draft.try_again_in(_RETRY)
            if refused or room <= 0:
                return known.model_copy(update={"decided": decided, "next_slot": slot, "message": refused or said})
            draft.start(draft.runs(Trigger.BACKFILL, slot), draft.timing.period_of(slot))
            room -= 1
        decided, said = decided + 1, None
    return known.model_copy(update={"decided": decided, "next_slot": None, "message": None})


def _done(draft: Draft, next_slot: datetime) -> datetime:
    """Return until when the range is worked off: to the start of the next period, by the timing before."""
    known = draft.facts.subject.status.applied_schedule
    try:
        slots = slots_of(known) if known is not None else draft.timing.slots
    except ScheduleError:
        slots = draft.timing.slots
    period = period_of(next_slot, slots, known.frequency if known is not None else None, draft.spec.window)
    return period.start if period is not None else next_slot


def _taken_up(
    timing: Timing, wanted: Backfill, until: datetime, done: datetime | None = None, decided: int = 0
) -> BackfillProgress:
    """Return the progress before the first slot. Periods end at their slot or before, in the order of the slots.

    `done`: periods that end by then are worked off already, `decided` of them.
    """
    slots: list[datetime] = []
    past = takewhile(lambda slot: slot <= until, timing.slots.after(wanted.from_))
    for looked_at, slot in enumerate(past, 1):
        period = timing.period_of(slot)
        if period is None or period.end > wanted.to:
            break
        if period.start >= wanted.from_ and (done is None or period.end > done):
            slots.append(slot)
        if len(slots) > BACKFILL_SLOTS or looked_at > _LOOKED_AT:
            text = f"The range has more than {BACKFILL_SLOTS} slots: write a shorter one, and the next when it is done."
            return BackfillProgress(from_=wanted.from_, to=wanted.to, message=text)
    ends = {"next_slot": slots[0], "last_slot": slots[-1]} if slots else {}
    counts = {"slots": decided + len(slots), "decided": decided}
    return BackfillProgress(from_=wanted.from_, to=wanted.to, **counts, **ends)


def _room(draft: Draft) -> int:
    """Return how many slots of a backfill may start now."""
    unfinished = draft.active(Trigger.BACKFILL)
    if draft.spec.concurrency_policy is ConcurrencyPolicy.ALLOW:
        return BACKFILL_AT_ONCE - len({child.slot for child in unfinished})
    return 0 if unfinished or draft.active() else 1
