"""Lets runs start in their turn: knows who waits and which Jobs have not ended.

All of it is in memory and learnt anew at every start: the Jobs from a listing, before the first run is let in; who
waits from the looks at the Reports, which come in any order in the first seconds. Two operators by accident may let in
more than the limits say; a run's names still keep it from being started twice.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from report_operator.api.conditions import Phase
from report_operator.api.metadata import REPORT_LABEL, SCHEDULE_UID_LABEL
from report_operator.api.report import ReportStatus
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import ClusterError
from report_operator.plan.durations import Durations
from report_operator.plan.objects import Job
from report_operator.plan.run_queue import Limits, Name, RunQueue, Turn, Waiting
from report_operator.plan.subject import Subject

logger = logging.getLogger(__name__)

RELIST_SECONDS = 600.0
RETRY_SECONDS = 5.0


class Admission:
    """The run queue of this process.

    `wake` is called with the Report of a run whose turn has come while nobody looked at it.
    """

    def __init__(self, limits: Limits, wake: Callable[[Name], None]) -> None:
        self._queue = RunQueue(limits)
        self._durations = Durations()
        self._wake = wake
        self._called: dict[Name, Name] = {}
        """Jobs that have a place but have not been made yet, by Report."""
        self._listing: set[Name] | None = None
        """While Jobs are listed: those that something newer than the listing has told of."""
        self._listed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Return whether the Jobs have been listed."""
        return self._listed.is_set()

    @property
    def waiting(self) -> int:
        """Return how many runs wait for their turn."""
        return self._queue.waiting

    @property
    def working(self) -> int:
        """Return how many runs hold a place."""
        return len(self._queue.working)

    async def take(self, subject: Subject, now: datetime, job: str | None = None) -> Turn | None:
        """Give the run of a Report a place, or tell where it stands. The first listing of the Jobs is waited for.

        `job` is the Job's name, where it is not the run's own. A place that was given is to be kept with `keep` or
        given back with `leave`.
        """
        await self._listed.wait()
        run = Waiting.of(subject, now, job)
        if self._called.get(run.report) not in (None, run.job):
            self.leave(run.report)
        if not self._queue.has_place(run.job):
            self._queue.join(run)
            self._call(asking=run.report)
        return None if self._queue.has_place(run.job) else self._queue.turn_of(run.report, self._durations)

    def keep(self, report: Name) -> None:
        """Note that the Job of a Report is made."""
        self._called.pop(report, None)

    def leave(self, report: Name) -> None:
        """Note that a Report does not wait, and that it makes no use of a place that it was given."""
        self._queue.leave(report)
        job = self._called.pop(report, None)
        if job is not None:
            self._free(job)

    def measure(self, subject: Subject, written: ReportStatus) -> None:
        """Learn how long runs take from the status that a Report has been given, if it tells that its run has ended."""
        ended = written.phase in (Phase.SUCCEEDED, Phase.FAILED) and not subject.has_ended and written.same_as is None
        if ended and written.start_time is not None and written.completion_time is not None:
            schedule = subject.metadata.labels.get(SCHEDULE_UID_LABEL, "")
            self._durations.add((subject.metadata.namespace, schedule), written.completion_time - written.start_time)

    def see(self, manifest: Json, *, gone: bool = False) -> None:
        """Learn of a Job of ours from a watch."""
        job = Job.model_validate(manifest)
        name = _name(job)
        if self._listing is not None:
            self._listing.add(name)
        if gone or not _counts(job):
            self._free(name)
        else:
            self._hold(job)

    async def follow(self, jobs: Callable[[], AsyncIterator[Json]]) -> None:
        """List the Jobs at once and then now and again, for ever: kopf tells of no deletion in a gap of its watch."""
        while True:
            try:
                await self.list(jobs())
            except ClusterError as error:
                logger.warning("the Jobs cannot be listed: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(RELIST_SECONDS)

    async def list(self, jobs: AsyncIterator[Json]) -> None:
        """Learn of all Jobs of ours; forget those that have gone without a word. Raises what the listing raises."""
        self._listing = set()
        before = self._queue.working - set(self._called.values())
        there: set[Name] = set()
        try:
            async for manifest in jobs:
                job = Job.model_validate(manifest)
                if _counts(job):
                    there.add(_name(job))
                    self._learn(job)
            for name in before - there - self._listing:
                self._queue.end(name)
        finally:
            self._listing = None
        self._listed.set()
        self._call()

    def _learn(self, job: Job) -> None:
        """Count a Job of a listing, unless a watch has told something newer of it."""
        if self._listing is not None and _name(job) not in self._listing:
            self._hold(job)

    def _hold(self, job: Job) -> None:
        report = (job.metadata.namespace, job.metadata.labels[REPORT_LABEL])
        if self._called.get(report) == _name(job):
            self.keep(report)
        self._queue.begin(_name(job), job.metadata.labels.get(SCHEDULE_UID_LABEL, ""))

    def _free(self, job: Name) -> None:
        self._queue.end(job)
        self._call()

    def _call(self, asking: Name | None = None) -> None:
        """Let in those whose turn it is."""
        while self._listed.is_set() and (run := self._queue.call_next()) is not None:
            self._called[run.report] = run.job
            if run.report != asking:
                self._wake(run.report)


def _name(job: Job) -> Name:
    return job.metadata.namespace, job.metadata.name


def _counts(job: Job) -> bool:
    """Return whether a Job holds a place: it is a run's, has not ended, and Kueue has no say in it."""
    over = job.is_finished or job.is_sealed
    return REPORT_LABEL in job.metadata.labels and not over and not job.queue_name
