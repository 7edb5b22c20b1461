"""When a ScheduledReport runs, and which time each run is about."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from report_operator.api.fields import INT32, Duration, Model, Rule, between, exactly_one, rules

_STEP = "(/[1-9][0-9]{0,2})?"


def _cron_field(value: str) -> str:
    item = f"([*?]|{value}(-{value})?){_STEP}"
    return f"{item}(,{item})*"


CRON_LINE = (
    "^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|"
    + " +".join(
        _cron_field(value)
        for value in (
            "[0-5]?[0-9]",
            "([01]?[0-9]|2[0-3])",
            "(0?[1-9]|[12][0-9]|3[01])",
            "(0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))",
            "([0-6]|(?i:sun|mon|tue|wed|thu|fri|sat))",
        )
    )
    + ")$"
)
"""The lines that Kubernetes' CronJob reads (github.com/robfig/cron v3, standard parser), without `@every`.

In the common part of RE2 and Python. It cannot tell that a range runs backwards.
"""

CronLine = Annotated[
    str,
    Field(min_length=1, max_length=120),
    Rule(
        rule="!self.contains('TZ=')",
        message="TZ= and CRON_TZ= are not read: set spec.timeZone",
    ),
    Rule(
        rule=f"self.contains('TZ=') || self.matches(r'{CRON_LINE}')",
        message="must be a cron line: minute hour day-of-month month day-of-week, such as 0 9 * * MON-FRI, or @daily",
        expression=(
            "self + (self.startsWith('@every') ? ' has no fixed times: write a line such as */30 * * * *'"
            " : ' is not a cron line: write minute hour day-of-month month day-of-week (0 is Sunday),"
            " such as 0 9 * * MON-FRI, or one of @hourly, @daily, @weekly, @monthly, @yearly')"
        ),
    ),
]
"""Five cron fields, or one of the names that Kubernetes' CronJob knows."""

ZoneName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")]
"""Name of an IANA time zone, such as Europe/Berlin."""


class Every(StrEnum):
    """How often a frequency runs."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Weekday(StrEnum):
    """Days of the week, from Monday."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Frequency(Model):
    """Runs every day, week or month.

    The period is, for daily, the day before the run; for weekly, the 7 days before the day of the run; for monthly, the
    calendar month before.
    """

    every: Every
    """How often."""
    day_of_week: Weekday = Weekday.MONDAY
    """With weekly: the day; else ignored."""
    day_of_month: Annotated[
        int,
        INT32,
        Rule(
            rule="self >= 1 && self <= 28",
            message="must be 1 to 28: use 28 for the end of the month, later days are not in every month",
        ),
    ] = 1
    """With monthly: the day, 1 to 28; else ignored."""
    time: Annotated[
        str,
        Field(max_length=16),
        Rule(
            rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",
            message="must be a time of day: write HH:MM, from 00:00 to 23:59",
            expression="self + ' is not a time of day: write HH:MM, from 00:00 to 23:59'",
        ),
    ] = "00:00"
    """Time of day in the schedule's time zone, HH:MM."""


class Window(Model):
    """Which time a run is about, counted back from the time that the run is due; exactly one kind."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("lookback", "previous")))

    lookback: Annotated[Duration, between("1m", "87840h")] | None = None
    """So long before the run until the run, 1m to 87840h. Days of 23 or 25 hours are not evened out."""
    previous: Literal["day", "week", "month", "quarter", "year"] | None = None
    """The last whole calendar day, week (from Monday), month, quarter or year before the run, from midnight to midnight
    in the schedule's time zone."""
