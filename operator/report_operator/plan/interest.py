"""Which watch events are worth a look: most are about something that no decision depends on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from report_operator.api.conditions import WITHOUT_RUN, Phase, Stage
from report_operator.api.metadata import (
    RECONCILE_ANNOTATION,
    REDELIVER_ANNOTATION,
    REFRESH_LINKS_ANNOTATION,
    RUN_NOW_ANNOTATION,
    RUN_PERIOD_ANNOTATION,
    TEST_SEND_ANNOTATION,
)
from report_operator.api.redelivery import TOKEN_LENGTH, RedeliveryPhase
from report_operator.plan.objects import Job, Pod


class ScheduleView(NamedTuple):
    """What decisions depend on in a ScheduledReport."""

    uid: str
    generation: int
    run_now: str | None
    run_period: str | None
    reconcile: str | None
    test_send: str | None


class JobView(NamedTuple):
    """What decisions depend on in a Job."""

    failed: int = 0
    conditions: frozenset[str] = frozenset()
    resumed: bool = False
    """Whether it was held back and is not any more."""


class PodView(NamedTuple):
    """What decisions depend on in a pod."""

    stage: Stage | None = None
    exit_codes: tuple[int, ...] = ()
    waiting_for: frozenset[str] = frozenset()
    unschedulable: bool = False
    failed: bool = False


NEW_JOB = JobView()
"""A Job as it is made; the operator knows that it made it."""
NEW_POD = PodView()
"""A pod that has not started."""

REQUESTS = (RUN_NOW_ANNOTATION, RUN_PERIOD_ANNOTATION, RECONCILE_ANNOTATION, TEST_SEND_ANNOTATION)
"""Annotations by which people and tools ask for something, in the order of ScheduleView."""
_ANSWERS = {
    REDELIVER_ANNOTATION: "redelivery",
    REFRESH_LINKS_ANNOTATION: "linkRefresh",
    TEST_SEND_ANNOTATION: "testSend",
}
"""Annotations by which something is asked for on a Report, with the fields of the status that echo them."""
_UNDER_WAY = frozenset({RedeliveryPhase.WAITING, RedeliveryPhase.RUNNING})
_ON_ITS_WAY = frozenset({"", "PodInitializing", "ContainerCreating"})


def in_report(manifest: Mapping[str, Any], *, listed: bool) -> bool:
    """Return whether a Report needs a look.

    `listed` says that it comes from a listing, so that it may have waited while no operator ran; otherwise only a new
    generation or request counts: the status changes by the operator's own hand.
    """
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return False
    if status.get("observedGeneration") != metadata["generation"]:
        return True
    annotations = metadata.get("annotations") or {}
    for annotation, field in _ANSWERS.items():
        token = annotations.get(annotation, "")[:TOKEN_LENGTH]
        if token and token != (status.get(field) or {}).get("token"):
            return True
    if listed and (status.get("redelivery") or {}).get("phase") in _UNDER_WAY:
        return True
    rejected = status.get("reason") in WITHOUT_RUN and "runID" not in status
    return listed and (rejected or status.get("phase") in {Phase.QUEUED, Phase.RUNNING})


def in_schedule(manifest: Mapping[str, Any]) -> ScheduleView:
    """Return what to compare with what was seen before: the status changes by the operator's own hand."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    return ScheduleView(metadata["uid"], metadata["generation"], *(annotations.get(name) for name in REQUESTS))


def in_job(manifest: Mapping[str, Any]) -> JobView | None:
    """Return what to compare with what was seen before; None when the Job is of no interest any more."""
    job = Job.model_validate(manifest)
    if job.is_sealed:
        return None
    found = {condition.type: condition.status for condition in job.status.conditions}
    resumed = found.pop("Suspended", "True") == "False"
    return JobView(job.status.failed, frozenset(kind for kind, state in found.items() if state == "True"), resumed)


def in_pod(manifest: Mapping[str, Any]) -> PodView:
    """Return what to compare with what was seen before."""
    pod = Pod.model_validate(manifest)
    states = pod.states.values()
    return PodView(
        stage=pod.stage,
        exit_codes=tuple(state.terminated.exit_code for state in states if state.terminated),
        waiting_for=frozenset(s.waiting.reason for s in states if s.waiting and s.waiting.reason not in _ON_ITS_WAY),
        unschedulable=pod.unschedulable is not None,
        failed=pod.is_failed,
    )
