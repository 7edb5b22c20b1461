"""Which files may go to the store in parts, how they are cut, and that no part of one outlives its run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.conditions import Reason, Stage
from report_operator.api.report import ReportSpec
from report_operator.plan.facts import AbandonUploads, DeleteSecret, DiscardArtifacts, Seal
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from report_operator.plan.uploads import Split, splits
from tests.support.objects import SPEC, condition, ended, facts, failure_message, job, pod, report, result, stored

Json = dict[str, Any]

MIB, GIB = 1 << 20, 1 << 30
SQL = {"urlFrom": {"secretKeyRef": {"name": "warehouse", "key": "url"}}, "query": "select 1"}
HTTP = {"url": "https://example.com/sales.csv", "format": "csv"}
LARGE: Json = SPEC | {"sources": [{"name": "sales", "sql": SQL}]}
CSV = "text/csv; charset=utf-8"


def spec(source: Json, *outputs: Json) -> ReportSpec:
    return ReportSpec.model_validate({"sources": [{"name": "sales", **source}], "outputs": list(outputs)})


def table(format_: str, name: str) -> Json:
    return {"format": format_, "table": "sales", "name": name}


def test_tables_of_a_database_are_cut_into_at_most_forty_parts() -> None:
    wanted = spec({"sql": SQL}, {"format": "pdf"}, {"format": "json"}, table("csv", "sales"))
    assert splits(wanted, 10 * GIB) == {"sales.csv": Split(256 * MIB, 40, CSV)}


@pytest.mark.parametrize(
    ("source", "cut"),
    [({"sql": SQL}, True), ({"http": HTTP}, True), ({"inline": {"rows": [{"a": 1}]}}, False),
     ({"configMap": {"name": "data", "key": "sales.csv", "format": "csv"}}, False)],
)  # fmt: skip
def test_what_kubernetes_holds_is_small(source: Json, cut: bool) -> None:
    assert bool(splits(spec(source, table("parquet", "sales")), 10 * GIB)) is cut


@given(scratch=st.integers(0, 1 << 40), files=st.integers(1, 16))
def test_the_parts_are_few_and_hold_what_a_run_can_write(scratch: int, files: int) -> None:
    wanted = spec({"sql": SQL}, *(table("csv", f"sales-{number}") for number in range(files)))
    found = splits(wanted, scratch)
    assert sum(split.count for split in found.values()) <= 40
    assert (len(found) == files) is (scratch > 64 * MIB) or not found
    for split in found.values():
        assert split.part_size <= 2 * GIB
        assert split.count > 1
        assert split.count * split.part_size >= min(scratch, 40 // files * 2 * GIB)


SUBJECT = Subject.from_manifest(report(spec=LARGE))


class TestEnd:
    def test_what_a_good_run_did_not_complete_is_abandoned(self) -> None:
        done = job(SUBJECT, condition("Complete"))
        pods = (pod(done, ended(), ended(), ended(), phase="Succeeded"),)
        there = stored(result(SUBJECT))
        decision = decide(facts(report(spec=LARGE), jobs=(done,), pods=pods, stored=there))
        assert decision.cleanup == (AbandonUploads(SUBJECT.run_id), Seal(SUBJECT.job_name))

    def test_also_when_the_operator_was_ended_in_between(self) -> None:
        status = {"observedGeneration": 1, "phase": "Succeeded", "reason": "Succeeded", "runID": SUBJECT.run_id,
                  "artifacts": [{"name": "sales.csv", "format": "csv", "mediaType": CSV, "size": 1, "sha256": "c" * 64,
                                 "uri": "s3://reports/sales.csv"}]}  # fmt: skip
        decision = decide(facts(report(spec=LARGE, status=status), jobs=(job(SUBJECT, condition("Complete")),)))
        assert decision.cleanup == (
            AbandonUploads(SUBJECT.run_id), DeleteSecret(SUBJECT.job_name), Seal(SUBJECT.job_name),
        )  # fmt: skip

    def test_a_failed_run_leaves_nothing_at_all(self) -> None:
        failed = job(SUBJECT, condition("Failed"), failed=1)
        said = failure_message(Reason.STORE_REFUSED, "no", Stage.PUBLISH)
        pods = (pod(failed, ended(), ended(), ended(64, said), phase="Failed"),)
        decision = decide(facts(report(spec=LARGE), jobs=(failed,), pods=pods))
        assert decision.cleanup == (DiscardArtifacts(SUBJECT.run_id), Seal(SUBJECT.job_name))
