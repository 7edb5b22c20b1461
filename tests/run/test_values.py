"""Values as people read them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from report_operator.api.sections import ValueFormat as F
from report_operator.run import values


@pytest.mark.parametrize(
    ("value", "format_", "text"),
    [
        (None, F.INTEGER, "\N{EN DASH}"),
        (None, F.TEXT, "\N{EN DASH}"),
        (336776, F.INTEGER, "336,776"),
        (-1234, F.INTEGER, "-1,234"),
        (2.5, F.INTEGER, "3"),
        (123456789012345678901234567890, F.INTEGER, "123,456,789,012,345,678,901,234,567,890"),
        (6.895, F.DECIMAL, "6.90"),
        (Decimal("6.895"), F.DECIMAL, "6.90"),
        (0.1 + 0.2, F.DECIMAL, "0.30"),
        (0, F.DECIMAL, "0.00"),
        (0.00123, F.DECIMAL, "0.0012"),
        (-0.001, F.DECIMAL, "-0.0010"),
        (1e20, F.DECIMAL, "1.00e+20"),
        (1e-12, F.DECIMAL, "1.0e-12"),
        (float("nan"), F.DECIMAL, "\N{EN DASH}"),
        (float("inf"), F.INTEGER, "\N{EN DASH}"),
        (0.125, F.PERCENT, "12.5 %"),
        (1, F.PERCENT, "100.0 %"),
        (Decimal("0.0004"), F.PERCENT, "0.040 %"),
        (1e-12, F.PERCENT, "1.0e-10 %"),
        (-0.5, F.PERCENT, "-50.0 %"),
        (999, F.BYTES, "999 B"),
        (1000, F.BYTES, "1.0 kB"),
        (412_889_123_456, F.BYTES, "412.9 GB"),
        (999_960, F.BYTES, "1.0 MB"),
        (0, F.DURATION, "0 s"),
        (0.0123, F.DURATION, "12 ms"),
        (59, F.DURATION, "59 s"),
        (3.25, F.DURATION, "3.3 s"),
        (59.97, F.DURATION, "1 min 00 s"),
        (61, F.DURATION, "1 min 01 s"),
        (48213, F.DURATION, "13 h 23 min"),
        (86400 * 12 + 3600 * 5, F.DURATION, "12 d 5 h"),
        (-90, F.DURATION, "-1 min 30 s"),
        (timedelta(days=2, hours=3), F.DURATION, "2 d 3 h"),
        (date(2026, 5, 4), F.DATE, "2026-05-04"),
        (datetime(2026, 5, 4, 23, 59), F.DATE, "2026-05-04"),
        (datetime(2026, 5, 4, 13, 5), F.DATE_TIME, "2026-05-04 13:05"),
        (datetime(2026, 5, 4, 13, 5, 9), F.DATE_TIME, "2026-05-04 13:05:09"),
        (
            datetime(2026, 5, 4, 13, 5, tzinfo=timezone(timedelta(hours=2))),
            F.DATE_TIME,
            "2026-05-04 11:05 UTC",
        ),
        (date(2026, 5, 4), F.DATE_TIME, "2026-05-04 00:00"),
        (2013, F.TEXT, "2013"),
        (True, F.TEXT, "yes"),
        (b"ab", F.TEXT, "2 bytes"),
        ([1, Decimal("2.5")], F.TEXT, "[1, 2.5]"),
        ({"a": datetime(2026, 5, 4, tzinfo=UTC)}, F.TEXT, '{"a": "2026-05-04T00:00:00Z"}'),
    ],
)
def test_written(value: Any, format_: F, text: str) -> None:
    assert values.written(value, format_) == text


@pytest.mark.parametrize(
    ("value", "format_"),
    [("12", F.INTEGER), (True, F.INTEGER), ("x", F.PERCENT), (5, F.DATE), ("2026-05-04", F.DATE_TIME)],
)
def test_refuses_values_of_another_kind(value: Any, format_: F) -> None:
    with pytest.raises(ValueError, match="is not a"):
        values.written(value, format_)


@pytest.mark.parametrize(
    ("type_", "format_"),
    [
        ("BIGINT", F.INTEGER),
        ("DECIMAL(38,0)", F.DECIMAL),
        ("DOUBLE", F.DECIMAL),
        ("DATE", F.DATE),
        ("TIMESTAMP_NS", F.DATE_TIME),
        ("TIMESTAMP WITH TIME ZONE", F.DATE_TIME),
        ("INTERVAL", F.DURATION),
        ("VARCHAR", F.TEXT),
        ("BOOLEAN", F.TEXT),
        ("INTEGER[]", F.TEXT),
    ],
)
def test_default_format_follows_the_type(type_: str, format_: F) -> None:
    assert values.default_format(type_) == format_


@pytest.mark.parametrize(("type_", "places"), [("DECIMAL(9,3)", 3), ("DECIMAL(38,0)", 0), ("DOUBLE", 2)])
def test_decimals_are_written_with_the_scale_of_their_type(type_: str, places: int) -> None:
    assert values.places_of(type_) == places
