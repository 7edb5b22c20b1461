"""From what Kubernetes shows to a documented reason and a message that one can act on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from report_operator.api.conditions import Reason, Stage
from report_operator.api.run import EXIT_USER_ERROR, Outcome
from report_operator.plan.objects import Event, Job, Pod, Terminated, Volume

EXIT_KILLED = 137
"""128 + SIGKILL: what a container that met its memory limit ends with."""

FINAL_EXIT_CODES = (EXIT_USER_ERROR, EXIT_KILLED)
"""Another attempt would end the same way. The Job's podFailurePolicy says it too (plan/job.py)."""

_PULL_PROBLEMS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
_START_PROBLEMS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

_MOUNT_FAILED = re.compile(r'MountVolume\.SetUp failed for volume "(?P<volume>[^"]+)" : (?P<cause>.+)', re.DOTALL)
_OBJECT_MISSING = re.compile(r'(?:secret|configmap) "[^"]+" not found')
_KEY_MISSING = re.compile(r"references non-existent (?:secret|config) key: (?P<key>\S+)")
_AGGREGATED = "(combined from similar events): "
"""k8s.io/client-go tools/record/events_cache.go puts it before the message of Events that are alike."""
_GOES_ON = "The run goes on by itself"


@dataclass(frozen=True)
class Cause:
    """Why a run does not go on, or did not."""

    reason: Reason
    message: str
    stage: Stage | None = None
    log: tuple[str, ...] = ()
    """The end of the stage's log, where it could still tell."""


def goes_on(deadline: str) -> str:
    """Return the sentence about a run that waits for somebody."""
    return f"{_GOES_ON} once this is mended, until {deadline}."


def of_ended_job(job: Job, pods: Sequence[Pod], timeout: str, last_seen: Cause | None) -> Cause:
    """Return why a Job failed for good.

    `pods` are the Job's, oldest first. `last_seen` is where the run was when it was last seen: the Job controller ends
    the pods of a Job that took too long, so that none can tell any more.
    """
    condition, stage = job.failure, last_seen.stage if last_seen is not None else None
    if condition is not None and condition.reason == "DeadlineExceeded":
        ended = f"The run was ended after spec.run.timeout ({timeout})."
        return Cause(Reason.DEADLINE_EXCEEDED, f"{ended} {_held_up_by(last_seen)}", stage)
    failed = [pod for pod in pods if pod.is_failed]
    if failed:
        return of_failed_pod(failed[-1])
    said = f" ({condition.reason}: {condition.message})" if condition is not None else ""
    return Cause(Reason.POD_LOST, f"The run's pod is gone and left no word of what happened{said}.", stage)


def of_failed_pod(pod: Pod) -> Cause:
    """Return why an attempt failed."""
    if pod.status.reason == "Evicted":
        return _of_eviction(pod)
    for stage, state in pod.states.items():
        if state.terminated is not None and state.terminated.exit_code != 0:
            return _of_exit(pod, stage, state.terminated)
    said = " ".join(filter(None, (pod.status.reason, pod.status.message)))
    return Cause(Reason.POD_LOST, f"Pod {pod.metadata.name} ended without saying why{said and f' ({said})'}.")


def is_final(pod: Pod) -> bool:
    """Return whether the Job makes no further attempt after this failed pod, whatever `retries` allows."""
    exits = [state.terminated.exit_code for state in pod.states.values() if state.terminated is not None]
    return not pod.is_disrupted and any(code in FINAL_EXIT_CODES for code in exits)


def of_waiting_pod(pod: Pod, events: Sequence[Event], deadline: str) -> Cause | None:
    """Return why a pod cannot start until somebody acts; None when it is merely on its way."""
    for container in pod.status.init_container_statuses + pod.status.container_statuses:
        waiting = container.state.waiting
        if waiting is not None and waiting.reason in _PULL_PROBLEMS:
            said = waiting.message or waiting.reason
            return Cause(
                Reason.IMAGE_PULL_FAILED, f"Image {container.image} cannot be pulled: {said}. {goes_on(deadline)}"
            )
        if waiting is not None and waiting.reason in _START_PROBLEMS:
            said = waiting.message or waiting.reason
            text = f"The kubelet cannot start container {container.name}: {said}. {goes_on(deadline)}"
            return Cause(Reason.INTERNAL_ERROR, text)
    mounts = sorted((event for event in events if event.reason == "FailedMount"), key=lambda event: event.time)
    for event in reversed(mounts):
        cause = _of_failed_mount(event.message, pod.spec.volumes)
        if cause is not None:
            return Cause(cause.reason, f"{cause.message} {goes_on(deadline)}")
    return None


