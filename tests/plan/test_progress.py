"""Events cost a request, so they are read only of what does not get on."""

from datetime import timedelta

import pytest

from report_operator.plan import progress
from report_operator.plan.objects import Job, Pod
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, condition, ended, job, pod, report, running, waiting

SUBJECT = Subject.from_manifest(report())
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OLD = job(SUBJECT, age=MINUTE)
SCHEDULED = [condition("PodScheduled")]


def starting(age: timedelta, *, scheduled: bool = True) -> Pod:
    return pod(OLD, waiting(), phase="Pending", age=age, conditions=SCHEDULED if scheduled else [])


@pytest.mark.parametrize(
    ("case", "of", "pods", "stuck"),
    [
        ("a Job that has just been made", job(SUBJECT, age=SECOND), (), False),
        ("a Job without a pod", OLD, (), True),
        ("a Job between attempts", OLD, (pod(OLD, ended(75), phase="Failed"),), False),
        ("a Job that has ended", job(SUBJECT, condition("Failed"), age=MINUTE), (), False),
        ("a pod that has just been made", OLD, (starting(SECOND),), False),
        ("a pod that does not start", OLD, (starting(MINUTE),), True),
        ("a pod without a node", OLD, (starting(MINUTE, scheduled=False),), False),
        ("a pod that runs", OLD, (pod(OLD, running(), age=MINUTE, conditions=SCHEDULED),), False),
        ("a second pod that does not start", OLD, (pod(OLD, ended(75), phase="Failed"), starting(MINUTE)), True),
    ],
)
def test_what_is_stuck(case: str, of: Job, pods: tuple[Pod, ...], stuck: bool) -> None:
    assert progress.is_stuck(of, pods, NOW) is stuck, case
