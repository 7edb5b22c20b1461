"""Values as JSON, without loss."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.run import exact


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        ("a", "a"),
        (2**53 - 1, 9007199254740991),
        (2**53, "9007199254740992"),
        (-(2**60), "-1152921504606846976"),
        (0.1, 0.1),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("12.10"), 12.1),
        (Decimal("3.000"), 3),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal(12345678901234567890), "12345678901234567890"),
        (date(2026, 5, 4), "2026-05-04"),
        (time(13, 5), "13:05:00"),
        (datetime(2026, 5, 4, 13, 5), "2026-05-04T13:05:00"),
        (datetime(2026, 5, 4, 13, 5, 9, 250000, tzinfo=UTC), "2026-05-04T13:05:09.250000Z"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (b"\x00\xff", "AP8="),
        ([1, {"a": Decimal("1.5")}], [1, {"a": 1.5}]),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_to_json(value: Any, written: Any) -> None:
    found = exact.to_json(value)
    assert found == written
    assert type(found) is type(written)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_no_number_loses_digits_in_a_reader_that_knows_only_doubles(value: int | Decimal) -> None:
    read = json.loads(json.dumps(exact.to_json(value)), parse_int=float)
    assert Decimal(read if isinstance(read, str) else repr(read)) == value
