"""The committed reference page is what the models say, and no reason lacks its meaning."""

from report_operator.api.conditions import Reason
from report_operator.api.reference import reference_page
from tests.support.apiserver import ROOT


def test_committed_page_is_up_to_date() -> None:
    assert (ROOT / "docs/reference/report.md").read_text() == reference_page(), "run `make generate`"


def test_every_reason_is_documented() -> None:
    page = reference_page()
    assert [reason for reason in Reason if f"| `{reason}` |" not in page] == []
