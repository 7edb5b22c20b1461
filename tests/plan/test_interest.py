"""A run makes dozens of watch events; those that a decision depends on are looked at, and no others."""

from typing import Any

import pytest

from report_operator.api.conditions import Stage
from report_operator.plan import interest
from report_operator.plan.subject import Subject
from tests.support.objects import condition, ended, job, pod, report, running, waiting

Json = dict[str, Any]
SUBJECT = Subject.from_manifest(report())
JOB = job(SUBJECT)


REDELIVER = {"report-operator.io/redeliver": "t1"}
TOKEN = "1/me@example.com"
REFRESH = {"report-operator.io/refresh-links": "t1"}
TEST = {"report-operator.io/test-send": TOKEN}


def status(phase: str, reason: str = "Running", generation: int = 1) -> Json:
    return {"observedGeneration": generation, "phase": phase, "reason": reason}


def sent_again(phase: str) -> Json:
    return status("Failed") | {"redelivery": {"token": "t1", "phase": phase}}


@pytest.mark.parametrize(
    ("case", "manifest", "when_changed", "when_listed"),
    [
        ("new", report(), True, True),
        ("edited", report(generation=2, status=status("Succeeded")), True, True),
        ("running", report(status=status("Running")), False, True),
        ("queued", report(status=status("Queued")), False, True),
        ("succeeded", report(status=status("Succeeded")), False, False),
        ("failed", report(status=status("Failed", "QueryFailed")), False, False),
        ("unreadable: an upgrade may read it", report(status=status("Failed", "InvalidSpec")), False, True),
        ("found invalid by its run", report(status=status("Failed", "InvalidSpec") | {"runID": "x-1"}), False, False),
        ("a newer operator's phase", report(status=status("Archived")), False, False),
        ("to be sent again", report(status=status("Failed"), annotations=REDELIVER), True, True),
        ("being sent again", report(status=sent_again("Running"), annotations=REDELIVER), False, True),
        ("was sent again", report(status=sent_again("Ended"), annotations=REDELIVER), False, False),
        ("to have new links", report(status=status("Succeeded"), annotations=REFRESH), True, True),
        (
            "has new links",
            report(status=status("Succeeded") | {"linkRefresh": {"token": "t1"}}, annotations=REFRESH),
            False,
            False,
        ),
        ("to be tested", report(status=status("Running"), annotations=TEST), True, True),
        (
            "was tested",
            report(status=status("Failed") | {"testSend": {"token": TOKEN}}, annotations=TEST),
            False,
            False,
        ),
        ("going", report(deletionTimestamp="2026-05-04T06:00:00Z"), False, False),
    ],
)
def test_reports(case: str, manifest: Json, when_changed: bool, when_listed: bool) -> None:
    assert interest.in_report(manifest, listed=False) is when_changed, case
    assert interest.in_report(manifest, listed=True) is when_listed, case


def view_of_job(*args: Json, **fields: Any) -> interest.JobView | None:
    return interest.in_job(job(SUBJECT, *args, **fields).to_wire())


def test_jobs() -> None:
    assert view_of_job() == interest.NEW_JOB
    assert view_of_job(failed=1) != interest.NEW_JOB
    assert view_of_job(condition("Failed")) != view_of_job(condition("Complete"))
    assert view_of_job(condition("Complete"), ttl=3600) is None


def test_a_job_that_is_held_back_is_as_new_until_it_is_released() -> None:
    held = view_of_job({"type": "Suspended", "status": "True"})
    assert held == interest.NEW_JOB
    assert view_of_job({"type": "Suspended", "status": "False"}) != held


def view_of_pod(*states: Json, **fields: Any) -> interest.PodView:
    return interest.in_pod(pod(JOB, *states, **fields).to_wire())


def test_pods() -> None:
    starting = view_of_pod(waiting(), waiting(), waiting("ContainerCreating"), phase="Pending")
    assert starting == interest.NEW_POD
    assert view_of_pod(waiting("ImagePullBackOff"), phase="Pending") != starting
    assert view_of_pod(running(), waiting(), waiting()).stage is Stage.FETCH
    assert view_of_pod(ended(), waiting(), waiting()).stage is Stage.RENDER
    done = view_of_pod(ended(), ended(), ended(), phase="Running")
    assert done != view_of_pod(ended(), ended(), running())
    assert done == view_of_pod(ended(), ended(), ended(), phase="Succeeded"), "the result was there before"
    assert view_of_pod(ended(75), phase="Failed").failed
