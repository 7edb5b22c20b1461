"""The period of a run: the time that its Report is about."""

from datetime import UTC, date, datetime, timedelta

from report_operator.api.fields import parse_duration
from report_operator.api.report import Period
from report_operator.api.timing import Frequency, Window
from report_operator.plan.schedule import frequency as frequencies
from report_operator.plan.schedule.slots import Slots
from report_operator.plan.schedule.zone import midnight, wall

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def period_of(due: datetime, slots: Slots, frequency: Frequency | None, window: Window | None) -> Period | None:
    """Return the period, in UTC, of a run that is due at a slot, or at the moment that it is asked for by hand.

    In this order: the window that is set; what the frequency means; the time since the slot before. None when there is
    nothing to tell it by.
    """
    if window is not None and window.lookback is not None:
        return Period(start=due - parse_duration(window.lookback), end=due)
    today = wall(due, slots.zone).date()
    if window is not None and window.previous is not None:
        return _whole_days(*previous(window.previous, today), slots)
    if frequency is not None:
        return _whole_days(*frequencies.covered_days(frequency.every, today), slots)
    before = slots.previous(due)
    return Period(start=before, end=due.astimezone(UTC)) if before is not None else None


def previous(unit: str, day: date) -> tuple[date, date]:
    """Return the first day of the last whole calendar unit before the one that `day` is in, and the day after its end.

    Units: day, week (from Monday, ISO 8601), month, quarter, year.
    """
    if unit == "day":
        return day - timedelta(days=1), day
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        return monday - timedelta(days=7), monday
    months = _MONTHS[unit]
    end = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return _months_before(end, months), end


def _months_before(first: date, months: int) -> date:
    count = first.year * 12 + first.month - 1 - months
    return first.replace(year=count // 12, month=count % 12 + 1)


def _whole_days(first: date, end: date, slots: Slots) -> Period:
    """Return the time from midnight to midnight, and further back where the clocks left out the whole of it."""
    while (start := midnight(first, slots.zone)) == (stop := midnight(end, slots.zone)):
        first -= timedelta(days=1)  # Apia had no 2011-12-30
    return Period(start=start, end=stop)
