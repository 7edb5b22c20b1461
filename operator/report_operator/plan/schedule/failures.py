"""How many slots in a row have failed, counted once each although Reports come and go."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from report_operator.api.metadata import Trigger
from report_operator.api.schedule_status import Failures
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.subject import Subject


def count(subject: Subject, children: Iterable[Child], now: datetime) -> Failures:
    """Return the count, gone on with from the status.

    Slots are counted in order, when all their Reports have ended: one that succeeded ends the row. An edit forgives
    what lies before, and so does a run by hand that succeeded.
    """
    known = subject.status.failures or Failures(counted_until=subject.created_at(now))
    if subject.is_edited:
        known = _forgiven(known, subject.edited_by(now))
    by_hand = [child for child in children if child.trigger is Trigger.MANUAL and child.phase == "Succeeded"]
    success = max((child.completed_at for child in by_hand if child.completed_at), default=known.counted_until)
    if success > known.counted_until:
        known = _forgiven(known, success)
    return _counted(known, children)


def _forgiven(known: Failures, until: datetime) -> Failures:
    return Failures(in_a_row=0, counted_until=max(known.counted_until, until.replace(microsecond=0)))


def _counted(known: Failures, children: Iterable[Child]) -> Failures:
    slots: defaultdict[datetime, list[Child]] = defaultdict(list)
    for child in children:
        if child.trigger is Trigger.SCHEDULED and child.slot > known.counted_until:
            slots[child.slot].append(child)
    row, until = known.in_a_row, known.counted_until
    for slot in sorted(slots):
        phases = {child.phase for child in slots[slot]}
        if not all(child.has_ended for child in slots[slot]):
            break
        row = 0 if "Succeeded" in phases else row + ("Failed" in phases)
        until = slot
    return Failures(in_a_row=row, counted_until=until)
