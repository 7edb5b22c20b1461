"""The committed reference pages are what the models say, and no word that users match on lacks its meaning."""

from enum import StrEnum

import pytest

from report_operator.api.conditions import ConditionType, Reason
from report_operator.api.reference import reference_pages
from report_operator.api.schedule_conditions import ScheduleConditionType, ScheduleReason, SlotReason
from tests.support.apiserver import ROOT


def test_committed_pages_are_up_to_date() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "docs/reference").glob("*.md")}
    assert committed == reference_pages(), "run `make generate`"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("report.md", ConditionType),
        ("report.md", Reason),
        ("scheduledreport.md", ScheduleConditionType),
        ("scheduledreport.md", ScheduleReason),
        ("scheduledreport.md", SlotReason),
    ],
)
def test_every_word_is_documented(page: str, words: type[StrEnum]) -> None:
    text = reference_pages()[page]
    assert [word for word in words if f"| `{word}` |" not in text] == []
