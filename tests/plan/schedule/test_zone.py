"""Names of zones, and midnights."""

from datetime import UTC, date, datetime

import pytest

from report_operator.plan.schedule import zone
from report_operator.plan.schedule.errors import ScheduleError


@pytest.mark.parametrize("name", ["Mars/Olympus", "europe/berlin", "Local", "localtime", "Factory", "../etc/passwd"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match=r"^spec\.timeZone: .* is not in the operator's time zone database"):
        zone.zone(name)


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("UTC", date(2026, 5, 4), "2026-05-04T00:00:00"),
        ("Europe/Berlin", date(2026, 5, 4), "2026-05-03T22:00:00"),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00:00"),  # 01:00, the first moment
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00"),  # the first of two
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00"),  # the first moment of the day after
    ],
)
def test_midnight_is_the_first_moment_of_the_day(name: str, day: date, expected: str) -> None:
    assert zone.midnight(day, zone.zone(name)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)
