"""Which files of the store are swept: those of Reports that are gone, and nothing else."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.plan import names
from report_operator.plan.orphans import RETAINED_FILE, Orphans
from tests.support.objects import NOW, UID

HOUR = timedelta(hours=1)
OLD, YOUNG = NOW - 2 * HOUR, NOW - HOUR / 2
GONE = "11111111-2222-4333-8444-555555555555"
FOLDER = f"team-a/weekly/{GONE}-1/"


def orphans() -> Orphans:
    return Orphans(NOW, grace=HOUR)


def test_files_of_a_report_that_is_gone_go_folder_by_folder() -> None:
    found = orphans()
    for key in (f"{FOLDER}report.pdf", f"{FOLDER}ledger/a.record", f"team-a/weekly/{GONE}-12/report.pdf"):
        found.see(key, OLD)
    found.spare(UID)
    assert found.folders == [FOLDER, f"team-a/weekly/{GONE}-12/"]


def test_no_run_of_a_report_that_is_there_is_touched() -> None:
    found = orphans()
    found.see(f"team-a/weekly/{UID}-1/report.pdf", OLD)
    found.see(f"team-a/weekly/{UID}-2/report.pdf", OLD)
    found.spare(UID)
    assert found.folders == []


def test_a_folder_with_a_young_file_is_left_alone() -> None:
    found = orphans()
    found.see(f"{FOLDER}by_product.csv", OLD)
    found.see(f"{FOLDER}report.pdf", YOUNG)
    assert found.folders == []


def test_a_folder_that_is_to_be_retained_stays() -> None:
    found = orphans()
    found.see(f"{FOLDER}report.pdf", OLD)
    found.see(f"{FOLDER}{RETAINED_FILE}", OLD)
    found.see(f"team-a/weekly/{GONE}-2/report.pdf", OLD)
    assert found.folders == [f"team-a/weekly/{GONE}-2/"]


@pytest.mark.parametrize(
    "key",
    [
        ".report-operator",
        "photo.jpg",
        "team-a/weekly/report.pdf",
        f"{GONE}-1/report.pdf",
        f"weekly/{GONE}-1/report.pdf",
        f"other/team-a/weekly/{GONE}-1/report.pdf",
        f"Team/weekly/{GONE}-1/report.pdf",
        f"team-a/weekly/{GONE}/report.pdf",
        f"team-a/weekly/{GONE}-/report.pdf",
        f"team-a/weekly/{GONE}-0/report.pdf",
        f"team-a/weekly/{GONE}-1",
        f"team-a/weekly/{GONE}-1/",
        f"team-a/weekly/{GONE}-1x/report.pdf",
        f"team-a/weekly/{GONE[:-1]}-1/report.pdf",
    ],
)
def test_what_does_not_have_the_form_of_our_keys_is_somebody_elses(key: str) -> None:
    found = orphans()
    found.see(key, OLD)
    assert found.folders == []


@given(
    namespace=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True),
    report=st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", fullmatch=True),
    uid=st.uuids(),
    generation=st.integers(1, 2**31),
)
def test_a_key_that_was_made_is_read_back(namespace: str, report: str, uid: UUID, generation: int) -> None:
    folder = names.run_prefix(namespace, report, names.run_id(str(uid), generation))
    assert names.run_of(f"{folder}report.pdf") == names.StoredRun(folder, str(uid), generation)
    assert folder.startswith(names.runs_prefix(namespace, report, str(uid)))
