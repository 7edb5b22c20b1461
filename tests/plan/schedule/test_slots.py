"""Slots on days when clocks change, against a search through every minute."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.plan.schedule import cron
from report_operator.plan.schedule.slots import Slots

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots_of(zone: str, *lines: str) -> Slots:
    return Slots(tuple(cron.parse(line) for line in lines), ZoneInfo(zone))


def due(slots: Slots, day: str, days: int = 1) -> list[str]:
    """Return what the clocks show, with offset, at the slots on so many days by the clock from this one."""
    start = datetime.fromisoformat(day).replace(tzinfo=slots.zone)
    end = (datetime.fromisoformat(day) + days * DAY).replace(tzinfo=slots.zone)
    found = takewhile(lambda slot: slot < end, slots.after(start - timedelta.resolution))
    return [slot.astimezone(slots.zone).strftime("%d %H:%M%z") for slot in found]


BERLIN_TWICE = ["25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100"]
LORD_HOWE_TWICE = ["05 01:00+1100", "05 01:20+1100", "05 01:40+1100", "05 01:40+1030"]


@pytest.mark.requirement("N5", "A7")
@pytest.mark.parametrize(
    ("zone", "line", "day", "days", "expected"),
    [
        # Fixed times: once on both change days.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28", 3, ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("Europe/Berlin", "0 2,3 * * *", "2026-03-29", 1, ["29 03:00+0200"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24", 3, ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
        ("Europe/Berlin", "0 3 * * *", "2026-10-25", 1, ["25 03:00+0100"]),
        ("America/New_York", "15 2 * * *", "2026-03-08", 2, ["08 03:00-0400", "09 02:15-0400"]),
        ("America/New_York", "30 1 * * *", "2026-11-01", 2, ["01 01:30-0400", "02 01:30-0500"]),
        ("Australia/Lord_Howe", "10 2 * * *", "2026-10-04", 2, ["04 02:30+1100", "05 02:10+1100"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", 2, ["05 01:45+1100", "06 01:45+1030"]),
        ("America/Sao_Paulo", "@daily", "2018-11-03", 3, ["03 00:00-0300", "04 01:00-0200", "05 00:00-0200"]),
        ("America/Sao_Paulo", "30 23 * * *", "2018-02-17", 2, ["17 23:30-0200", "18 23:30-0300"]),
        ("Asia/Beirut", "0 0 * * *", "2026-03-28", 3, ["28 00:00+0200", "29 01:00+0300", "30 00:00+0300"]),
        ("Asia/Beirut", "0 0 * * *", "2026-10-24", 3, ["24 00:00+0300", "25 00:00+0200", "26 00:00+0200"]),
        ("Africa/Cairo", "0 0 * * *", "2024-04-25", 3, ["25 00:00+0200", "26 01:00+0300", "27 00:00+0300"]),
        ("Africa/Cairo", "30 23 * * *", "2024-10-31", 2, ["31 23:30+0300", "01 23:30+0200"]),
        ("Pacific/Apia", "0 9 * * *", "2011-12-29", 3, ["29 09:00-1000", "31 00:00+1400", "31 09:00+1400"]),
        ("UTC", "30 2 * * *", "2026-03-28", 3, ["28 02:30+0000", "29 02:30+0000", "30 02:30+0000"]),
        # Intervals: each moment at which the clock shows it.
        ("Europe/Berlin", "*/30 2 * * *", "2026-03-29", 1, []),
        ("Europe/Berlin", "*/30 2 * * *", "2026-10-25", 1, BERLIN_TWICE),
        ("Australia/Lord_Howe", "*/20 1 * * *", "2026-04-05", 1, LORD_HOWE_TWICE),
        ("Asia/Beirut", "0 */23 * * *", "2026-10-24", 1, ["24 00:00+0300", "24 23:00+0300", "24 23:00+0200"]),
        ("Pacific/Apia", "0 */23 * * *", "2011-12-30", 2, ["31 00:00+1400", "31 23:00+1400"]),
        # Month ends and leap days.
        ("UTC", "0 0 31 * *", "2026-01-01", 120, ["31 00:00+0000", "31 00:00+0000"]),
        ("UTC", "0 12 29 2 *", "2027-01-01", 730, ["29 12:00+0000"]),
        ("Europe/Berlin", "59 23 28-31 2 *", "2028-02-01", 40, ["28 23:59+0100", "29 23:59+0100"]),
    ],
)  # fmt: skip
def test_slots(zone: str, line: str, day: str, days: int, expected: list[str]) -> None:
    assert due(slots_of(zone, line), day, days) == expected


def test_an_interval_of_half_an_hour_has_46_48_and_50_slots_a_day() -> None:
    slots = slots_of("Europe/Berlin", "*/30 * * * *")
    assert [len(due(slots, day)) for day in ("2026-03-29", "2026-06-01", "2026-10-25")] == [46, 48, 50]


@pytest.mark.requirement("D4")
def test_lines_that_meet_are_one_slot() -> None:
    slots = slots_of("UTC", "0 9 * * *", "0 * * * MON", "0 9,17 1 * *")
    assert due(slots, "2026-06-01")[9] == "01 09:00+0000"  # a Monday, and the first of a month
    assert len(due(slots, "2026-06-01")) == 24


CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Sao_Paulo", "2018-02-17"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Havana", "2026-11-01"),
    ("America/St_Johns", "2010-03-14"),  # at 00:01
    ("America/St_Johns", "2010-11-07"),  # at 00:01, back into the day before
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("Africa/Cairo", "2024-04-26"),
    ("Africa/Cairo", "2024-10-31"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2026-06-01"),
    ("UTC", "2026-02-28"),
]


@cache
def clock(zone: str, day: str) -> list[tuple[datetime, datetime]]:
    """Return each minute of three days on both sides of a day, with what the clocks show."""
    start = utc(day) - 3 * DAY
    minutes = [start + n * MINUTE for n in range(7 * 24 * 60)]
    return [(minute, minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for minute in minutes]


def searched(line: str, zone: str, day: str) -> set[datetime]:
    """Return the slots of a line among those minutes, found by looking at each."""
    meaning = cron.parse(line)
    times = set(meaning.seconds)

    def is_hit(wall: datetime) -> bool:
        return meaning.matches(wall.date()) and wall.hour * 3600 + wall.minute * 60 in times

    minutes = clock(zone, day)
    if meaning.is_interval:
        return {minute for minute, wall in minutes if is_hit(wall)}
    found, shown = set(), minutes[0][1]
    for minute, wall in minutes:
        while shown <= wall:  # each time once, as soon as the clocks show it or have gone past it
            if is_hit(shown):
                found.add(minute)
            shown += MINUTE
    return found


fields = st.sampled_from(["*", "*/7", "0", "30", "0,59", "5/20", "15-45/10", "1", "59"])
hours = st.sampled_from(["*", "*/2", "0", "1", "2", "3", "23", "0-3", "0,23", "1/2", "22-23", "12"])
days = st.sampled_from(["*", "*/2", "1", "29-31", "7,8", "4-5"])
weekdays = st.sampled_from(["*", "SUN", "0-6", "MON-FRI", "6"])
lines = st.builds("{} {} {} * {}".format, fields, hours, days, weekdays)


@pytest.mark.requirement("N5")
@given(
    st.lists(lines, min_size=1, max_size=3), st.sampled_from(CHANGES), st.integers(0, 4 * 24 * 60), st.integers(0, 3000)
)
def test_slots_are_those_that_a_search_finds(
    written: list[str], change: tuple[str, str], skip: int, length: int
) -> None:
    slots = slots_of(change[0], *written)
    after = utc(change[1]) - 2 * DAY + skip * MINUTE
    until = min(after + length * MINUTE, utc(change[1]) + 3 * DAY)
    found = {slot for line in written for slot in searched(line, *change)}
    expected = sorted(slot for slot in found if after < slot <= until)
    assert list(takewhile(lambda slot: slot <= until, slots.after(after))) == expected
    assert list(takewhile(lambda slot: slot > after, slots.until(until))) == expected[::-1]
    assert slots.count(after, until) == len(expected)
    assert slots.latest(after, until, 3) == expected[-3:]
    earlier = [slot for slot in found if slot < after]
    if earlier:
        assert slots.previous(after) == max(earlier)


def test_without_lines_there_are_no_slots() -> None:
    slots = slots_of("UTC")
    assert slots.next(utc("2026-01-01")) is None
    assert slots.previous(utc("2026-01-01")) is None
    assert slots.count(utc("2020-01-01"), utc("2026-01-01")) == 0


def test_years_of_minutes_are_counted_without_being_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slots, "after", None)
    slots = slots_of("Europe/Berlin", "* * * * *")
    assert slots.count(utc("2016-01-01"), utc("2026-01-01")) == 3653 * 24 * 60
    assert slots.latest(utc("2016-01-01"), utc("2026-01-01"), 2) == [utc("2025-12-31T23:59"), utc("2026-01-01T00:00")]
