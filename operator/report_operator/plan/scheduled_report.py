"""What to do about a ScheduledReport: facts in, decision out."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from report_operator.api.conditions import Reason
from report_operator.api.metadata import Trigger
from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_conditions import ScheduleConditionType, ScheduleReason, SlotReason
from report_operator.api.schedule_status import ScheduledReportStatus, Tally
from report_operator.plan.facts import Announcement
from report_operator.plan.schedule import (
    applied,
    backlog,
    conclusion,
    failures,
    history,
    manual,
    notice,
    preflight,
    status,
    tally,
    trial,
)
from report_operator.plan.schedule.applied import Following
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.conclusion import Conclusion
from report_operator.plan.schedule.draft import Draft
from report_operator.plan.schedule.due import Due, due
from report_operator.plan.schedule.facts import Decision, Facts, Ownership
from report_operator.plan.schedule.hold import hold_of
from report_operator.plan.schedule.preflight import Look

Fields = dict[str, Any]
"""Fields of the status by name."""

_RESTING: Fields = {"next_run_time": None, "next_period": None}
"""While no run starts by itself."""
_NORMAL = frozenset(
    {ScheduleReason.SCHEDULED, ScheduleReason.ON_DEMAND, ScheduleReason.SUSPENDED, ScheduleReason.PROBING}
)
_HELD = {
    SlotReason.PROBING: "fell within a probe of the destinations",
    SlotReason.EDITED: "had not been run when jitter was edited",
}
"""What became of slots that a hold kept from being run."""
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def decide(facts: Facts) -> Decision:
    """Return what a ScheduledReport needs now. Pure: the same facts give the same decision.

    Slots since the last decision get their Reports, or are counted as missed or skipped; then come those that wait for
    their turn, and runs by hand; then notices to owners. Reports of notices and of tests are no runs of the schedule.
    What is known of the Reports is in the status before one of them is deleted.
    """
    if facts.subject.metadata.deletion_timestamp is not None:
        return Decision()  # Reports stay, or go with their owner.
    notices = tuple(child for child in facts.children if child.trigger is Trigger.NOTICE)
    tests = tuple(child for child in facts.children if child.trigger is Trigger.TEST)
    runs = tuple(child for child in facts.children if child.trigger not in (Trigger.NOTICE, Trigger.TEST))
    decided = _with_notices(_decide(replace(facts, children=runs)), facts, runs, notices)
    surplus = trial.surplus(tests, (decided.status or facts.subject.status).test_send)
    spec = facts.subject.spec
    ownership = history.ownership(facts.children, spec.history) if spec is not None else Ownership()
    return replace(decided, ownership=ownership, deletions=(*decided.deletions, *surplus))


def _decide(facts: Facts) -> Decision:
    """Return what the runs of a ScheduledReport need."""
    subject = facts.subject
    counted = failures.count(subject, facts.children, facts.now)
    concluded = conclusion.conclude(subject, counted, facts.rules)
    looked = _preflight(facts, concluded)
    concluded = looked.conclusion or concluded
    fields: Fields = {"failures": counted, "preflight": looked.probed}
    fields |= status.of_conclusion(subject, concluded, facts.now)
    if subject.spec is None:
        given_up = applied.give_up(subject, facts.now)
        fields |= _followed(facts, given_up) if given_up is not None else {}
        return _decision(facts, None, fields | _RESTING | {"test_send": trial.refuse(facts, concluded)})
    following = applied.follow(subject, subject.spec, concluded.is_paused, facts.now)
    fields |= _followed(facts, following)
    if concluded.timing is None:
        resting = _decision(facts, None, fields | _RESTING | {"test_send": trial.refuse(facts, concluded)})
        return replace(resting, probe=looked.probe, wake_at=looked.wake_at)
    draft = Draft.of(facts, subject.spec, concluded.timing)
    if concluded.is_running:
        fields |= _run_slots(draft, following, fields)
    else:
        fields |= _RESTING | {"backfill": subject.status.backfill if subject.spec.backfill is not None else None}
    fields |= {"last_handled_run_now": manual.run_now(draft), "skipped": draft.skipped, "test_send": trial.run(draft)}
    return _decision(facts, draft, fields)


def _preflight(facts: Facts, concluded: Conclusion) -> Look:
    """Return what is known of the destinations; nothing is sent while a schedule is suspended or refused."""
    spec = facts.subject.spec
    if spec is None or not concluded.is_accepted or concluded.reason is ScheduleReason.SUSPENDED:
        return Look(preflight.lasting(facts.subject.status.preflight))
    return preflight.look(facts, spec)


def _decision(facts: Facts, draft: Draft | None, fields: Fields) -> Decision:
    """Return the decision whose status has these fields, with what follows for Reports that are there."""
    known, spec = facts.subject.status, facts.subject.spec
    children = list(draft.children.values()) if draft is not None else list(facts.children)
    new = known.model_copy(update=fields | status.of_runs(known, children))
    times = [fields["next_run_time"], draft.wake_at if draft is not None else None]
    return Decision(
        creations=tuple(draft.creations) if draft is not None else (),
        cancellations=tuple(dict.fromkeys(draft.cancellations)) if draft is not None else (),
        status=new if new != known else None,
        deletions=history.surplus(children, spec.history, fields["failures"].counted_until) if spec is not None else (),
        announcements=_announcements(known, new),
        wake_at=min((time for time in times if time is not None), default=None),
    )


def _with_notices(decision: Decision, facts: Facts, runs: tuple[Child, ...], notices: tuple[Child, ...]) -> Decision:
    """Return the decision with what owners are to be told now; a notice that is refused is not tried again."""
    subject, status = facts.subject, decision.status or facts.subject.status
    if subject.spec is None or status.failures is None:
        return decision
    telling = notice.tell(subject, subject.spec, status.failures, runs, facts.now)
    new = status.model_copy(update={"notices": telling.notices})
    times = [time for time in (decision.wake_at, telling.wake_at) if time is not None]
    whole = replace(
        decision,
        status=new if new != subject.status else None,
        deletions=(*decision.deletions, *notice.surplus(notices)),
        wake_at=min(times, default=None),
    )
    if telling.notice is None:
        return whole
    name = notice.name(subject, telling.notice)
    if name in facts.refusals:
        text = f"The API server refuses the notice {name}: {facts.refusals[name]}"
        told = Announcement("Warning", ScheduleReason.NOTICE_REFUSED, text)
        return replace(whole, announcements=(*decision.announcements, told))
    if name in {child.name for child in notices}:
        return whole
    creation = notice.manifest(subject, subject.spec, telling.notice, facts.rules.policy)
    return replace(whole, creations=(*decision.creations, creation))


def _followed(facts: Facts, following: Following) -> Fields:
    """Return the fields of the status before anything is started: slots of an outage wait on, or are missed."""
    waiting = facts.subject.status.catch_up if following.dropped is None else []
    missed = _missed_by_edit(facts, following)
    return {"applied_schedule": following.applied, "missed": missed, "catch_up": waiting}


def _run_slots(draft: Draft, following: Following, followed: Fields) -> Fields:
    """Start what is due, then what waits for its turn; return the fields of the status that follow from it."""
    facts, spec, timing = draft.facts, draft.spec, draft.timing
    begun = _begun(facts)
    hold = hold_of(facts.subject, timing, following.anchor, facts.now)
    found = due(timing, spec, following.anchor, facts.now, begun, hold=hold)
    horizon = facts.now - timing.delay
    waited = backlog.still_due(spec, followed["catch_up"], horizon, begun)
    line = backlog.line(draft, waited.late, found, begun)
    for slot in sorted({*found.late, *found.on_time}.difference(line)):
        draft.start_slot(slot)
    waiting = backlog.catch_up(draft, line, begun)
    surplus = waiting[: -spec.catch_up.limit]
    missed = _missed_by_outage(_missed_by_outage(followed["missed"], waited, spec), found, spec)
    applied_schedule = following.applied.model_copy(update={"decided_until": found.last} if found.last else {})
    next_slot = timing.slots.next(max(following.anchor, horizon))
    return {
        "applied_schedule": applied_schedule,
        "missed": _missed_by_limit(missed, surplus),
        "catch_up": waiting[len(surplus) :],
        "backfill": backlog.backfill(draft, horizon, is_other=following.is_other),
        "next_run_time": next_slot + timing.delay if next_slot is not None else None,
        "next_period": timing.period_of(next_slot) if next_slot is not None else None,
    }


def _begun(facts: Facts) -> set[datetime]:
    """Return the slots that have some of their Reports: they get the others, whatever crashed in between."""
    return {child.slot for child in facts.children if child.trigger is Trigger.SCHEDULED}


def _missed_by_edit(facts: Facts, following: Following) -> Tally:
    """Return the count of missed slots, with those that an edit or a suspension has overtaken."""
    known = facts.subject.status
    if following.dropped is None:
        return known.missed
    begun = _begun(facts)
    count = applied.missed_by_edit(following, facts.subject, begun) + len(set(known.catch_up) - begun)
    last = following.dropped[1]
    text = f"{_slots(count)} until {last:{_TIME}} had not been run when the schedule was edited, suspended or refused."
    return tally.add(known.missed, count, SlotReason.EDITED, text, last)


def _missed_by_outage(missed: Tally, found: Due, spec: ScheduledReportSpec) -> Tally:
    if found.last_missed is None:
        return missed
    what, why = "could not be run in time", f"catchUp is {spec.catch_up.policy}"
    if found.reason is SlotReason.STARTING_DEADLINE_EXCEEDED:
        why = f"startingDeadline is {spec.starting_deadline}"
    elif found.reason in _HELD:
        what, why = _HELD[found.reason], f"catchUp.limit is {spec.catch_up.limit}"
    text = f"{_slots(found.missed)} until {found.last_missed:{_TIME}} {what}, and {why}."
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
    if _refused_backfill(new) and not _refused_backfill(old):
        found.append(Announcement("Warning", SlotReason.REPORT_REFUSED, _refused_backfill(new)))
    if new.test_send is not None and new.test_send != old.test_send and new.test_send.message is not None:
        found.append(Announcement("Warning", Reason.TEST_REFUSED, new.test_send.message))
    was, is_ = (next((c for c in s.conditions if c.type == ScheduleConditionType.READY), None) for s in (old, new))
    if is_ is not None and is_.reason not in _NORMAL and (was is None or was.reason != is_.reason):
        found.append(Announcement("Warning", is_.reason, is_.message))
    if is_ is not None and is_.reason in _NORMAL and was is not None and was.reason != is_.reason:
        found.append(Announcement("Normal", is_.reason, is_.message))
    return tuple(found)


def _refused_backfill(status: ScheduledReportStatus) -> str:
    """Return what the API server says to the next slot of a backfill; empty when it has not refused it."""
    progress = status.backfill
    return (progress.message or "") if progress is not None and progress.next_slot is not None else ""
