"""Each way a run can fail has its documented reason, and a message that names what to do."""

import pytest

from report_operator.api.conditions import Reason, Stage
from report_operator.plan import facts as plan_facts
from report_operator.plan.report import decide
from tests.support.objects import ended, facts, failure_message, job, report
from tests.support.run_cases import SUBJECT, Case, conditions, failed, fails

ENDED = [
    Case(
        "out of memory",
        Reason.OUT_OF_MEMORY,
        ["render", "512Mi", "spec.run.resources.limits.memory"],
        job=job(SUBJECT, fails("PodFailurePolicy")),
        pods=(failed(ended(), ended(137, reason="OOMKilled"), limits={"memory": "512Mi"}),),
        stage=Stage.RENDER,
    ),
    Case(
        "killed by the kernel without the kubelet's word for it",
        Reason.OUT_OF_MEMORY,
        ["fetch", "no limit"],
        job=job(SUBJECT, fails("PodFailurePolicy")),
        pods=(failed(ended(137)),),
        stage=Stage.FETCH,
    ),
    Case(
        "full scratch volume",
        Reason.DISK_FULL,
        ['Usage of EmptyDir volume "data" exceeds the limit "10Gi".'],
        job=job(SUBJECT, fails("PodFailurePolicy")),
        pods=(
            failed(
                ended(137),
                reason="Evicted",
                message='Usage of EmptyDir volume "data" exceeds the limit "10Gi". ',
            ),
        ),
        stage=Stage.FETCH,
    ),
    Case(
        "evicted for another reason",
        Reason.POD_LOST,
        ["The node was low on resource: memory."],
        job=job(SUBJECT, fails()),
        pods=(failed(ended(143), reason="Evicted", message="The node was low on resource: memory."),),
        stage=Stage.FETCH,
    ),
    Case(
        "a user's error",
        Reason.QUERY_FAILED,
        ["table sales: no column b"],
        job=job(SUBJECT, fails("PodFailurePolicy")),
        pods=(failed(ended(64, failure_message(Reason.QUERY_FAILED, "table sales: no column b", Stage.FETCH))),),
        stage=Stage.FETCH,
    ),
    Case(
        "an outage that outlasts the retries",
        Reason.SOURCE_UNAVAILABLE,
        ["no answer", "(after 3 attempts)"],
        job=job(SUBJECT, fails(), failed=3),
        pods=tuple(
            failed(ended(75, failure_message(Reason.SOURCE_UNAVAILABLE, "no answer", Stage.FETCH)), name=f"weekly-{n}")
            for n in range(3)
        ),
        stage=Stage.FETCH,
        attempt=3,
    ),
    Case(
        "a crash without a word",
        Reason.INTERNAL_ERROR,
        ["publish", "exit code 1", "kubectl logs weekly-0 -c publish"],
        job=job(SUBJECT, fails()),
        pods=(failed(ended(), ended(), ended(1, "Traceback …")),),
        stage=Stage.PUBLISH,
    ),
    Case(
        "a container that cannot start",
        Reason.INTERNAL_ERROR,
        ['exec: "report-operator": not found'],
        job=job(SUBJECT, fails()),
        pods=(failed(ended(128, 'exec: "report-operator": not found', reason="StartError")),),
        stage=Stage.FETCH,
    ),
    Case(
        "a pod that vanished",
        Reason.POD_LOST,
        ["BackoffLimitExceeded: reached the limit"],
        job=job(SUBJECT, fails(message="reached the limit")),
    ),
    Case(
        "a pod that vanished from a known stage",
        Reason.POD_LOST,
        ["gone and left no word"],
        job=job(SUBJECT, fails()),
        status={"observedGeneration": 1, "phase": "Running", "reason": "Running", "stage": "publish"},
        stage=Stage.PUBLISH,
    ),
    Case(
        "a pod that failed before a container ran",
        Reason.POD_LOST,
        ["UnexpectedAdmissionError", "not enough memory"],
        job=job(SUBJECT, fails()),
        pods=(failed(reason="UnexpectedAdmissionError", message="not enough memory"),),
    ),
    Case(
        "too slow",
        Reason.DEADLINE_EXCEEDED,
        ["spec.run.timeout (30m)", "Allow more time"],
        job=job(SUBJECT, fails("DeadlineExceeded")),
    ),
    Case(
        "too slow in a known stage",
        Reason.DEADLINE_EXCEEDED,
        ["It was in stage render."],
        job=job(SUBJECT, fails("DeadlineExceeded")),
        status={"observedGeneration": 1, "phase": "Running", "reason": "Running", "stage": "render"},
        stage=Stage.RENDER,
    ),
    Case(
        "too slow in a known stage of another generation",
        Reason.DEADLINE_EXCEEDED,
        ["Allow more time"],
        job=job(SUBJECT, fails("DeadlineExceeded")),
        status={"observedGeneration": 0, "phase": "Running", "reason": "Running", "stage": "render"},
    ),
    Case(
        "too slow between two attempts",
        Reason.DEADLINE_EXCEEDED,
        ["It was held up by Retrying: Attempt 1 of 3 failed."],
        job=job(SUBJECT, fails("DeadlineExceeded")),
        status={
            "observedGeneration": 1,
            "phase": "Running",
            "reason": "Retrying",
            "message": "Attempt 1 of 3 failed.",
            "stage": "fetch",
        },
        stage=Stage.FETCH,
    ),
    Case(
        "waited until the deadline",
        Reason.DEADLINE_EXCEEDED,
        ["It was held up by SecretNotFound: Secret warehouse does not exist in this namespace."],
        job=job(SUBJECT, fails("DeadlineExceeded")),
        status={
            "observedGeneration": 1,
            "phase": "Queued",
            "reason": "SecretNotFound",
            "message": "Secret warehouse does not exist in this namespace. The run goes on by itself once mended.",
        },
    ),
]


@pytest.mark.parametrize("case", ENDED, ids=lambda case: case.name)
def test_reason_and_message(case: Case) -> None:
    assert conditions(case.written()) == {"Ready": ("False", case.reason), "Stalled": ("True", case.reason)}


@pytest.mark.parametrize("case", ENDED, ids=lambda case: case.name)
def test_a_failed_run_leaves_nothing_behind(case: Case) -> None:
    decision = decide(facts(report(), jobs=(case.job,), pods=case.pods))
    assert decision.cleanup == (
        plan_facts.DiscardArtifacts(SUBJECT.run_id),
        plan_facts.Seal(SUBJECT.job_name),
    )
