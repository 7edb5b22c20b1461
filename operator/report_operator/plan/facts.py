"""What a decision is made from, and what it consists of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from report_operator.api.deliveries import DeliveryState
from report_operator.api.report import ReportStatus
from report_operator.api.run import Outcome, Result
from report_operator.plan.links import SignedLinks
from report_operator.plan.objects import Event, Job, Pod
from report_operator.plan.policy import NO_RULES, Rules
from report_operator.plan.run_queue import Turn
from report_operator.plan.subject import Subject


@dataclass(frozen=True)
class StoredFile:
    """A planned file that is in the store."""

    size: int
    """Bytes."""
    uri: str
    """`s3://bucket/key`."""
    links: SignedLinks | None = None
    """The signed links to it; None where none are made."""


@dataclass(frozen=True)
class Stored:
    """What a run has left that has ended."""

    result: Result | None
    """What the run says it made; None when that cannot be had."""
    problem: str
    """Why there is no result; empty when there is one."""
    files: Mapping[str, StoredFile]
    """The planned files that are in the store, by name."""

    def begun(self, run_id: str | None) -> Result | None:
        """Return the result of this run if it has begun to deliver: a ledger is stored before the first send."""
        result = self.result
        return result if result is not None and result.ledger is not None and result.run_id == run_id else None


@dataclass(frozen=True)
class Facts:
    """Everything that is known about a Report at one moment."""

    now: datetime
    """UTC."""
    subject: Subject
    """The Report."""
    jobs: tuple[Job, ...] = ()
    """All its Jobs, of every generation."""
    redeliveries: tuple[Job, ...] = ()
    """Its Jobs that send again, of every generation; the others are among `jobs`."""
    pods: tuple[Pod, ...] = ()
    """Pods of the Job that is followed, oldest first; read only while it is not sealed."""
    events: tuple[Event, ...] = ()
    """Kubernetes Events about a pod or Job that does not get on; read only then."""
    stored: Stored | None = None
    """Answer to ReadResult."""
    refusal: str | None = None
    """Answer to StartRun or StartRedelivery when the API server refused it: what it said."""
    turn: Turn | None = None
    """Answer to StartRun or StartRedelivery when other runs come first."""
    nothing_to_send: str | None = None
    """Answer to StartRedelivery when the store has not what it needs: what is missing."""
    first: Subject | None = None
    """The Report with the same idempotency key that runs; None when this one does."""
    key_settles_in: timedelta | None = None
    """How long to wait until it is known which Report with the key is the first."""
    trial_problem: str | None = None
    """Answer to MakeTrial: why there is no test, empty when there is."""
    new_links: Mapping[str, SignedLinks] | None = None
    """Answer to SignLinks: by name of the file; none where the platform team has disabled links."""
    rules: Rules = NO_RULES
    """The platform team's policy for its namespace."""
    outage: str | None = None
    """What the operator cannot reach, and why."""

    @property
    def job(self) -> Job | None:
        """Return the Job of the current run."""
        return next((job for job in self.jobs if job.metadata.name == self.subject.job_name), None)

    @property
    def redelivery(self) -> Job | None:
        """Return the Job of the redelivery that the status tells of."""
        name = self.subject.redelivery_name
        return next((job for job in self.redeliveries if job.metadata.name == name), None)

    @property
    def followed(self) -> Job | None:
        """Return the Job whose progress decides what comes next; None when there is none, or it is tidied up."""
        job = self.redelivery if self.subject.is_settled else self.job
        return job if job is not None and not job.is_sealed else None


@dataclass(frozen=True)
class StartRun:
    """Make the run's Secret, then its Job. Answered by the Job among the facts, by a refusal or by a turn."""

    job_name: str


@dataclass(frozen=True)
class StartRedelivery:
    """Make the Secret and then the Job that send again.

    Answered by the Job among the facts, by a refusal, by a turn, or by what is missing.
    """

    job_name: str
    token: str
    """Of the request."""
    states: frozenset[DeliveryState]
    """What is sent again: the deliveries in these states."""


@dataclass(frozen=True)
class MakeTrial:
    """Make the Report of a test send, instead of that of the one before. Answered by `Facts.trial_problem`."""

    manifest: Mapping[str, Any]
    before: str | None
    """Name of the Report of the test before, if there was one."""


@dataclass(frozen=True)
class SignLinks:
    """Make new links to the files in the status. Answered by `Facts.new_links`."""


@dataclass(frozen=True)
class ReadResult:
    """Read and check what the run has left. Answered by `Facts.stored`."""

    outcome: Outcome | None
    """What the last stage wrote; None when its pod is gone and the store has to tell."""
    run_id: str | None = None
    """The run, where it is not that of this generation."""
    cut_off: str = ""
    """Folder of the ledger of what was ended while it may have delivered; empty where that has told its end itself."""


@dataclass(frozen=True)
class DeleteJob:
    """End a Job and wait for its pods (propagation policy Foreground); delete its Secret."""

    name: str


@dataclass(frozen=True)
class DeleteSecret:
    """Delete a run's Secret."""

    name: str


@dataclass(frozen=True)
class DiscardArtifacts:
    """Delete what a run that did not succeed has put into the store.

    Where it has begun to deliver, recipients have links to its files, and its ledger tells who: then only what it did
    not complete is deleted. The sweep lets the others go when they have been kept for their time (plan/orphans.py).
    """

    run_id: str


@dataclass(frozen=True)
class AbandonUploads:
    """Delete what a run that succeeded has uploaded of files that it did not complete."""

    run_id: str


@dataclass(frozen=True)
class RenewLinks:
    """Put new links into the Secret of a run or redelivery that goes on."""

    job_name: str
    redelivery: StartRedelivery | None = None
    """What the Job was made for; None for that of the run."""


@dataclass(frozen=True)
class RetainArtifacts:
    """Have the store remember that what a run has put into it stays when the Report is deleted."""

    run_id: str


@dataclass(frozen=True)
class Seal:
    """Give a Job a time to live. Done last of all: it tells that nothing is left to do for the run."""

    job_name: str


Question = StartRun | StartRedelivery | MakeTrial | SignLinks | ReadResult
"""Actions whose answer asks for another decision."""
Action = Question | DeleteJob | DeleteSecret | DiscardArtifacts | AbandonUploads | RenewLinks | RetainArtifacts | Seal


@dataclass(frozen=True)
class Announcement:
    """An Event to record on the Report."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """What to do now, in the order of the fields."""

    actions: tuple[Action, ...] = ()
    """In this order. After a Question, decide again with its answer."""
    status: ReportStatus | None = None
    """The status to write; None when it is right as it is."""
    announcements: tuple[Announcement, ...] = ()
    """Events that tell of a transition."""
    cleanup: tuple[Action, ...] = ()
    """What must not happen before the status is written."""
    requeue_after: timedelta | None = None
    """Look again after this time at the latest; None when an event will come, or nothing."""
    retry: bool = False
    """Look again after a delay that grows with every time in a row."""
