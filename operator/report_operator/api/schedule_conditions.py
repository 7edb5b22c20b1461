"""Condition types and reasons of a ScheduledReport: the words that users and their tools match on.

`Ready` says that the schedule is accepted, never how a run went: `helm upgrade --wait` must not wait for last night's
report (kstatus: sigs.k8s.io/cli-utils, pkg/kstatus/README.md).
"""

from enum import StrEnum


class ScheduleConditionType(StrEnum):
    """Types of the conditions of a ScheduledReport."""

    READY = "Ready"
    """True when the schedule is accepted, also while it is suspended."""
    STALLED = "Stalled"
    """Only with status True: the schedule cannot be followed until it is edited."""
    RECONCILING = "Reconciling"
    """Only with status True: the destinations are being probed."""
    STOPPED = "Stopped"
    """Only with status True: `spec.stopAfter` slots in a row have failed and no run starts by itself."""


class ScheduleReason(StrEnum):
    """Why a condition has its status. Values are API: they are added, never renamed."""

    SCHEDULED = "Scheduled"
    """Runs start by the schedule."""
    ON_DEMAND = "OnDemand"
    """There is no schedule; runs start by annotation."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is set, or every variant is suspended."""
    STOPPED_AFTER_FAILURES = "StoppedAfterFailures"
    """Too many slots in a row have failed; edit the spec, or run it by hand with success."""
    INVALID_SCHEDULE = "InvalidSchedule"
    """A cron line never fires or cannot be read, or the time zone is unknown."""
    INVALID_SPEC = "InvalidSpec"
    """The spec passed the API server but cannot be followed; the message names the field."""
    NOT_ALLOWED_BY_POLICY = "NotAllowedByPolicy"
    """The platform team's policy does not allow what the Reports would ask for; the message names the rule."""
    PROBING = "Probing"
    """Whether the destinations can be reached is being found out; runs start when they can."""
    DESTINATION_UNREACHABLE = "DestinationUnreachable"
    """A destination cannot be reached, or lets nobody in; the message says which and why. It is probed again: at once
    when the spec is edited, else after longer and longer times, up to an hour."""
    NOTICE_REFUSED = "NoticeRefused"
    """Of an Event: the API server refused the notice to owners (admission, quota, policy)."""
    CHANGE_REFUSED = "ChangeRefused"
    """Of an Event: the API server refused to have a Report cancelled, owned or deleted (admission)."""


class SlotReason(StrEnum):
    """Why a slot, or a manual run, has no Report. Values are API: they are added, never renamed."""

    OPERATOR_UNAVAILABLE = "OperatorUnavailable"
    """Missed: the operator was down or cut off, and `spec.catchUp` does not ask for the slot, or not any more."""
    STARTING_DEADLINE_EXCEEDED = "StartingDeadlineExceeded"
    """Missed: more than `spec.startingDeadline` had passed."""
    EDITED = "Edited"
    """Missed: the timing was edited, or the schedule suspended, before the run could start."""
    PROBING = "Probing"
    """Missed: it fell within a probe of the destinations, as did so many later ones as `spec.catchUp.limit` allows."""
    ALREADY_RUNNING = "AlreadyRunning"
    """Skipped: an earlier run has not ended, and `spec.concurrencyPolicy` is Forbid."""
    REPORT_REFUSED = "ReportRefused"
    """Skipped: the API server refused the Report (admission, quota, policy). A slot of a backfill waits instead."""
    INVALID_RUN_PERIOD = "InvalidRunPeriod"
    """Skipped: the annotation for the period of a manual run cannot be read."""
    VARIANTS_SUSPENDED = "VariantsSuspended"
    """Skipped: a manual run was asked for while every variant is suspended."""
