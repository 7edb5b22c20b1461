"""A period as people read it."""

import pytest

from report_operator.api.report import Period
from report_operator.run import period


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2013-01-01T00:00:00Z", "2014-01-01T00:00:00Z", "2013"),
        ("2013-01-01T00:00:00Z", "2016-01-01T00:00:00Z", "2013 \N{EN DASH} 2015"),
        ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", "May 2026"),
        ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "December 2026"),
        ("2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z", "April \N{EN DASH} June 2026"),
        ("2025-11-01T00:00:00Z", "2026-02-01T00:00:00Z", "November 2025 \N{EN DASH} January 2026"),
        ("2026-05-04T00:00:00Z", "2026-05-05T00:00:00Z", "4 May 2026"),
        ("2026-05-04T00:00:00Z", "2026-05-11T00:00:00Z", "4 \N{EN DASH} 10 May 2026"),
        ("2026-04-27T00:00:00Z", "2026-05-04T00:00:00Z", "27 April \N{EN DASH} 3 May 2026"),
        ("2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z", "29 December 2025 \N{EN DASH} 4 January 2026"),
        # Whole days where the author lives, the day of the clock change among them.
        ("2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "23 \N{EN DASH} 29 March 2026"),
        ("2026-05-04T06:00:00Z", "2026-05-04T07:30:00Z", "4 May 2026, 06:00 UTC \N{EN DASH} 4 May 2026, 07:30 UTC"),
        (
            "2026-05-04T06:00:00+05:30",
            "2026-05-05T00:00:00+05:30",
            "4 May 2026, 06:00 UTC+0530 \N{EN DASH} 5 May 2026, 00:00 UTC+0530",
        ),
    ],
)
def test_written(start: str, end: str, text: str) -> None:
    assert period.written(Period.model_validate({"start": start, "end": end})) == text
