"""Ways a run can hang, fail or go on, as Kubernetes shows them, and what the Report is to say then."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.report import ReportStatus
from report_operator.plan.objects import Event, Job, Pod
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import condition, event, facts, job, pod, report, waiting

SUBJECT = Subject.from_manifest(report())
JOB = job(SUBJECT)
DEADLINE = "2026-05-04T06:30:10Z"
"""When a run of that Job is ended."""

SECRET = {"name": "secret-0", "secret": {"secretName": "warehouse"}}
CONFIG_MAP = {"name": "data-0", "configMap": {"name": "carriers"}}


@dataclass(frozen=True)
class Case:
    """What Kubernetes shows, and what the Report is to say."""

    name: str
    reason: Reason
    says: list[str]
    job: Job = JOB
    pods: tuple[Pod, ...] = ()
    events: tuple[Event, ...] = ()
    phase: Phase = Phase.FAILED
    stage: Stage | None = None
    attempt: int = 1
    status: dict[str, Any] = field(default_factory=dict)
    """The Report's status so far."""

    def written(self) -> ReportStatus:
        """Return the status that is written; the Report says what it is to say."""
        manifest = report(status=self.status or None)
        status = decide(facts(manifest, jobs=(self.job,), pods=self.pods, events=self.events)).status
        assert status is not None
        assert (status.reason, status.phase, status.stage) == (self.reason, self.phase, self.stage)
        assert status.attempt == self.attempt
        missing = [part for part in self.says if part not in (status.message or "")]
        assert missing == [], status.message
        return status


def conditions(status: ReportStatus) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition by its type."""
    return {c.type: (c.status, c.reason) for c in status.conditions}


def starting(**fields: Any) -> Pod:
    """Return a pod of the Job that has not started."""
    return pod(JOB, waiting(), waiting(), waiting(), phase="Pending", **fields)


def failed(*states: dict[str, Any], **fields: Any) -> Pod:
    """Return a pod of the Job that has failed."""
    return pod(JOB, *states, phase="Failed", **fields)


def mount_failed(volume: str, cause: str, age: timedelta = timedelta()) -> Event:
    """Return the kubelet's Event about a volume."""
    return event("FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {cause}', age)


def refused(said: str, *, aggregated: bool = False) -> Event:
    """Return the Job controller's Event about a pod that it may not make."""
    return event("FailedCreate", ("(combined from similar events): " if aggregated else "") + f"Error creating: {said}")


def fails(reason: str = "BackoffLimitExceeded", message: str = "") -> dict[str, Any]:
    """Return the condition of a Job that has failed."""
    return condition("Failed", reason, message)
