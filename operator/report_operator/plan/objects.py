"""The parts of Kubernetes' own objects that decisions are made from, as the API server writes them."""

from datetime import datetime

from report_operator.api.conditions import Stage
from report_operator.api.fields import Model, Time
from report_operator.api.metadata import (
    KUEUE_QUEUE_LABEL,
    LINKS_EXPIRE_ANNOTATION,
    REDELIVERY_LABEL,
    REQUEST_ANNOTATION,
    RUN_ID_LABEL,
)
from report_operator.api.run import Request

STAGES = tuple(Stage)
"""The names of the containers, in the order that those of a run work in."""


class OwnerReference(Model):
    """metav1.OwnerReference."""

    kind: str
    name: str
    uid: str


class Metadata(Model):
    """metav1.ObjectMeta."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    creation_timestamp: Time
    deletion_timestamp: Time | None = None

    def is_owned_by(self, uid: str) -> bool:
        """Return whether the object with this UID is an owner."""
        return any(owner.uid == uid for owner in self.owner_references)


class StatusCondition(Model):
    """A condition of a Job or pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class JobSpec(Model):
    """batch/v1 JobSpec."""

    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool = False


class JobStatus(Model):
    """batch/v1 JobStatus."""

    failed: int = 0
    start_time: Time | None = None
    conditions: list[StatusCondition] = []


class Job(Model):
    """batch/v1 Job."""

    metadata: Metadata
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    @property
    def run_id(self) -> str:
        """Return the run that the Job is for."""
        return self.metadata.labels.get(RUN_ID_LABEL, "")

    @property
    def is_redelivery(self) -> bool:
        """Return whether it sends again what the run has made."""
        return REDELIVERY_LABEL in self.metadata.labels

    @property
    def queue_name(self) -> str:
        """Return Kueue's queue that starts the Job; empty when it needs none."""
        return self.metadata.labels.get(KUEUE_QUEUE_LABEL, "")

    @property
    def links_expire_at(self) -> datetime | None:
        """Return when the links of the run end; None when it ends before, or the annotation is not ours."""
        return _time(self.metadata.annotations.get(LINKS_EXPIRE_ANNOTATION))

    @property
    def request(self) -> Request | None:
        """Return what the run has to do, where its links are renewed; None when the annotation is not ours."""
        try:
            return Request.unpacked(self.metadata.annotations[REQUEST_ANNOTATION])
        except (KeyError, ValueError, OSError):
            return None

    @property
    def failure(self) -> StatusCondition | None:
        """Return the condition of a Job that has failed and whose pods have all ended."""
        return _holding(self.status.conditions, "Failed")

    @property
    def is_complete(self) -> bool:
        """Return whether the Job ended well."""
        return _holding(self.status.conditions, "Complete") is not None

    @property
    def is_finished(self) -> bool:
        """Return whether the Job has ended, one way or the other."""
        return self.is_complete or self.failure is not None

    @property
    def is_failing(self) -> bool:
        """Return whether the Job will fail and its pods are being ended (KEP-3998, Kubernetes 1.31 and newer)."""
        return _holding(self.status.conditions, "FailureTarget") is not None

    @property
    def is_sealed(self) -> bool:
        """Return whether the run was tidied up: the time to live is what the operator sets last."""
        return self.spec.ttl_seconds_after_finished is not None


class Terminated(Model):
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""


class Waiting(Model):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Started(Model):
    """Since when a container runs."""

    started_at: Time | None = None


class ContainerState(Model):
    """One of three; none right after the pod was made."""

    running: Started | None = None
    terminated: Terminated | None = None
    waiting: Waiting | None = None


class ContainerStatus(Model):
    """core/v1 ContainerStatus."""

    name: str
    image: str = ""
    state: ContainerState = ContainerState()


class ContainerResources(Model):
    """core/v1 ResourceRequirements."""

    limits: dict[str, str] = {}


class Container(Model):
    """core/v1 Container."""

    name: str
    resources: ContainerResources = ContainerResources()


class ObjectSource(Model):
    """A volume's Secret or ConfigMap."""

    secret_name: str = ""
    name: str = ""


class Volume(Model):
    """core/v1 Volume."""

    name: str
    secret: ObjectSource | None = None
    config_map: ObjectSource | None = None


class PodSpec(Model):
    """core/v1 PodSpec."""

    init_containers: list[Container] = []
    containers: list[Container] = []
    volumes: list[Volume] = []


class PodStatus(Model):
    """core/v1 PodStatus."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[StatusCondition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []


class Pod(Model):
    """core/v1 Pod of a run."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def states(self) -> dict[Stage, ContainerState]:
        """Return the state of each stage's container that the kubelet has reported, in the stages' order."""
        reported = {
            container.name: container.state
            for container in self.status.init_container_statuses + self.status.container_statuses
        }
        return {stage: reported[stage] for stage in STAGES if stage in reported}

    @property
    def is_failed(self) -> bool:
        """Return whether the attempt failed."""
        return self.status.phase == "Failed"

    @property
    def is_at_work(self) -> bool:
        """Return whether the pod waits or runs."""
        return self.status.phase not in ("Failed", "Succeeded")

    @property
    def is_disrupted(self) -> bool:
        """Return whether the cluster ended the pod (preemption, drain, eviction); such an attempt is not counted."""
        return _holding(self.status.conditions, "DisruptionTarget") is not None

    @property
    def is_scheduled(self) -> bool:
        """Return whether the pod has a node."""
        return _holding(self.status.conditions, "PodScheduled") is not None

    @property
    def has_started(self) -> bool:
        """Return whether any container has run."""
        return any(state.running or state.terminated for state in self.states.values())

    @property
    def stage(self) -> Stage | None:
        """Return the stage that the pod is in: the first that has not ended well; None before the first has started."""
        if not self.has_started:
            return None
        states = self.states
        unfinished = (s for s, state in states.items() if state.terminated is None or state.terminated.exit_code != 0)
        return next(unfinished, list(states)[-1])

    @property
    def unschedulable(self) -> StatusCondition | None:
        """Return the scheduler's condition when no node takes the pod."""
        for condition in self.status.conditions:
            if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
                return condition
        return None


class Event(Model):
    """core/v1 Event about a Job or pod."""

    metadata: Metadata
    reason: str = ""
    message: str = ""
    last_timestamp: Time | None = None
    event_time: Time | None = None

    @property
    def time(self) -> datetime:
        """Return when it was last seen."""
        return self.last_timestamp or self.event_time or self.metadata.creation_timestamp


def _holding(conditions: list[StatusCondition], kind: str) -> StatusCondition | None:
    return next((c for c in conditions if c.type == kind and c.status == "True"), None)


def _time(text: str | None) -> datetime | None:
    """Return an aware time; None for what is none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
