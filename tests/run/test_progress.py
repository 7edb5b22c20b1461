"""Long steps are heard of now and then, short ones are not."""

import logging

import pytest

from report_operator.run.progress import INTERVAL, Progress


def test_tells_the_count_once_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    caplog.set_level(logging.INFO)
    progress = Progress(logging.getLogger("test"), "{:,} rows so far", clock=lambda: now)
    progress.add(1_000)
    now = INTERVAL
    progress.add(1_000)
    progress.add(1_000)
    now = 2 * INTERVAL - 0.1
    progress.add(1_000)
    now = 2 * INTERVAL
    progress.add(1_000)
    assert caplog.messages == ["2,000 rows so far", "5,000 rows so far"]
    assert progress.count == 5_000
