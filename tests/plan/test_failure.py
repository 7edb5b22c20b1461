"""Each way a run can hang or fail has its documented reason, and a message that names what to do."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.plan import facts as plan_facts
from report_operator.plan.objects import Event, Job, Pod
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import (
    condition,
    ended,
    event,
    facts,
    failure_message,
    job,
    pod,
    report,
    running,
    waiting,
)

SUBJECT = Subject.from_manifest(report())
JOB = job(SUBJECT)
DEADLINE = "2026-05-04T06:30:10Z"

SECRET = {"name": "secret-0", "secret": {"secretName": "warehouse"}}
CONFIG_MAP = {"name": "data-0", "configMap": {"name": "carriers"}}


def mount_failed(volume: str, cause: str, age: timedelta = timedelta()) -> Event:
    return event("FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {cause}', age)


def refused(said: str, aggregated: bool = False) -> Event:
    return event("FailedCreate", ("(combined from similar events): " if aggregated else "") + f"Error creating: {said}")


def fails(reason: str = "BackoffLimitExceeded", message: str = "") -> dict[str, Any]:
    return condition("Failed", reason, message)


@dataclass(frozen=True)
class Case:
    """What Kubernetes shows, and what the Report is to say."""

    name: str
    reason: Reason
    says: list[str]
    job: Job = JOB
    pods: tuple[Pod, ...] = ()
    events: tuple[Event, ...] = ()
    phase: Phase = Phase.FAILED
    stage: Stage | None = None
    attempt: int = 1
    status: dict[str, Any] = field(default_factory=dict)


def starting(**fields: Any) -> Pod:
    return pod(JOB, waiting(), waiting(), waiting(), phase="Pending", **fields)


def failed(*states: dict[str, Any], **fields: Any) -> Pod:
    return pod(JOB, *states, phase="Failed", **fields)


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

WAITING = [
    Case(
        "no image",
        Reason.IMAGE_PULL_FAILED,
        ["example/report-operator:1", "manifest unknown", "goes on by itself", DEADLINE],
        pods=(pod(JOB, waiting("ImagePullBackOff", "manifest unknown"), waiting(), phase="Pending"),),
        phase=Phase.QUEUED,
    ),
    Case(
        "an image name that is none",
        Reason.IMAGE_PULL_FAILED,
        ["InvalidImageName"],
        pods=(pod(JOB, waiting("InvalidImageName"), phase="Pending"),),
        phase=Phase.QUEUED,
    ),
    Case(
        "an image that runs as root",
        Reason.INTERNAL_ERROR,
        ["container fetch", "image will run as root"],
        pods=(
            pod(
                JOB,
                waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
                phase="Pending",
            ),
        ),
        phase=Phase.QUEUED,
    ),
    Case(
        "no Secret",
        Reason.SECRET_NOT_FOUND,
        ["Secret warehouse does not exist", "goes on by itself", DEADLINE],
        pods=(starting(volumes=[SECRET]),),
        events=(mount_failed("secret-0", 'secret "warehouse" not found'),),
        phase=Phase.QUEUED,
    ),
    Case(
        "no key in the Secret",
        Reason.SECRET_NOT_FOUND,
        ["Secret warehouse has no key url"],
        pods=(starting(volumes=[SECRET]),),
        events=(mount_failed("secret-0", "references non-existent secret key: url"),),
        phase=Phase.QUEUED,
    ),
    Case(
        "no ConfigMap",
        Reason.CONFIG_MAP_NOT_FOUND,
        ["ConfigMap carriers does not exist"],
        pods=(starting(volumes=[CONFIG_MAP]),),
        events=(mount_failed("data-0", 'configmap "carriers" not found'),),
        phase=Phase.QUEUED,
    ),
    Case(
        "no key in the ConfigMap",
        Reason.CONFIG_MAP_NOT_FOUND,
        ["ConfigMap carriers has no key c.csv"],
        pods=(starting(volumes=[CONFIG_MAP]),),
        events=(mount_failed("data-0", "configmap references non-existent config key: c.csv"),),
        phase=Phase.QUEUED,
    ),
    Case(
        "of several mounts that failed the last one counts",
        Reason.CONFIG_MAP_NOT_FOUND,
        ["carriers"],
        pods=(starting(volumes=[SECRET, CONFIG_MAP]),),
        events=(
            mount_failed("data-0", 'configmap "carriers" not found'),
            mount_failed("secret-0", 'secret "warehouse" not found', age=timedelta(seconds=9)),
        ),
        phase=Phase.QUEUED,
    ),
    Case(
        "a mount that only takes its time",
        Reason.QUEUED,
        ["is starting"],
        pods=(starting(volumes=[SECRET]),),
        events=(mount_failed("secret-0", "failed to sync secret cache: timed out waiting for the condition"),),
        phase=Phase.QUEUED,
    ),
    Case(
        "a pod that admission refuses",
        Reason.POD_REFUSED,
        ["refuses the run's pod: exceeded quota: pods=3.", DEADLINE],
        events=(refused(f'pods "{JOB.metadata.name}-7xk2p" is forbidden: exceeded quota: pods=3'),),
        phase=Phase.QUEUED,
    ),
]

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


@pytest.mark.parametrize("case", GOING + WAITING + ENDED, ids=lambda case: case.name)
def test_reason_and_message(case: Case) -> None:
    manifest = report(status=case.status or None)
    decision = decide(facts(manifest, jobs=(case.job,), pods=case.pods, events=case.events))
    status = decision.status
    assert status is not None
    assert (status.reason, status.phase, status.stage) == (case.reason, case.phase, case.stage)
    assert status.attempt == case.attempt
    for part in case.says:
        assert part in (status.message or "")
    conditions = {c.type: (c.status, c.reason) for c in status.conditions}
    if (case in WAITING and case.reason is not Reason.QUEUED) or case in ENDED:
        assert conditions == {"Ready": ("False", case.reason), "Stalled": ("True", case.reason)}
    else:
        assert conditions == {"Ready": ("Unknown", case.reason), "Reconciling": ("True", case.reason)}


@pytest.mark.parametrize("case", ENDED, ids=lambda case: case.name)
def test_a_failed_run_leaves_nothing_behind(case: Case) -> None:
    decision = decide(facts(report(), jobs=(case.job,), pods=case.pods))
    assert decision.cleanup == (
        plan_facts.DiscardArtifacts(SUBJECT.run_id),
        plan_facts.Seal(SUBJECT.job_name),
    )


@pytest.mark.parametrize(
    "said",
    [
        'pods "{}" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes',
        'admission webhook "policy.example" denied the request: pod {} has no owner',
        'Internal error occurred: failed calling webhook "policy.example": no endpoints available',
    ],
)
def test_every_refusal_for_the_same_cause_has_the_same_message(said: str) -> None:
    """Each retry of the Job controller has a pod name of its own, and Events that are alike are put together."""
    pod_names = [f"{JOB.metadata.name}-{random}" for random in ("7xk2p", "b9vzq")]
    events = [refused(said.format(name), aggregated) for name in pod_names for aggregated in (False, True)]
    messages = {
        status.message for each in events if (status := decide(facts(report(), jobs=(JOB,), events=(each,))).status)
    }
    assert len(messages) == 1
    assert not any(name in str(messages) for name in pod_names)


def test_pods_of_others_do_not_count() -> None:
    strange = pod(JOB, ended(), ended(), ended(0, "{}"))
    foreign = strange.model_copy(update={"metadata": strange.metadata.model_copy(update={"owner_references": []})})
    status = decide(facts(report(), jobs=(JOB,), pods=(foreign,))).status
    assert status is not None
    assert status.reason is Reason.QUEUED


def test_an_endless_message_is_cut() -> None:
    status = decide(facts(report(), jobs=(JOB,), events=(refused("x" * 5000),))).status
    assert status is not None
    assert len(status.message or "") == 2048
    assert all(len(c.message) <= 2048 for c in status.conditions)
