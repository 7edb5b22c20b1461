"""Frequencies: every day, week or month at a fixed time, about the time before."""

from datetime import date, timedelta

from report_operator.api.timing import Every, Frequency, Weekday
from report_operator.plan.schedule import cron
from report_operator.plan.schedule.cron import CronLine

_CRON_DAYS = {day: (number + 1) % 7 for number, day in enumerate(Weekday)}
"""Cron counts from Sunday."""


def line(frequency: Frequency) -> CronLine:
    """Return the cron line that is due when the frequency is; raises ScheduleError when its time cannot be read."""
    hour, _, minute = frequency.time.partition(":")
    days = {
        Every.DAILY: "* * *",
        Every.WEEKLY: f"* * {_CRON_DAYS[frequency.day_of_week]}",
        Every.MONTHLY: f"{frequency.day_of_month} * *",
    }
    return cron.parse(f"{minute} {hour} {days[frequency.every]}")


def covered_days(every: Every, day: date) -> tuple[date, date]:
    """Return the first day that a run on `day` is about, and the day after the last.

    Daily the day before the run, weekly the 7 days before the day of the run, monthly the calendar month before.
    """
    if every is Every.DAILY:
        return day - timedelta(days=1), day
    if every is Every.WEEKLY:
        return day - timedelta(days=7), day
    this_month = day.replace(day=1)
    return (this_month - timedelta(days=1)).replace(day=1), this_month


def words(frequency: Frequency) -> str:
    """Return the frequency in words: `weekly on monday at 06:00`."""
    day = {
        Every.DAILY: "",
        Every.WEEKLY: f" on {frequency.day_of_week}",
        Every.MONTHLY: f" on day {frequency.day_of_month}",
    }
    return f"{frequency.every}{day[frequency.every]} at {frequency.time}"
