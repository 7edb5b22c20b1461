"""Phases, stages, condition types and reasons: the words that users and their tools match on.

The conditions follow kstatus (sigs.k8s.io/cli-utils, pkg/kstatus/README.md): `Reconciling` and `Stalled` are there with
status True only while they hold, and never both.
"""

from enum import StrEnum


class Phase(StrEnum):
    """Where a Report is, in one word for people; tools read the conditions."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED})
"""The phases of a run that is over."""


class Stage(StrEnum):
    """The step that a running Report is in; also the names of the run's containers."""

    FETCH = "fetch"
    RENDER = "render"
    PUBLISH = "publish"
    REDELIVER = "redeliver"


RUN_STAGES = (Stage.FETCH, Stage.RENDER, Stage.PUBLISH)
"""The stages of a run, in their order; `redeliver` has a Job of its own."""


class ConditionType(StrEnum):
    """Types of the conditions of a Report."""

    READY = "Ready"
    """True when the artifacts of this generation are in the store and linked, and sent to every destination."""
    RECONCILING = "Reconciling"
    """True while the operator or the run works on it."""
    STALLED = "Stalled"
    """True when nothing goes on until somebody acts: `message` says who and how."""
    RENDERED = "Rendered"
    """Only with destinations: whether all artifacts are in the store, whatever became of the deliveries."""
    DELIVERED = "Delivered"
    """Only with destinations: whether every recipient of every destination has got the report."""
    EXPIRED = "Expired"
    """Only with status True, and then without Ready: the files were kept as long as `spec.retention.ttl` says."""
    INLINED = "Inlined"
    """Only with an inline output: whether `status.inline` holds the document, or why not."""


class Reason(StrEnum):
    """Why a condition has its status. Values are API: they are added, never renamed."""

    # Going on
    QUEUED = "Queued"
    """The Job is made; its pod has not started."""
    RUNNING = "Running"
    """The stage in `status.stage` runs."""
    RETRYING = "Retrying"
    """An attempt failed for a passing cause; the message names it and the next attempt."""
    RUN_LIMIT_REACHED = "RunLimitReached"
    """As many runs as the platform team allows have not ended; `status.queue` tells when it is this one's turn."""
    CANCELLING = "Cancelling"
    """The run is being ended because of `spec.cancel`."""
    REPLACING = "Replacing"
    """The spec was edited during a run; that run is being ended before the new one starts."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod; the scheduler keeps trying until the deadline."""
    REDELIVERING = "Redelivering"
    """What was not delivered is being sent again, as the annotation report-operator.io/redeliver asks for."""
    OPERATOR_RETRYING = "OperatorRetrying"
    """The operator could not reach the store or the API server; it tries again by itself."""

    # Done
    SUCCEEDED = "Succeeded"
    """All artifacts are in the store."""
    DELIVERED = "Delivered"
    """Every destination has got the report."""
    EXPIRED = "Expired"
    """The files were kept as long as `spec.retention.ttl` says and are deleted; edit the spec to make them again."""
    INLINE_TOO_LARGE = "InlineTooLarge"
    """The document is larger than 16 KiB; use its link."""

    CANCELLED = "Cancelled"
    """The run was ended, or did not begin, because of `spec.cancel`; set it to false to run again."""

    # Needs the author of the Report
    INVALID_SPEC = "InvalidSpec"
    """The spec passed the API server but cannot be run; the message names the field."""
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    """A Secret, or the key in it, does not exist in the Report's namespace."""
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    """A ConfigMap, or the key in it, does not exist in the Report's namespace."""
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    """A source refused the credentials."""
    SOURCE_NOT_FOUND = "SourceNotFound"
    """A source says that the data does not exist (HTTP 404 or 410, unknown database)."""
    SOURCE_REFUSED = "SourceRefused"
    """A source refused the request for another reason (another HTTP 4xx, no permission)."""
    QUERY_FAILED = "QueryFailed"
    """A SQL statement is wrong: syntax, unknown table or column, type error."""
    DATA_INVALID = "DataInvalid"
    """Data cannot be read as its declared format; the message names the place."""
    REQUEST_CHANGED = "RequestChanged"
    """Somebody has replaced the Secret of the run, which says what it has to do; edit the spec to run again."""
    COLUMN_NOT_FOUND = "ColumnNotFound"
    """A block, or spec.subject, names a column that its table does not have."""
    SUBJECT_NOT_FOUND = "SubjectNotFound"
    """No entity of the data is the one that spec.subject asks for, or there is none at all; the message names the
    nearest ones, or how many there are."""
    TEMPLATE_FAILED = "TemplateFailed"
    """A template cannot be compiled or fails; the message names the line."""
    OUT_OF_MEMORY = "OutOfMemory"
    """A stage was killed at its memory limit."""
    DISK_FULL = "DiskFull"
    """The run's scratch volume is full."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """The run took longer than `spec.run.timeout`."""
    JOB_DELETED = "JobDeleted"
    """Somebody deleted the Job before it ended; edit the spec to run again."""

    IDEMPOTENCY_CONFLICT = "IdempotencyConflict"
    """Another Report of the namespace has the same `spec.idempotencyKey` and another spec; there is no run."""
    DELIVERY_FAILED = "DeliveryFailed"
    """The artifacts are in the store, but some recipients have not got the report; `status.deliveries` tells more."""
    DELIVERY_UNKNOWN = "DeliveryUnknown"
    """The artifacts are in the store, but it is not known whether some recipients have got the report: the run was
    ended between a send and the note about it. Nothing is sent again unasked."""
    TEST_REFUSED = "TestRefused"
    """Only of Events: the annotation report-operator.io/test-send asks for what cannot be done; `status.testSend` and
    the message say why."""
    LINK_REFRESH_REFUSED = "LinkRefreshRefused"
    """Only of Events: the annotation report-operator.io/refresh-links asks for what cannot be done;
    `status.linkRefresh` and the message say why."""
    REDELIVERY_REFUSED = "RedeliveryRefused"
    """Only of Events: the annotation report-operator.io/redeliver asks for what cannot be done; `status.redelivery` and
    the message say why."""

    # Needs the platform team
    NOT_ALLOWED_BY_POLICY = "NotAllowedByPolicy"
    """The platform team's policy does not allow what the Report asks for, or what its run found; the message names the
    rule."""
    JOB_REFUSED = "JobRefused"
    """The API server refused the Job (admission, quota, policy)."""
    POD_REFUSED = "PodRefused"
    """The API server refused the Job's pod (quota, limit range, pod security, missing service account)."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The run's image cannot be pulled."""

    # Passing causes; an attempt is made again, `spec.run.retries` times
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    """A source did not answer, or answered with an HTTP 5xx or 429."""
    STORE_UNAVAILABLE = "StoreUnavailable"
    """The store did not answer, or answered with an HTTP 5xx."""
    STORE_REFUSED = "StoreRefused"
    """The store refused an upload (4xx): expired link, missing bucket, no permission."""
    ARTIFACT_MISSING = "ArtifactMissing"
    """The run ended well, but the store does not hold what it reported."""
    INTERNAL_ERROR = "InternalError"
    """A fault of report-operator; the logs of the run hold the traceback."""
    POD_LOST = "PodLost"
    """A pod ended without saying why (node gone, eviction, kill)."""


WITHOUT_RUN = frozenset({Reason.INVALID_SPEC, Reason.NOT_ALLOWED_BY_POLICY, Reason.IDEMPOTENCY_CONFLICT})
"""Reasons of a Report that had no run at all, and may get one though it is not edited: after an upgrade of the
operator, a change of the policy, or of another Report. Runs may end with them too; their status has a run id."""
