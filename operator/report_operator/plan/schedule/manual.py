"""Runs that are asked for by hand: a new value of an annotation, echoed in the status when it was followed.

The token names the Reports, so that asking once runs once, whatever crashes in between.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from report_operator.api.fields import EARLIEST, END, IN_BOUNDS
from report_operator.api.metadata import RUN_NOW_ANNOTATION, RUN_PERIOD_ANNOTATION, Trigger
from report_operator.api.report import Period
from report_operator.api.schedule_conditions import SlotReason
from report_operator.plan.schedule.draft import Draft, active_variants
from report_operator.plan.schedule.zone import first_instant

TOKEN = 1024
"""Characters of an annotation that count and are echoed."""


def run_now(draft: Draft) -> str | None:
    """Start the run that is asked for, unless the status says that it was; return the token for the status.

    It starts whatever else runs, also while the schedule is suspended. Without a period of its own it is about the time
    that a slot at this moment would be about.
    """
    subject = draft.facts.subject
    token = subject.annotations.get(RUN_NOW_ANNOTATION, "")[:TOKEN]
    if not token or token == subject.status.last_handled_run_now:
        return subject.status.last_handled_run_now
    if not active_variants(draft.spec):
        draft.skip(SlotReason.VARIANTS_SUSPENDED, "A run was asked for, but every variant is suspended.", draft.now)
        return token
    siblings = [child for child in draft.children.values() if child.token == token]
    asked = min((child.slot for child in siblings), default=draft.now)
    written = subject.annotations.get(RUN_PERIOD_ANNOTATION, "")
    try:
        period = read_period(written, draft.timing.slots.zone) if written else draft.timing.period_of(asked)
    except ValueError as error:
        draft.skip(SlotReason.INVALID_RUN_PERIOD, f"Annotation {RUN_PERIOD_ANNOTATION}: {error}", asked)
        return token
    draft.start(draft.runs(Trigger.MANUAL, asked, token), period)
    return token


def read_period(text: str, zone: ZoneInfo) -> Period:
    """Return the period that `<start>/<end>` means: RFC 3339 times, or dates, which are midnights of the zone.

    Raises ValueError, with the value and the way out.
    """
    start, _, end = text.partition("/")
    try:
        period = Period(start=_instant(start, zone), end=_instant(end, zone))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text} is not a period: write 2026-05-01/2026-05-08, or two RFC 3339 times") from error
    if not (period.start >= EARLIEST and period.end < END):
        raise ValueError(f"{text} is not a period: start and end {IN_BOUNDS}")
    if period.start >= period.end:
        raise ValueError(f"{text} is not a period: the end must be after the start")
    return period


def _instant(text: str, zone: ZoneInfo) -> datetime:
    if len(text) == len("2026-05-01"):
        return first_instant(datetime.combine(date.fromisoformat(text), datetime.min.time()), zone)
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no zone")
    return time
