"""How many slots in a row have failed, counted once each although Reports come and go."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from report_operator.api.metadata import Trigger
from report_operator.api.schedule_status import Failures
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.subject import Subject


def count(subject: Subject, children: Collection[Child], now: datetime) -> Failures:
    """Return the count, gone on with from the status.

    Slots are counted in order, when all their Reports have ended: one that succeeded ends the row, though not that of
    slots with failures, of which owners are told; a schedule does not stop for one of its variants. One that ends after
    a later one is not counted: a run without an end keeps nothing from being told. An edit forgives what has ended
    before, and so does a run by hand that succeeded.
    """
    known = subject.status.failures or Failures(counted_until=subject.created_at(now))
    forgiven = _forgiven_until(subject, children, now)
    row, failing = (known.in_a_row, max(known.in_a_row, known.with_failures)) if forgiven is None else (0, 0)
    until = known.counted_until
    for slot, runs in sorted(_by_slot(children).items()):
        if slot <= until or not all(run.has_ended for run in runs):
            continue
        phases, until = {run.phase for run in runs}, slot
        has_succeeded = "Succeeded" in phases
        has_failed = "Failed" in phases and (forgiven is None or _end(runs) > forgiven)
        row = 0 if has_succeeded else row + has_failed
        failing = failing + 1 if has_failed else 0 if has_succeeded else failing
    return Failures(in_a_row=row, with_failures=failing, counted_until=until)


def _forgiven_until(subject: Subject, children: Iterable[Child], now: datetime) -> datetime | None:
    """Return until when failures are forgiven by what the status does not know of yet; None by nothing."""
    told = subject.status.last_successful_time
    by_hand = (c.completed_at for c in children if c.trigger is Trigger.MANUAL and c.phase == "Succeeded")
    times = [time for time in by_hand if time is not None and (told is None or time > told)]
    return max([*times, *([subject.edited_by(now)] if subject.is_edited else [])], default=None)


def _by_slot(children: Iterable[Child]) -> Mapping[datetime, list[Child]]:
    slots: defaultdict[datetime, list[Child]] = defaultdict(list)
    for child in children:
        if child.trigger is Trigger.SCHEDULED:
            slots[child.slot].append(child)
    return slots


def _end(runs: Iterable[Child]) -> datetime:
    return max(run.completed_at or run.created_at for run in runs)
