"""What to do about a ScheduledReport: facts in, decision out."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from report_operator.api.metadata import Trigger
from report_operator.api.schedule import CatchUpPolicy, ConcurrencyPolicy, ScheduledReportSpec
from report_operator.api.schedule_conditions import ScheduleConditionType, ScheduleReason, SlotReason
from report_operator.api.schedule_status import ScheduledReportStatus, Tally
from report_operator.plan.facts import Announcement
from report_operator.plan.schedule import applied, backlog, conclusion, failures, history, manual, status, tally
from report_operator.plan.schedule.applied import Following
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.draft import Draft
from report_operator.plan.schedule.due import Due, due
from report_operator.plan.schedule.facts import Decision, Facts

Fields = dict[str, Any]
"""Fields of the status by name."""

_NORMAL = frozenset({ScheduleReason.SCHEDULED, ScheduleReason.ON_DEMAND, ScheduleReason.SUSPENDED})
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def decide(facts: Facts) -> Decision:
    """Return what a ScheduledReport needs now. Pure: the same facts give the same decision.

    Slots since the last decision get their Reports, or are counted as missed or skipped; then come those that wait for
    their turn, and runs by hand. What is known of the Reports is in the status before one of them is deleted.
    """
    subject = facts.subject
    if subject.metadata.deletion_timestamp is not None:
        return Decision()  # Reports stay, or go with their owner.
    counted = failures.count(subject, facts.children, facts.now)
    concluded = conclusion.conclude(subject, counted)
    fields: Fields = {"failures": counted, **status.of_conclusion(subject, concluded, facts.now)}
    if subject.spec is None:
        known = subject.status.applied_schedule
        return _stalled(facts, fields | {"applied_schedule": known and known.model_copy(update={"paused": True})})
    following = applied.follow(subject, subject.spec, concluded.is_paused, facts.now)
    fields |= {"applied_schedule": following.applied, "missed": _missed_by_edit(facts, following)}
    if concluded.timing is None:
        return _stalled(facts, fields)
    draft = Draft.of(facts, subject.spec, concluded.timing)
    fields |= _run_slots(draft, following, fields["missed"]) if concluded.is_running else _rest(draft)
    fields |= {"last_handled_run_now": manual.run_now(draft), "skipped": draft.skipped}
    written = _write(facts, fields, draft.children.values())
    surplus = history.surplus(draft.children.values(), subject.spec.history, counted.counted_until)
    return Decision(
        creations=tuple(draft.creations),
        cancellations=tuple(dict.fromkeys(draft.cancellations)),
        status=written,
        ownership=history.ownership(facts.children, subject.spec.history),
        deletions=surplus,
        announcements=_announcements(subject.status, written) if written is not None else (),
        wake_at=fields["next_run_time"],
    )


def _run_slots(draft: Draft, following: Following, missed: Tally) -> Fields:
    """Start what is due, then what waits for its turn; return the fields of the status that follow from it."""
    facts, spec, timing, known = draft.facts, draft.spec, draft.timing, draft.facts.subject.status
    begun = {child.slot for child in facts.children if child.trigger is Trigger.SCHEDULED}
    found = due(timing, spec, following.anchor, facts.now, begun)
    in_turn = spec.catch_up.policy is CatchUpPolicy.ALL and spec.concurrency_policy is not ConcurrencyPolicy.ALLOW
    for slot in found.on_time if in_turn else (*found.late, *found.on_time):
        draft.start_slot(slot)
    missed = _missed_by_outage(missed, found, spec)
    waiting = known.catch_up if following.dropped is None else []
    waiting = sorted({*waiting, *found.late}) if in_turn else waiting
    missed = _missed_by_limit(missed, waiting[: -spec.catch_up.limit])
    horizon = facts.now - timing.delay
    applied_schedule = following.applied.model_copy(update={"decided_until": found.last} if found.last else {})
    next_slot = timing.slots.next(max(following.anchor, horizon))
    return {
        "applied_schedule": applied_schedule,
        "missed": missed,
        "catch_up": backlog.catch_up(draft, waiting[-spec.catch_up.limit :]),
        "backfill": backlog.backfill(draft, None if following.is_other else known.backfill, until=horizon),
        "next_run_time": next_slot + timing.delay if next_slot is not None else None,
        "next_period": timing.period_of(next_slot) if next_slot is not None else None,
    }


def _rest(draft: Draft) -> Fields:
    """Return those fields while no run starts by itself."""
    progress = draft.facts.subject.status.backfill if draft.spec.backfill is not None else None
    return {"catch_up": [], "backfill": progress, "next_run_time": None, "next_period": None}


def _stalled(facts: Facts, fields: Fields) -> Decision:
    """Return the decision while the schedule cannot be followed: Reports that are there go on."""
    fields |= {"catch_up": [], "next_run_time": None, "next_period": None}
    written = _write(facts, fields, facts.children)
    return Decision(
        status=written,
        announcements=_announcements(facts.subject.status, written) if written is not None else (),
    )


def _write(facts: Facts, fields: Fields, children: Iterable[Child]) -> ScheduledReportStatus | None:
    known = facts.subject.status
    new = known.model_copy(update=fields | status.of_runs(known, list(children)))
    return new if new != known else None


def _missed_by_edit(facts: Facts, following: Following) -> Tally:
    """Return the count of missed slots, with those that an edit or a suspension has overtaken."""
    known = facts.subject.status
    if following.dropped is None:
        return known.missed
    count = applied.missed_by_edit(following, facts.subject, facts.children) + len(known.catch_up)
    last = following.dropped[1]
    text = f"{_slots(count)} until {last:{_TIME}} had not been run when the schedule was edited or suspended."
    return tally.add(known.missed, count, SlotReason.EDITED, text, last)


def _missed_by_outage(missed: Tally, found: Due, spec: ScheduledReportSpec) -> Tally:
    if found.last_missed is None:
        return missed
    why = f"catchUp is {spec.catch_up.policy}"
    if found.reason is SlotReason.STARTING_DEADLINE_EXCEEDED:
        why = f"startingDeadline is {spec.starting_deadline}"
    text = f"{_slots(found.missed)} until {found.last_missed:{_TIME}} could not be run in time, and {why}."
    return tally.add(missed, found.missed, found.reason, text, found.last_missed)


def _missed_by_limit(missed: Tally, surplus: list[datetime]) -> Tally:
    if not surplus:
        return missed
    text = f"{_slots(len(surplus))} until {surplus[-1]:{_TIME}} gave way to later ones, by the limit of catchUp."
    return tally.add(missed, len(surplus), SlotReason.OPERATOR_UNAVAILABLE, text, surplus[-1])


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count} slots"


def _announcements(old: ScheduledReportStatus, new: ScheduledReportStatus) -> tuple[Announcement, ...]:
    """Return the Events about what has changed; none for Reports that are made, which would double the requests."""
    found = [
        Announcement("Warning", after.reason, after.message or "")
        for before, after in ((old.missed, new.missed), (old.skipped, new.skipped))
        if after.reason is not None and after.count > before.count
    ]
    was, is_ = (next((c for c in s.conditions if c.type == ScheduleConditionType.READY), None) for s in (old, new))
    if is_ is not None and is_.reason not in _NORMAL and (was is None or was.reason != is_.reason):
        found.append(Announcement("Warning", is_.reason, is_.message))
    if is_ is not None and is_.reason in _NORMAL and was is not None and was.reason != is_.reason:
        found.append(Announcement("Normal", is_.reason, is_.message))
    return tuple(found)
