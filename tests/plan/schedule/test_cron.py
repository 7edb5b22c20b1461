"""Cron lines mean what they mean to Kubernetes' CronJob."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from report_operator.plan.schedule import cron
from report_operator.plan.schedule.errors import ScheduleError
from report_operator.plan.schedule.slots import Slots
from tests.support.apiserver import ROOT

START = datetime(2026, 1, 30, 22, 47, 11, tzinfo=UTC)
EXPECTED = [line.split("\t") for line in (ROOT / "tests/data/input/robfig/expected.tsv").read_text().splitlines()]
"""Written by robfig/cron itself, see main.go beside it."""


def meaning(line: str) -> list[str]:
    """Return what main.go writes about a line."""
    try:
        slots = Slots((cron.parse(line),), ZoneInfo("UTC"))
    except ScheduleError as error:
        return ["never" if "never fires" in str(error) else "refused"]
    return [slot.strftime("%Y-%m-%dT%H:%MZ") for slot in islice(slots.after(START), 5)]


@pytest.mark.requirement("D4")
def test_every_line_is_due_when_robfig_says() -> None:
    differing = {line: (meaning(line), theirs) for line, *theirs in EXPECTED if meaning(line) != theirs}
    assert differing == {}


def test_the_expected_lines_are_a_fair_sample() -> None:
    refused = [line for line, *theirs in EXPECTED if theirs == ["refused"]]
    assert len(EXPECTED) - len(refused) > 400
    assert len(refused) > 200


@pytest.mark.requirement("D4")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0 31 2 *", "spec.schedule: 0 0 31 2 * never fires: write days that the month has"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 30-31 2 ?", "never fires"),
        ("0 22-2 * * *", "has a range in hour that runs backwards: write two ranges"),
        ("0 0 * * sat-sun", "has a range in day-of-week that runs backwards"),
        ("0 9 * *", "is not a cron line: write five fields"),
        ("@every 1h", "is not a cron line"),
        ("TZ=UTC 0 9 * * *", "is not a cron line"),
        ("0 9 * * 7", "is not a cron line"),
    ],
)
def test_what_cannot_be_followed_is_named(line: str, says: str) -> None:
    with pytest.raises(ScheduleError, match=r"^spec\.schedule: ") as caught:
        cron.parse(line)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("line", "is_interval"),
    [
        ("0 9 * * *", False),
        ("0,30 9-17 * * MON", False),
        ("0 0-23/2 * * *", False),
        ("@daily", False),
        ("@monthly", False),
        ("*/30 * * * *", True),
        ("0 * * * *", True),
        ("0 */6 * * *", True),
        ("*/5 2 * * *", True),
        ("5/15 2 * * *", True),
        ("0 2,4/4 * * *", True),
        ("@hourly", True),
    ],
)
def test_what_is_an_interval(line: str, is_interval: bool) -> None:
    assert cron.parse(line).is_interval is is_interval
