"""Names that the operator puts on objects, and those that it reads there: group, version, labels, annotations."""

from enum import StrEnum

GROUP = "report-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
"""On every object that the operator makes, with `MANAGER` as value; its watches select by it."""
MANAGER = "report-operator"

REPORT_LABEL = f"{GROUP}/report"
"""Name of the Report that a Job, pod or Secret belongs to."""
REPORT_UID_LABEL = f"{GROUP}/report-uid"
"""UID of that Report."""
RUN_ID_LABEL = f"{GROUP}/run-id"
"""The run's id; the same in status, Events, logs and metrics."""

KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""On a Job: Kueue's LocalQueue that starts it (https://kueue.sigs.k8s.io/docs/tasks/run/jobs/)."""

POLICY_LABEL = f"{GROUP}/policy"
"""On a ConfigMap in the operator's namespace: the namespace whose policy it holds, in POLICY_KEY."""
POLICY_KEY = "policy.yaml"
"""Key of that ConfigMap."""

LINKS_EXPIRE_ANNOTATION = f"{GROUP}/links-expire-at"
"""On a Job: when the links of its run end, where that may be before the run does (RFC 3339)."""
REQUEST_ANNOTATION = f"{GROUP}/request"
"""On such a Job: the request in its Secret, compressed."""

FIELD_MANAGER = "report-operator"
"""Field manager of every write of the operator."""

SCHEDULE_LABEL = f"{GROUP}/schedule"
"""Name of the ScheduledReport that a Report was made by; as annotation the whole name."""
PREFLIGHT_LABEL = f"{GROUP}/preflight"
"""UID of the ScheduledReport whose destinations a Job probes."""
SCHEDULE_UID_LABEL = f"{GROUP}/schedule-uid"
"""UID of that ScheduledReport; its Reports are selected by it."""
VARIANT_LABEL = f"{GROUP}/variant"
"""The variant that a Report is for; absent without variants."""
TRIGGER_LABEL = f"{GROUP}/trigger"
"""What a Report was made for: a `Trigger`. Absent on Reports that users make."""
SLOT_ANNOTATION = f"{GROUP}/slot"
"""The nominal time of a Report's slot, or when a manual run was asked for (RFC 3339, UTC)."""
NOTICE_ANNOTATION = f"{GROUP}/notice"
"""On the Report of a notice: which one of its ScheduledReport it is."""

RUN_NOW_ANNOTATION = f"{GROUP}/run-now"
"""On a ScheduledReport: any new value starts a run; on the Reports of that run, or of a test, the value."""
RUN_PERIOD_ANNOTATION = f"{GROUP}/run-period"
"""On a ScheduledReport: the period of manual runs, `<start>/<end>`, RFC 3339 times or dates in the schedule's zone."""
REDELIVER_ANNOTATION = f"{GROUP}/redeliver"
"""On a Report that has ended: any new value sends again what has failed; `unknown/<token>` also what may or may not
have arrived, `all/<token>` everything."""
TEST_SEND_ANNOTATION = f"{GROUP}/test-send"
"""On a Report or ScheduledReport: any new value `<token>/<address>` makes the report and mails it to that address."""
REDELIVERY_LABEL = f"{GROUP}/redelivery"
"""On the Job and Secret of a redelivery, beside the labels of its run: which one."""
REFRESH_LINKS_ANNOTATION = f"{GROUP}/refresh-links"
"""On a Report whose files are kept: any new value puts new links into its status."""
RECONCILE_ANNOTATION = "reconcile.fluxcd.io/requestedAt"
"""On a ScheduledReport: any new value has it looked at again (Flux); starts nothing."""


class Trigger(StrEnum):
    """What started a run, the most urgent first."""

    MANUAL = "manual"
    """An annotation."""
    TEST = "test"
    """An annotation that asks for the report to be mailed to one address, as a test."""
    NOTICE = "notice"
    """Failures that owners are to be told of, or their end."""
    SCHEDULED = "scheduled"
    """A slot."""
    BACKFILL = "backfill"
    """A slot of the past that `spec.backfill` asks for."""
