"""When the store is swept: files of a deleted Report are gone within the hour, also if the operator often restarts."""

from datetime import timedelta
from itertools import islice

import pytest

from report_operator.control.config import Config
from report_operator.control.sweep import SOON, waits
from tests.control.test_config import LEAST

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
A_SWEEP = 5 * MINUTE
"""What one may take, by far: 100,000 objects take 12 s."""


@pytest.mark.requirement("D8")
def test_the_next_sweep_that_finds_files_old_enough_ends_within_the_hour() -> None:
    """A file that was a moment too young for one sweep waits for the next."""
    config = Config.from_env(LEAST)
    assert config.sweep_grace_time + config.sweep_interval_time + A_SWEEP <= HOUR


@pytest.mark.parametrize(
    ("interval", "first"),
    [(30 * MINUTE, SOON), (2 * MINUTE, 2 * MINUTE)],
    ids=["soon after the start", "no later than any other"],
)
def test_the_first_sweep(interval: timedelta, first: timedelta) -> None:
    assert list(islice(waits(interval), 3)) == [first, interval, interval]
