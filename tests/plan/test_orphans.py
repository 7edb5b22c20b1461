"""Which files of the store are swept: those of Reports that are gone, of earlier runs at their time, and no others."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.plan import names
from report_operator.plan.orphans import RETAINED_FILE, Orphans
from tests.support.objects import NOW, SPEC, UID, report

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
    found.keep(report(2), None)
    assert found.folders == [FOLDER, f"team-a/weekly/{GONE}-12/"]


def test_no_run_of_a_report_that_is_there_is_touched() -> None:
    found = orphans()
    found.see(f"team-a/weekly/{UID}-1/report.pdf", OLD)
    found.see(f"team-a/weekly/{UID}-2/report.pdf", OLD)
    found.keep(report(2), None)
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


DAY = timedelta(days=1)
EDITED = {
    "being run": {"observedGeneration": 2, "phase": "Running", "runID": f"{UID}-2"},
    "failed": {"observedGeneration": 2, "phase": "Failed", "reason": "QueryFailed", "runID": f"{UID}-2"},
    "not allowed": {"observedGeneration": 2, "phase": "Failed", "reason": "NotAllowedByPolicy"},
    "of another result": {"observedGeneration": 2, "phase": "Failed", "reason": "IdempotencyConflict"},
    "succeeded": {"observedGeneration": 2, "phase": "Succeeded", "runID": f"{UID}-2", "artifacts": [{"name": "a"}]},
}
"""What became of the edit of a Report whose first run has succeeded."""


def left(generation: int = 2, *, age: timedelta, ttl: str = "90d", longest: timedelta | None = None, **of: Any) -> bool:
    """Return whether the files of a Report's first run stay."""
    found = orphans()
    folder = f"team-a/weekly/{UID}-1/"
    found.see(f"{folder}report.pdf", NOW - age - DAY)
    found.see(f"{folder}{of.pop('last', 'deliveries.json')}", NOW - age)
    found.see(f"team-a/weekly/{UID}-2/report.pdf", NOW - 2 * HOUR)
    found.keep(report(generation, SPEC | {"retention": {"ttl": ttl}}, **of), longest)
    assert found.folders in ([], [folder])
    return not found.folders


class TestFilesOfAnEarlierRun:
    @pytest.mark.requirement("D8")
    @pytest.mark.parametrize("status", EDITED.values(), ids=EDITED.keys())
    def test_are_kept_for_their_time_and_not_longer_whatever_became_of_the_edit(self, status: dict[str, Any]) -> None:
        assert left(age=90 * DAY, status=status)
        assert not left(age=90 * DAY + HOUR, status=status)

    def test_stay_for_ever_where_the_spec_says_so(self) -> None:
        assert left(age=10_000 * DAY, ttl="Forever", status=EDITED["failed"])

    @pytest.mark.parametrize("ttl", ["Forever", "90d", "of a newer operator"])
    def test_stay_no_longer_than_the_policy_allows(self, ttl: str) -> None:
        assert left(age=30 * DAY, ttl=ttl, longest=30 * DAY, status=EDITED["not allowed"])
        assert not left(age=30 * DAY + HOUR, ttl=ttl, longest=30 * DAY, status=EDITED["not allowed"])

    def test_stay_where_a_newer_operator_knows_for_how_long(self) -> None:
        assert left(age=10_000 * DAY, ttl="of a newer operator", status=EDITED["failed"])

    def test_go_also_when_they_are_to_outlive_the_report(self) -> None:
        assert not left(age=91 * DAY, last=RETAINED_FILE, status=EDITED["failed"])

    def test_stay_while_the_status_lists_them(self) -> None:
        """The last good ones of a ScheduledReport stay whatever their age, and `spec.cancel` makes no new ones."""
        first = {"phase": "Succeeded", "runID": f"{UID}-1", "artifacts": [{"name": "a"}]}
        assert left(age=91 * DAY, status=first | {"observedGeneration": 1})
        assert left(age=91 * DAY, status=first | {"observedGeneration": 2})

    def test_that_the_status_cannot_list_go_at_their_time(self) -> None:
        """A run that had begun to deliver when it was cancelled, by a spec that this version cannot read."""
        cancelled = {"observedGeneration": 2, "phase": "Cancelled", "runID": f"{UID}-1"}
        assert left(age=90 * DAY, status=cancelled)
        assert not left(age=91 * DAY, status=cancelled)

    def test_stay_while_another_report_lists_them(self) -> None:
        found = orphans()
        found.see(f"{FOLDER}report.pdf", NOW - 91 * DAY)
        found.keep(report(2, uid=GONE, status=EDITED["failed"]), None)
        found.keep(report(status={"runID": f"{GONE}-1", "artifacts": [{"name": "a"}], "sameAs": "weekly"}), None)
        assert found.folders == []

    @given(
        runs=st.dictionaries(st.integers(1, 9), st.integers(0, 99), min_size=1),
        generation=st.integers(1, 9),
        days=st.integers(1, 60),
    )
    def test_over_any_history_none_goes_early_and_none_stays(
        self, runs: dict[int, int], generation: int, days: int
    ) -> None:
        """`runs` are their ages in days; `days` is how long they are kept."""
        found = orphans()
        for number, age in runs.items():
            found.see(f"team-a/weekly/{UID}-{number}/report.pdf", NOW - age * DAY)
        status = {"observedGeneration": generation, "phase": "Failed", "runID": f"{UID}-{generation}"}
        found.keep(report(generation, SPEC | {"retention": {"ttl": f"{days}d"}}, status), None)
        over = {number for number, age in runs.items() if number <= generation and age > days}
        assert found.folders == sorted(f"team-a/weekly/{UID}-{number}/" for number in over)


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
