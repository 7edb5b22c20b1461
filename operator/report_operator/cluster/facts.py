"""Reads what a decision about a Report needs, and no more."""

from dataclasses import replace
from datetime import datetime

from report_operator.api.metadata import REPORT_UID_LABEL, RUN_ID_LABEL
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import NotFoundError
from report_operator.plan import progress
from report_operator.plan.facts import Facts
from report_operator.plan.objects import Event, Job, Pod
from report_operator.plan.subject import Subject


async def gather(cluster: Cluster, subject: Subject, now: datetime, *, look_for_jobs: bool) -> Facts:
    """Return the facts about a Report that was just read: three requests at most.

    Its Jobs if asked for; the pods of the one that is followed while it is not sealed; the Events of a pod or Job only
    when it does not get on.
    """
    uid = subject.metadata.uid
    if subject.metadata.deletion_timestamp is not None or not look_for_jobs:
        return Facts(now, subject)
    ours = [job for job in await _jobs(cluster, subject) if job.metadata.is_owned_by(uid)]
    runs, redeliveries = (tuple(job for job in ours if job.is_redelivery is again) for again in (False, True))
    facts = Facts(now, subject, runs, redeliveries)
    job = facts.followed
    if job is None:
        return facts
    pods = await _pods(cluster, job)
    events = await _events(cluster, job, pods) if progress.is_stuck(job, pods, now) else ()
    return replace(facts, pods=pods, events=events)


async def _jobs(cluster: Cluster, subject: Subject) -> list[Job]:
    """Return the Report's Jobs, by name where there can be one only: for a list the API server reads all of them."""
    namespace, uid = subject.metadata.namespace, subject.metadata.uid
    if not subject.has_one_job_at_most:
        return [Job.model_validate(job) for job in await cluster.jobs(namespace, f"{REPORT_UID_LABEL}={uid}")]
    job = await find_job(cluster, namespace, subject.job_name)
    return [job] if job is not None else []


async def find_job(cluster: Cluster, namespace: str, name: str) -> Job | None:
    """Return a Job; None when there is none."""
    try:
        return Job.model_validate(await cluster.job(namespace, name))
    except NotFoundError:
        return None


async def _pods(cluster: Cluster, job: Job) -> tuple[Pod, ...]:
    found = await cluster.pods(job.metadata.namespace, f"{RUN_ID_LABEL}={job.run_id}")
    pods = [Pod.model_validate(pod) for pod in found]
    mine = [pod for pod in pods if pod.metadata.is_owned_by(job.metadata.uid)]
    return tuple(sorted(mine, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name)))


async def _events(cluster: Cluster, job: Job, pods: tuple[Pod, ...]) -> tuple[Event, ...]:
    about = pods[-1].metadata if pods else job.metadata
    return tuple(Event.model_validate(e) for e in await cluster.events_about(about.namespace, about.uid))
