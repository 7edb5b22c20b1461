"""What a Report's runs of older generations leave behind, and the run of a settled one."""

from report_operator.api.conditions import ENDED, Phase
from report_operator.api.report import ReportStatus
from report_operator.api.retention import OnDelete
from report_operator.plan import names, uploads
from report_operator.plan.facts import (
    AbandonUploads,
    Action,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    ReadResult,
    RetainArtifacts,
    Seal,
)
from report_operator.plan.objects import Job

_MOST_UNSEEN = 10


def unfinished_others(facts: Facts) -> list[Job]:
    """Return Jobs of other generations that may still work."""
    return [job for job in _others(facts) if not _is_over(job, facts.subject.status)]


def of_settled(facts: Facts) -> tuple[Action, ...]:
    """Return what a settled Report still needs: its own run sealed, others ended or sealed."""
    job, subject = facts.job, facts.subject
    ending = tuple(DeleteJob(other.metadata.name) for other in unfinished_others(facts))
    if job is None or job.is_sealed:
        return (*ending, *of_others(facts))
    if _is_late(job, subject.status):
        return (*ending, *of_others(facts), DeleteJob(subject.job_name))
    stored = in_store(facts, listed=bool(subject.status.artifacts))
    return (*ending, *of_others(facts), *stored, DeleteSecret(subject.job_name), Seal(subject.job_name))


def in_store(facts: Facts, *, listed: bool) -> tuple[Action, ...]:
    """Return what the current run still needs in the store when it has ended; `listed` tells whether its files stay."""
    subject = facts.subject
    if not listed:
        return (DiscardArtifacts(subject.run_id),)
    large = subject.spec is not None and uploads.large_files(subject.spec)
    return (AbandonUploads(subject.run_id),) if large else ()


def retained(facts: Facts, run_id: str) -> tuple[Action, ...]:
    """Return what lets a run's files stay when the Report is deleted, where the spec asks for that."""
    spec = facts.subject.spec
    return (RetainArtifacts(run_id),) if spec is not None and spec.retention.on_delete is OnDelete.RETAIN else ()


def of_others(facts: Facts) -> tuple[Action, ...]:
    """Return what runs of older generations still need when they have ended."""
    known = facts.subject.status
    actions: list[Action] = []
    for job in _others(facts):
        if _is_over(job, known) and not job.is_sealed:
            made = _has_made_files(job, known)
            actions.append(AbandonUploads(job.run_id) if made else DiscardArtifacts(job.run_id))
            actions += [DeleteSecret(job.metadata.name), Seal(job.metadata.name)]
    if _is_abandoned(facts) and known.run_id is not None:
        actions.append(DiscardArtifacts(known.run_id))
    return tuple(actions)


def unrecorded(facts: Facts) -> ReadResult | None:
    """Return the question what the last run of an older generation has left that ended and whose end is not on record.

    It may have delivered, all of it or a part. None when there is no such run, when the status is about this
    generation's run already, and when this version cannot read the spec.
    """
    subject, known = facts.subject, facts.subject.status
    if subject.spec is None or known.run_id == subject.run_id:
        return None
    recorded = known.run_id if subject.has_ended else None
    over = [job for job in _others(facts) if _is_over(job, known) and not job.is_sealed and job.run_id != recorded]
    if over:
        last = max(over, key=lambda job: job.metadata.creation_timestamp)
        return _question(facts, last.run_id, is_cut_off=not last.is_complete)
    if _is_abandoned(facts) and known.job_name is not None and known.run_id is not None:
        return _question(facts, known.run_id, is_cut_off=True)
    return None


def unended(facts: Facts) -> dict[str, str]:
    """Return the ids of runs that will not end and have no Job, by the name that it had.

    Those are an abandoned run, and generations that were edited before their Job was on record: the operator may have
    been killed between a Secret and its Job.
    """
    subject, known = facts.subject, facts.subject.status
    first = max(known.observed_generation + (1 if known.phase in ENDED else 0), 1)
    unseen = range(first, subject.metadata.generation)[-_MOST_UNSEEN:]
    runs = {subject.job_name_of(generation): names.run_id(subject.metadata.uid, generation) for generation in unseen}
    if _is_abandoned(facts) and known.job_name is not None and known.run_id is not None:
        runs[known.job_name] = known.run_id
    there = {job.metadata.name for job in facts.jobs}
    return {name: run for name, run in runs.items() if name not in there}


def of_unended(facts: Facts) -> tuple[Action, ...]:
    """Return the deletion of the Secrets of those runs."""
    return tuple(DeleteSecret(name) for name in unended(facts))


def _question(facts: Facts, run_id: str, *, is_cut_off: bool) -> ReadResult:
    return ReadResult(None, run_id, names.run_prefix(*facts.subject.key, run_id) if is_cut_off else "")


def _others(facts: Facts) -> list[Job]:
    return [job for job in facts.jobs if job.metadata.name != facts.subject.job_name]


def _is_over(job: Job, known: ReportStatus) -> bool:
    """Return whether nothing of a Job is awaited any more.

    That its run has made its files can be on record a second before the Job controller marks the Job.
    """
    return job.is_finished or job.is_sealed or (_has_made_files(job, known) and not _is_late(job, known))


def _has_made_files(job: Job, known: ReportStatus) -> bool:
    return known.run_id == job.run_id and bool(known.artifacts)


def _is_late(job: Job, known: ReportStatus) -> bool:
    """Return whether a Job is not the one that the status is about, but was made under its name after that had gone.

    Only an operator that stood still in the middle of a look, for the whole life of the first Job, can have made it.
    """
    return known.start_time is not None and job.metadata.creation_timestamp > known.start_time


def _is_abandoned(facts: Facts) -> bool:
    """Return whether the run in the status is an older one that did not end and has no Job any more."""
    known = facts.subject.status
    unfinished = known.phase in (Phase.QUEUED, Phase.RUNNING)
    there = known.job_name in {job.metadata.name for job in facts.jobs}
    return unfinished and not there and known.run_id not in (None, facts.subject.run_id)
