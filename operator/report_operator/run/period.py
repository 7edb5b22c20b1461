"""A period as people read it."""

from datetime import datetime, timedelta

from report_operator.api.report import Period
from report_operator.run.values import DASH

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def written(period: Period) -> str:
    """Return a period in words, its end included: `May 2026`, `2013`, `4 - 10 May 2026`, with an en dash.

    Whole days are days of the zone that the period is written in; anything finer is written to the minute.
    """
    start, end = period.start, period.end
    if not (_is_midnight(start) and _is_midnight(end)):
        return f"{_minute(start)} {DASH} {_minute(end)}"
    last = end - timedelta(days=1)
    if start.day == 1 and end.day == 1:
        return _months(start, last)
    if start.date() == last.date():
        return _day(start)
    if (start.year, start.month) == (last.year, last.month):
        return f"{start.day} {DASH} {_day(last)}"
    if start.year == last.year:
        return f"{start.day} {_month(start)} {DASH} {_day(last)}"
    return f"{_day(start)} {DASH} {_day(last)}"


def _months(start: datetime, last: datetime) -> str:
    """Return a period of whole months."""
    if start.month == 1 and last.month == len(_MONTHS):
        return f"{start.year}" if start.year == last.year else f"{start.year} {DASH} {last.year}"
    if (start.year, start.month) == (last.year, last.month):
        return f"{_month(start)} {start.year}"
    if start.year == last.year:
        return f"{_month(start)} {DASH} {_month(last)} {last.year}"
    return f"{_month(start)} {start.year} {DASH} {_month(last)} {last.year}"


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)


def _month(moment: datetime) -> str:
    return _MONTHS[moment.month - 1]


def _day(moment: datetime) -> str:
    return f"{moment.day} {_month(moment)} {moment.year}"


def _minute(moment: datetime) -> str:
    zone = "UTC" if not moment.utcoffset() else moment.strftime("UTC%z")
    return f"{_day(moment)}, {moment:%H:%M} {zone}"
