"""Cron lines as Kubernetes' CronJob reads them (github.com/robfig/cron v3, standard parser).

croniter expands the fields. Which days a line matches is decided here: robfig takes day-of-month and day-of-week, both
restricted, as either, and only `*` and `?` with a step of 1 as unrestricted, so that `1-31` and `*/2` restrict.
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from croniter import croniter

from report_operator.api.timing import CRON_LINE
from report_operator.plan.schedule.errors import ScheduleError

_LINE = re.compile(CRON_LINE)
_SINGLE = re.compile(r"\b(\d+)-\1\b(/\d+)?")
"""A range of one value, which croniter 7.0.0 reads as the whole field."""
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERS = dict(zip(_MONTHS, range(1, 13), strict=True)) | dict(zip(_WEEKDAYS, range(7), strict=True))
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, eq=False)
class CronLine:
    """A line whose fields are expanded; told apart by identity, which `parse` keeps for recent lines."""

    seconds: tuple[int, ...]
    """Times of day in seconds after midnight by the clock, in order."""
    days: frozenset[int] | None
    """Days of the month; None when not restricted."""
    months: frozenset[int]
    """1 to 12."""
    weekdays: frozenset[int] | None
    """0 (Sunday) to 6; None when not restricted."""
    is_interval: bool
    """Whether it runs at each time that the clock shows, instead of once at a fixed time when clocks change.

    As in Vixie cron (cron.c, MIN_STAR and HR_STAR) that is a line with a star in minute or hour; and here also one with
    a step without an end, such as `5/15`, which robfig reads as `5-59/15`.
    """

    def matches(self, day: date) -> bool:
        """Return whether it runs on a day."""
        if day.month not in self.months:
            return False
        if self.days is None:
            return self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        if self.weekdays is None:
            return day.day in self.days
        return day.day in self.days or day.isoweekday() % 7 in self.weekdays


@lru_cache(maxsize=1024)
def parse(line: str) -> CronLine:
    """Read a line; raises ScheduleError when it cannot be read, or never fires."""
    if not _LINE.match(line):
        raise ScheduleError(f"spec.schedule: {line} is not a cron line: write five fields, such as 0 9 * * MON-FRI")
    text = re.sub("[a-z]+", lambda name: str(_NUMBERS[name[0]]), _NAMED.get(line, line).lower()).replace("?", "*")
    fields = text.split()
    for name, field in zip(_FIELDS, fields, strict=True):
        if any(_is_backward(item) for item in field.split(",")):
            raise ScheduleError(f"spec.schedule: {line} has a range in {name} that runs backwards: write two ranges")
    minutes, hours, days, months, weekdays = (_expand(index, field) for index, field in enumerate(fields))
    any_day, any_weekday = _is_unrestricted(fields[2]), _is_unrestricted(fields[4])
    if any_weekday and not any(day <= _LONGEST_MONTH[month - 1] for day in days for month in months):
        raise ScheduleError(f"spec.schedule: {line} never fires: write days that the month has")
    return CronLine(
        seconds=tuple(hour * 3600 + minute * 60 for hour in sorted(hours) for minute in sorted(minutes)),
        days=None if any_day else days,
        months=months,
        weekdays=None if any_weekday else weekdays,
        is_interval=any(_is_open(item) for field in fields[:2] for item in field.split(",")),
    )


@lru_cache(maxsize=1024)
def _expand(index: int, field: str) -> frozenset[int]:
    """Return the values of a field, which is written in numbers and stars."""
    low, high = _LIMITS[index]
    safe = _SINGLE.sub(r"\1", field)
    alone = [safe if place == index else "*" for place in range(len(_FIELDS))]
    expanded = croniter.expand(" ".join(alone))[0][index]
    return frozenset(range(low, high + 1)) if "*" in expanded else frozenset(expanded)


def _is_backward(item: str) -> bool:
    start, dash, end = item.partition("/")[0].partition("-")
    return bool(dash) and int(start) > int(end)


def _is_unrestricted(field: str) -> bool:
    """Return whether a field of days restricts nothing (robfig's starBit)."""
    return any(item in ("*", "*/1") for item in field.split(","))


def _is_open(item: str) -> bool:
    """Return whether an item of minute or hour runs on until the field's end."""
    return item.startswith("*") or ("/" in item and "-" not in item)
