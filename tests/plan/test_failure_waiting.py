"""Each way a run can hang has its documented reason, and a message that names what to do."""

from datetime import timedelta

import pytest

from report_operator.api.conditions import Phase, Reason
from report_operator.plan.report import decide
from tests.support.objects import facts, pod, report, waiting
from tests.support.run_cases import (
    CONFIG_MAP,
    DEADLINE,
    JOB,
    SECRET,
    Case,
    conditions,
    mount_failed,
    refused,
    starting,
)

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


@pytest.mark.parametrize("case", WAITING, ids=lambda case: case.name)
def test_reason_and_message(case: Case) -> None:
    going, stalled = ("Unknown", "Reconciling"), ("False", "Stalled")
    ready, other = going if case.reason is Reason.QUEUED else stalled
    assert conditions(case.written()) == {"Ready": (ready, case.reason), other: ("True", case.reason)}


def test_a_pod_that_is_refused_before_it_has_a_name() -> None:
    said = refused(f'pods "{JOB.metadata.name}-" is forbidden: error looking up service account team-a/nobody')
    status = decide(facts(report(), jobs=(JOB,), events=(said,))).status
    assert status is not None
    assert "refuses the run's pod: error looking up service account team-a/nobody." in (status.message or "")


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
    events = [refused(said.format(name), aggregated=aggregated) for name in pod_names for aggregated in (False, True)]
    messages = {
        status.message for each in events if (status := decide(facts(report(), jobs=(JOB,), events=(each,))).status)
    }
    assert len(messages) == 1
    assert not any(name in str(messages) for name in pod_names)


def test_an_endless_message_is_cut() -> None:
    status = decide(facts(report(), jobs=(JOB,), events=(refused("x" * 5000),))).status
    assert status is not None
    assert len(status.message or "") == 2048
    assert all(len(c.message) <= 2048 for c in status.conditions)
