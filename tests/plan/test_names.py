"""Names are the lock of a run: they depend on nothing but the Report's identity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.outputs import Output, download_name
from report_operator.plan import names

UID = "0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10"


def test_a_run_is_named_by_uid_and_generation() -> None:
    assert names.run_id(UID, 3) == f"{UID}-3"
    assert len(names.run_id(UID, 2**31)) <= 63


def test_job_names_differ_by_generation_and_uid_only() -> None:
    first = names.job_name("weekly", UID, 1)
    assert first == names.job_name("weekly", UID, 1)
    assert first.startswith("weekly-")
    assert len({first, names.job_name("weekly", UID, 2), names.job_name("weekly", UID.replace("0", "1"), 1)}) == 3


@given(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True), st.integers(1, 2**31))
def test_job_names_are_dns_labels_with_room_for_a_pod_suffix(report: str, generation: int) -> None:
    name = names.job_name(report, UID, generation)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 57


def test_runs_have_folders_of_their_own() -> None:
    assert names.run_prefix("team-a", "weekly", f"{UID}-1") == f"team-a/weekly/{UID}-1/"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ({"format": "pdf"}, "weekly.pdf"),
        ({"format": "csv", "table": "by_product"}, "weekly-by_product.csv"),
        ({"format": "html", "name": "board"}, "weekly-board.html"),
        ({"format": "json", "name": "report"}, "weekly.json"),
    ],
)
def test_a_browser_saves_files_under_the_name_of_the_report(output: dict[str, str], shown: str) -> None:
    assert download_name("weekly", Output.model_validate(output).file_name) == shown
