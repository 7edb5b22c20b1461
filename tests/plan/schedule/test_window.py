"""Which time a run is about."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.timing import Frequency, Window
from report_operator.plan.schedule import cron, frequency, window, zone
from report_operator.plan.schedule.slots import Slots


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def period(due: str, zone_name: str, *lines: str, every: Mapping[str, object] | None = None, **kind: str) -> list[str]:
    """Return start and end, in UTC, of the run that is due at a moment in UTC."""
    followed = Frequency.model_validate(every) if every else None
    parsed = [frequency.line(followed)] if followed else [cron.parse(line) for line in lines]
    slots = Slots(tuple(parsed), zone.zone(zone_name))
    found = window.period_of(utc(due), slots, followed, Window.model_validate(kind) if kind else None)
    return [time.strftime("%Y-%m-%d %H:%M") for time in (found.start, found.end)] if found else []


@pytest.mark.requirement("A4")
@pytest.mark.parametrize(
    ("due", "zone_name", "every", "expected"),
    [
        # Daily: the day before the run.
        ("2026-05-04 00:00", "UTC", {"every": "daily"}, ["2026-05-03 00:00", "2026-05-04 00:00"]),
        ("2026-05-04 23:59", "UTC", {"every": "daily"}, ["2026-05-03 00:00", "2026-05-04 00:00"]),
        ("2026-03-01 06:00", "UTC", {"every": "daily"}, ["2026-02-28 00:00", "2026-03-01 00:00"]),
        ("2026-05-04 04:00", "Europe/Berlin", {"every": "daily"}, ["2026-05-02 22:00", "2026-05-03 22:00"]),
        ("2026-05-04 03:00", "America/New_York", {"every": "daily"}, ["2026-05-02 04:00", "2026-05-03 04:00"]),
        # The day before was one of 23, or of 25 hours.
        ("2026-03-30 04:00", "Europe/Berlin", {"every": "daily"}, ["2026-03-28 23:00", "2026-03-29 22:00"]),
        ("2026-10-26 05:00", "Europe/Berlin", {"every": "daily"}, ["2026-10-24 22:00", "2026-10-25 23:00"]),
        # Midnight is left out, or comes twice; a whole day is left out.
        ("2018-11-05 12:00", "America/Sao_Paulo", {"every": "daily"}, ["2018-11-04 03:00", "2018-11-05 02:00"]),
        ("2026-11-02 12:00", "America/Havana", {"every": "daily"}, ["2026-11-01 04:00", "2026-11-02 05:00"]),
        ("2011-12-30 20:00", "Pacific/Apia", {"every": "daily"}, ["2011-12-29 10:00", "2011-12-30 10:00"]),
        # Weekly: the 7 days before the day of the run.
        ("2026-05-04 06:00", "UTC", {"every": "weekly"}, ["2026-04-27 00:00", "2026-05-04 00:00"]),
        ("2026-05-07 06:00", "UTC", {"every": "weekly"}, ["2026-04-30 00:00", "2026-05-07 00:00"]),
        ("2026-03-30 06:00", "Europe/Berlin", {"every": "weekly"}, ["2026-03-22 23:00", "2026-03-29 22:00"]),
        # Monthly: the calendar month before.
        ("2026-05-01 00:00", "UTC", {"every": "monthly"}, ["2026-04-01 00:00", "2026-05-01 00:00"]),
        ("2026-05-28 06:00", "UTC", {"every": "monthly"}, ["2026-04-01 00:00", "2026-05-01 00:00"]),
        ("2026-01-15 06:00", "UTC", {"every": "monthly"}, ["2025-12-01 00:00", "2026-01-01 00:00"]),
        ("2028-03-01 06:00", "UTC", {"every": "monthly"}, ["2028-02-01 00:00", "2028-03-01 00:00"]),
        ("2026-04-01 06:00", "Europe/Berlin", {"every": "monthly"}, ["2026-02-28 23:00", "2026-03-31 22:00"]),
    ],
)  # fmt: skip
def test_frequencies(due: str, zone_name: str, every: dict[str, object], expected: list[str]) -> None:
    assert period(due, zone_name, every=every) == expected


@pytest.mark.parametrize(
    ("due", "zone_name", "lines", "expected"),
    [
        ("2026-05-04 09:00", "UTC", ["0 9 * * MON-FRI"], ["2026-05-01 09:00", "2026-05-04 09:00"]),
        ("2026-05-04 09:00", "UTC", ["0 * * * *"], ["2026-05-04 08:00", "2026-05-04 09:00"]),
        ("2026-05-04 09:00", "UTC", ["0 9 * * *", "0 17 * * *"], ["2026-05-03 17:00", "2026-05-04 09:00"]),
        ("2026-05-04 09:10", "UTC", ["0 9 * * *"], ["2026-05-04 09:00", "2026-05-04 09:10"]),
        ("2026-03-30 07:00", "Europe/Berlin", ["0 9 * * *"], ["2026-03-29 07:00", "2026-03-30 07:00"]),
        ("2026-03-29 07:00", "Europe/Berlin", ["0 9 * * *"], ["2026-03-28 08:00", "2026-03-29 07:00"]),
        ("2026-10-25 02:00", "Europe/Berlin", ["*/30 * * * *"], ["2026-10-25 01:30", "2026-10-25 02:00"]),
        ("2028-02-29 00:00", "UTC", ["0 0 29 2 *"], ["2024-02-29 00:00", "2028-02-29 00:00"]),
        ("2026-05-04 09:00", "UTC", [], []),
    ],
)
def test_cron_lines_are_about_the_time_since_the_slot_before(
    due: str, zone_name: str, lines: list[str], expected: list[str]
) -> None:
    assert period(due, zone_name, *lines) == expected


@pytest.mark.parametrize(
    ("due", "zone_name", "kind", "expected"),
    [
        ("2026-05-04 09:00", "UTC", {"lookback": "36h"}, ["2026-05-02 21:00", "2026-05-04 09:00"]),
        ("2026-03-29 22:00", "Europe/Berlin", {"lookback": "24h"}, ["2026-03-28 22:00", "2026-03-29 22:00"]),
        ("2026-05-04 09:00", "UTC", {"previous": "day"}, ["2026-05-03 00:00", "2026-05-04 00:00"]),
        ("2026-05-04 09:00", "UTC", {"previous": "week"}, ["2026-04-27 00:00", "2026-05-04 00:00"]),
        ("2026-05-10 09:00", "UTC", {"previous": "week"}, ["2026-04-27 00:00", "2026-05-04 00:00"]),
        ("2026-01-01 09:00", "UTC", {"previous": "week"}, ["2025-12-22 00:00", "2025-12-29 00:00"]),
        ("2026-01-31 09:00", "UTC", {"previous": "month"}, ["2025-12-01 00:00", "2026-01-01 00:00"]),
        ("2026-05-31 09:00", "UTC", {"previous": "quarter"}, ["2026-01-01 00:00", "2026-04-01 00:00"]),
        ("2026-03-31 23:30", "Europe/Berlin", {"previous": "quarter"}, ["2025-12-31 23:00", "2026-03-31 22:00"]),
        ("2026-01-01 00:00", "UTC", {"previous": "quarter"}, ["2025-10-01 00:00", "2026-01-01 00:00"]),
        ("2026-12-31 09:00", "UTC", {"previous": "year"}, ["2025-01-01 00:00", "2026-01-01 00:00"]),
    ],
)  # fmt: skip
def test_windows(due: str, zone_name: str, kind: dict[str, Any], expected: list[str]) -> None:
    assert period(due, zone_name, "0 9 * * *", **kind) == expected
    assert period(due, zone_name, every={"every": "weekly"}, **kind) == expected


zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Beirut", "America/Sao_Paulo", "Australia/Lord_Howe"])
moments = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@pytest.mark.requirement("A4")
@given(zones, moments, st.sampled_from(["daily", "weekly", "monthly"]))
def test_periods_of_a_frequency_join_without_gap_or_overlap(zone_name: str, start: datetime, every: str) -> None:
    followed = Frequency.model_validate({"every": every, "time": "06:30", "dayOfMonth": 28})
    slots = Slots((frequency.line(followed),), zone.zone(zone_name))
    first = slots.next(start)
    second = slots.next(first) if first else None
    assert first
    assert second
    before, after = (window.period_of(due, slots, followed, None) for due in (first, second))
    assert before
    assert after
    assert before.start < before.end == after.start < after.end <= second


FRIDAYS = ["Fri 2026-05-01 09:05", "Fri 2026-05-08 09:05"]


@pytest.mark.requirement("A4", "A5", "A6", "A7")
@pytest.mark.parametrize(
    ("every", "zone_name", "expected"),
    [
        ({"every": "daily"}, "UTC", ["Fri 2026-05-01 00:00", "Sat 2026-05-02 00:00"]),
        ({"every": "daily", "time": "18:45"}, "UTC", ["Thu 2026-04-30 18:45", "Fri 2026-05-01 18:45"]),
        ({"every": "daily", "time": "18:45"}, "Europe/Berlin", ["Thu 2026-04-30 16:45", "Fri 2026-05-01 16:45"]),
        ({"every": "daily", "dayOfWeek": "friday"}, "UTC", ["Fri 2026-05-01 00:00", "Sat 2026-05-02 00:00"]),
        ({"every": "weekly"}, "UTC", ["Mon 2026-05-04 00:00", "Mon 2026-05-11 00:00"]),
        ({"every": "weekly", "dayOfWeek": "sunday"}, "UTC", ["Sun 2026-05-03 00:00", "Sun 2026-05-10 00:00"]),
        ({"every": "weekly", "dayOfWeek": "friday", "time": "09:05"}, "UTC", FRIDAYS),
        ({"every": "monthly"}, "UTC", ["Fri 2026-05-01 00:00", "Mon 2026-06-01 00:00"]),
        ({"every": "monthly", "dayOfMonth": 28}, "UTC", ["Thu 2026-05-28 00:00", "Sun 2026-06-28 00:00"]),
        ({"every": "monthly", "dayOfWeek": "friday"}, "UTC", ["Fri 2026-05-01 00:00", "Mon 2026-06-01 00:00"]),
    ],
)  # fmt: skip
def test_when_frequencies_are_due(every: dict[str, object], zone_name: str, expected: list[str]) -> None:
    slots = Slots((frequency.line(Frequency.model_validate(every)),), zone.zone(zone_name))
    first = slots.next(utc("2026-04-30 12:00"))
    second = slots.next(first) if first else None
    assert [slot.strftime("%a %Y-%m-%d %H:%M") for slot in (first, second) if slot] == expected


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.sampled_from(["day", "week", "month", "quarter", "year"]))
def test_previous_is_whole_and_ends_before_the_day(day: date, unit: str) -> None:
    first, end = window.previous(unit, day)
    assert first < end <= day
    assert window.previous(unit, end) == (first, end)
    if end < day:
        assert window.previous(unit, day - timedelta(days=1)) == (first, end)
