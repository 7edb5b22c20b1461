"""How far a run is: from its Job, pods and Events to one of going on, failed, ended well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.fields import parse_duration
from report_operator.api.job import Run
from report_operator.api.run import Outcome
from report_operator.plan import failure
from report_operator.plan.failure import Cause
from report_operator.plan.objects import Event, Job, Pod, Terminated

STUCK_AFTER = timedelta(seconds=3)
"""A pod that has not started by then may be waiting for somebody; its Events are worth a request."""


@dataclass(frozen=True)
class Going:
    """The run goes on, or waits for something that `cause` names."""

    phase: Phase
    cause: Cause
    attempt: int


@dataclass(frozen=True)
class Failed:
    """The run ended without artifacts."""

    cause: Cause
    attempt: int


@dataclass(frozen=True)
class EndedWell:
    """The last stage ended well."""

    outcome: Outcome | None
    """What it wrote; None when its pod is gone, or its message cannot be read."""
    attempt: int


Progress = Going | Failed | EndedWell


def is_stuck(job: Job, pods: Sequence[Pod], now: datetime) -> bool:
    """Return whether no stage has started for so long that Events may tell why.

    A pod without a node is not stuck in this sense: its own conditions tell.
    """
    working = [pod for pod in pods if pod.is_at_work]
    if job.is_finished or job.spec.suspend or (pods and not working):
        return False
    if not working:
        return now - job.metadata.creation_timestamp > STUCK_AFTER
    pod = working[-1]
    return pod.is_scheduled and not pod.has_started and now - pod.metadata.creation_timestamp > STUCK_AFTER


def of_run(job: Job, pods: Sequence[Pod], events: Sequence[Event], run: Run, last_seen: Cause | None) -> Progress:
    """Return how far a run is.

    `pods` are the Job's, oldest first. `run` is the spec's; `last_seen` where the run was when it was last seen, or
    what it waited for.
    """
    counted = [pod for pod in pods if pod.is_failed and not pod.is_disrupted]
    failures = max(job.status.failed, len(counted))
    published = _published(pods)
    if published is not None or job.is_complete:
        outcome = failure.outcome_of(published) if published is not None else None
        return EndedWell(outcome, min(failures + 1, run.retries + 1))
    if job.failure is not None:
        attempts = min(max(failures, 1), run.retries + 1)
        cause = failure.of_ended_job(job, counted or pods, run.timeout, last_seen)
        after = f" (after {attempts} attempts)" if attempts > 1 else ""
        return Failed(replace(cause, message=cause.message + after), attempts)
    return _going(job, pods, events, failures, run)


def _going(job: Job, pods: Sequence[Pod], events: Sequence[Event], failures: int, run: Run) -> Going:
    deadline, attempt, most = _deadline(job, run), min(failures + 1, run.retries + 1), run.retries + 1
    if job.spec.suspend:
        who = f"Kueue resumes it when queue {job.queue_name} has room" if job.queue_name else "resume it to go on"
        return Going(Phase.QUEUED, Cause(Reason.QUEUED, f"Job {job.metadata.name} is suspended; {who}."), attempt)
    working = [pod for pod in pods if pod.is_at_work]
    if working:
        return _of_working(working[-1], events, deadline, attempt, most)
    if pods and pods[-1].is_disrupted:
        text = f"Pod {pods[-1].metadata.name} was ended by the cluster; another one follows."
        return Going(Phase.QUEUED, Cause(Reason.RETRYING, text), attempt)
    if pods:
        return _between_attempts(job, pods[-1], failures, most)
    made = Cause(Reason.QUEUED, f"Job {job.metadata.name} is made; its pod has not started.")
    return Going(Phase.QUEUED, failure.of_missing_pod(job, events, deadline) or made, attempt)


def _published(pods: Sequence[Pod]) -> Terminated | None:
    for pod in reversed(pods):
        state = pod.states.get(Stage.PUBLISH) or pod.states.get(Stage.REDELIVER)
        if state is not None and state.terminated is not None and state.terminated.exit_code == 0:
            return state.terminated
    return None


def _of_working(pod: Pod, events: Sequence[Event], deadline: str, attempt: int, most: int) -> Going:
    count = f", attempt {attempt} of {most}" if attempt > 1 else ""
    stage = pod.stage
    cause = failure.of_waiting_pod(pod, events, deadline)
    if cause is not None:
        return Going(Phase.RUNNING if stage else Phase.QUEUED, Cause(cause.reason, cause.message, stage), attempt)
    if stage is not None:
        return Going(Phase.RUNNING, Cause(Reason.RUNNING, f"Stage {stage} runs{count}.", stage), attempt)
    if pod.unschedulable is not None:
        text = f"No node takes the pod: {pod.unschedulable.message} {failure.goes_on(deadline)}"
        return Going(Phase.QUEUED, Cause(Reason.UNSCHEDULABLE, text), attempt)
    return Going(Phase.QUEUED, Cause(Reason.QUEUED, f"Pod {pod.metadata.name} is starting{count}."), attempt)


def _between_attempts(job: Job, pod: Pod, failures: int, most: int) -> Going:
    if job.is_failing or failures >= most or failure.is_final(pod):
        text = f"Stage {pod.stage} has failed; the Job is ending." if pod.stage else "The Job is ending."
        return Going(Phase.RUNNING, Cause(Reason.RUNNING, text, pod.stage), min(failures, most))
    cause = failure.of_failed_pod(pod)
    text = f"Attempt {failures} of {most} failed, another one follows. {cause.reason}: {cause.message}"
    return Going(Phase.RUNNING, Cause(Reason.RETRYING, text, cause.stage), failures)


def _deadline(job: Job, run: Run) -> str:
    end = (job.status.start_time or job.metadata.creation_timestamp) + parse_duration(run.timeout)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")