def of_missing_pod(job: Job, events: Sequence[Event], deadline: str) -> Cause | None:
    """Return why a Job has no pod, from the Job's Events; None when it is merely on its way.

    Each retry of the Job controller has a pod name of its own; the same cause has the same message all the same.
    """
    refused = [event for event in events if event.reason == "FailedCreate"]
    if not refused:
        return None
    said = max(refused, key=lambda event: event.time).message
    said = said.removeprefix(_AGGREGATED).removeprefix("Error creating: ")
    said = _without_pod_name(said, job.metadata.name)
    return Cause(Reason.POD_REFUSED, f"The API server refuses the run's pod: {said}. {goes_on(deadline)}")


def outcome_of(terminated: Terminated) -> Outcome | None:
    """Return what a stage wrote as its termination message; None when it is not that."""
    try:
        return Outcome.model_validate_json(terminated.message)
    except ValidationError:
        return None


def _held_up_by(last_seen: Cause | None) -> str:
    """Return what a run that took too long did, as a sentence, or else what to do about it."""
    if last_seen is not None and last_seen.reason not in (Reason.QUEUED, Reason.RUNNING):
        return f"It was held up by {last_seen.reason}: {last_seen.message.partition(f' {_GOES_ON}')[0]}"
    if last_seen is not None and last_seen.stage is not None:
        return f"It was in stage {last_seen.stage}."
    return "Allow more time, or make it do less."


def _without_pod_name(said: str, job_name: str) -> str:
    """Return an API server's words with the Job's name for that of a pod.

    It ends in five characters (k8s.io/apiserver storage/names), or in the dash before them when the pod is refused
    before it has a name (admission/errors.go).
    """
    generated = rf"\b{re.escape(job_name)}-(?:[bcdfghjklmnpqrstvwxz2456789]{{5}}\b|(?=\"))"
    return re.sub(generated, job_name, said).removeprefix(f'pods "{job_name}" is forbidden: ')


def _of_exit(pod: Pod, stage: Stage, terminated: Terminated) -> Cause:
    if terminated.reason == "OOMKilled" or (terminated.exit_code == EXIT_KILLED and not _was_ended(pod)):
        return Cause(Reason.OUT_OF_MEMORY, _memory_message(pod, stage), stage)
    outcome = outcome_of(terminated)
    if outcome is not None and outcome.failure is not None:
        return Cause(outcome.failure.reason, outcome.failure.message, stage, tuple(outcome.failure.log))
    if _was_ended(pod):
        return Cause(Reason.POD_LOST, f"Pod {pod.metadata.name} was ended from outside during {stage}.", stage)
    said = f": {terminated.reason} {terminated.message[:300]}" if terminated.reason == "StartError" else "."
    logs = f"`kubectl logs {pod.metadata.name} -c {stage}` may tell more."
    text = f"Stage {stage} ended with exit code {terminated.exit_code} and no word of why{said} {logs}"
    return Cause(Reason.INTERNAL_ERROR, text, stage)


def _was_ended(pod: Pod) -> bool:
    return pod.is_disrupted or pod.metadata.deletion_timestamp is not None


def _memory_message(pod: Pod, stage: Stage) -> str:
    containers = pod.spec.init_containers + pod.spec.containers
    limits = [c.resources.limits["memory"] for c in containers if c.name == stage and "memory" in c.resources.limits]
    where = f"at its memory limit of {limits[0]}" if limits else "for lack of memory on its node (it has no limit)"
    return f"Stage {stage} was killed {where}. Raise spec.run.resources.limits.memory, or let the query return less."


def _of_eviction(pod: Pod) -> Cause:
    said = pod.status.message
    if "ephemeral" in said.lower() or "emptydir" in said.lower():
        text = (
            f"The run's scratch space is full: {said} Let the queries return less, or ask the platform team for more."
        )
        return Cause(Reason.DISK_FULL, text, pod.stage)
    return Cause(Reason.POD_LOST, f"Pod {pod.metadata.name} was evicted: {said}", pod.stage)


def _of_failed_mount(message: str, volumes: Sequence[Volume]) -> Cause | None:
    match = _MOUNT_FAILED.search(message)
    volume = next((v for v in volumes if match and v.name == match["volume"]), None)
    if match is None or volume is None:
        return None
    if volume.secret is not None:
        reason, what = Reason.SECRET_NOT_FOUND, f"Secret {volume.secret.secret_name}"
    elif volume.config_map is not None:
        reason, what = Reason.CONFIG_MAP_NOT_FOUND, f"ConfigMap {volume.config_map.name}"
    else:
        return None
    key = _KEY_MISSING.search(match["cause"])
    if key is not None:
        return Cause(reason, f"{what} has no key {key['key']}.")
    if _OBJECT_MISSING.search(match["cause"]):
        return Cause(reason, f"{what} does not exist in this namespace.")
    return None
