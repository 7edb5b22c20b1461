"""A run that goes on by itself says where it is."""

from datetime import timedelta

import pytest

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.plan.report import decide
from tests.support.objects import condition, ended, facts, failure_message, job, pod, report, running, waiting
from tests.support.run_cases import (
    DEADLINE,
    JOB,
    SUBJECT,
    Case,
    conditions,
    failed,
    starting,
)

GOING = [
    Case("a new Job", Reason.QUEUED, [JOB.metadata.name], phase=Phase.QUEUED),
    Case("a new pod", Reason.QUEUED, ["weekly-0 is starting"], pods=(starting(),), phase=Phase.QUEUED),
    Case(
        "fetch runs",
        Reason.RUNNING,
        ["fetch"],
        pods=(pod(JOB, running(), waiting(), waiting()),),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
    ),
    Case(
        "between fetch and render",
        Reason.RUNNING,
        ["render"],
        pods=(pod(JOB, ended(), waiting(), waiting()),),
        phase=Phase.RUNNING,
        stage=Stage.RENDER,
    ),
    Case(
        "publish runs",
        Reason.RUNNING,
        ["publish"],
        pods=(pod(JOB, ended(), ended(), running()),),
        phase=Phase.RUNNING,
        stage=Stage.PUBLISH,
    ),
    Case(
        "second attempt",
        Reason.RUNNING,
        ["attempt 2 of 3"],
        pods=(failed(ended(75), age=timedelta(60)), pod(JOB, running(), name="weekly-1")),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
        attempt=2,
    ),
    Case(
        "between attempts",
        Reason.RETRYING,
        ["Attempt 1 of 3 failed", "SourceUnavailable: no answer from db"],
        job=job(SUBJECT, failed=1),
        pods=(failed(ended(75, failure_message(Reason.SOURCE_UNAVAILABLE, "no answer from db", Stage.FETCH))),),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
    ),
    Case(
        "the last attempt has failed and the Job is not marked yet",
        Reason.RUNNING,
        ["the Job is ending"],
        job=job(SUBJECT, failed=3),
        pods=tuple(failed(ended(75), name=f"weekly-{n}") for n in range(3)),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
        attempt=3,
    ),
    Case(
        "a final exit code and the Job is not marked yet",
        Reason.RUNNING,
        ["the Job is ending"],
        pods=(failed(ended(64)),),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
    ),
    Case(
        "no node",
        Reason.UNSCHEDULABLE,
        ["0/3 nodes are available", DEADLINE],
        pods=(
            pod(
                JOB,
                phase="Pending",
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available.",
                    }
                ],
            ),
        ),
        phase=Phase.QUEUED,
    ),
    Case(
        "a drained pod that is about to be replaced",
        Reason.RETRYING,
        ["Pod weekly-0 was ended by the cluster"],
        pods=(failed(ended(137), conditions=[condition("DisruptionTarget")]),),
        phase=Phase.QUEUED,
    ),
    Case(
        "a drained pod is replaced and not counted",
        Reason.RUNNING,
        ["Stage fetch runs."],
        pods=(
            failed(ended(137), conditions=[condition("DisruptionTarget")], age=timedelta(60)),
            pod(JOB, running(), name="weekly-1"),
        ),
        phase=Phase.RUNNING,
        stage=Stage.FETCH,
    ),
]


@pytest.mark.parametrize("case", GOING, ids=lambda case: case.name)
def test_reason_and_message(case: Case) -> None:
    assert conditions(case.written()) == {"Ready": ("Unknown", case.reason), "Reconciling": ("True", case.reason)}


def test_pods_of_others_do_not_count() -> None:
    strange = pod(JOB, ended(), ended(), ended(0, "{}"))
    foreign = strange.model_copy(update={"metadata": strange.metadata.model_copy(update={"owner_references": []})})
    status = decide(facts(report(), jobs=(JOB,), pods=(foreign,))).status
    assert status is not None
    assert status.reason is Reason.QUEUED
