"""The status of a ScheduledReport."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import INT32, INT64, LIST_ATOMIC, Model, Time, list_map
from report_operator.api.preflight import Probed
from report_operator.api.report import Condition, Period
from report_operator.api.schedule_conditions import SlotReason
from report_operator.api.timing import Frequency
from report_operator.api.trial import Trial

ACTIVE_LIMIT = 100
"""Most runs in `status.active`."""

_Name = Annotated[str, Field(max_length=253)]
_Message = Annotated[str, Field(max_length=2048)]
_Word = Annotated[str, Field(max_length=64)]


class RunPhase(StrEnum):
    """How a run went. What it does meanwhile is in the status of its Report."""

    ACTIVE = "Active"
    """It has not ended."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


REPORT_DELETED = "ReportDeleted"
"""Reason of a run whose Report is gone, and whose end was not seen before."""


class LastRun(Model):
    """The run of the last slot, or by hand if that is later; of several variants, one that failed if there is one."""

    name: _Name
    """Name of its Report."""
    slot: Time
    """The time that it was due, or asked for by hand."""
    phase: RunPhase
    """Active, Succeeded, Failed or Cancelled."""
    reason: _Word | None = None
    """Reason of its Report, when it has ended; ReportDeleted when that was deleted before."""
    message: _Message | None = None
    """Message of its Report, when it has ended."""
    start_time: Time
    """When its Report was made."""
    completion_time: Time | None = None
    """When it had ended."""


class ActiveRun(Model):
    """A run that has not ended."""

    name: _Name
    """Name of its Report."""
    variant: _Word | None = None
    """Its variant."""
    slot: Time
    """The time that it was due, or asked for by hand."""


class Tally(Model):
    """Slots without a Report, since the object was made."""

    count: Annotated[int, Field(ge=0), INT64] = 0
    """How many."""
    reason: SlotReason | None = None
    """Why, the last time."""
    message: _Message | None = None
    """Why, the last time, for people."""
    last_slot: Time | None = None
    """The last of them."""


class AppliedSchedule(Model):
    """The timing that is followed, and since when: an edit or a resume never runs what lies before it."""

    schedule: Annotated[list[Annotated[str, Field(max_length=120)]], Field(max_length=10), LIST_ATOMIC] | None = None
    """Cron lines."""
    frequency: Frequency | None = None
    """Frequency."""
    time_zone: _Word
    """Time zone."""
    paused: bool = False
    """No run starts by itself: suspended, stopped or invalid."""
    since: Time
    """Slots after this time count: the creation, the last edit of the timing, or the last resume."""
    decided_until: Time | None = None
    """The last slot that was run, skipped or missed."""


class BackfillProgress(Model):
    """How far the backfill is."""

    from_: Annotated[Time, Field(alias="from")]
    """As in the spec."""
    to: Time
    """As in the spec."""
    slots: Annotated[int, Field(ge=0), INT32] = 0
    """Slots in the range when it was taken up; later ones are left to the schedule."""
    decided: Annotated[int, Field(ge=0), INT32] = 0
    """Slots that have their Reports."""
    next_slot: Time | None = None
    """The next slot to make Reports for; not set when there is none left."""
    last_slot: Time | None = None
    """The last slot to make Reports for."""
    message: _Message | None = None
    """Why nothing is done: there are too many slots, or the API server refuses the next one, which is tried again every
    minute."""


class Failures(Model):
    """Slots in a row without a Report that succeeded."""

    in_a_row: Annotated[int, Field(ge=0), INT32] = 0
    """How many."""
    with_failures: Annotated[int, Field(ge=0), INT32] = 0
    """How many slots in a row have a Report that failed, whatever became of those of other variants."""
    counted_until: Time
    """Slots until this time are counted, but for those that had not ended when a later one had."""


class Notices(Model):
    """What owners have been told of."""

    failed_until: Time | None = None
    """They know that slots until this time have failed; not set when all is well as far as they know."""
    in_a_row: Annotated[int, Field(ge=0), INT32] = 0
    """How many slots in a row they know to have a Report that failed."""
    last_time: Time | None = None
    """When they were last told of failures."""


class ScheduledReportStatus(Model):
    """What becomes of it. Times are UTC."""

    observed_generation: Annotated[int, INT64] = -1
    """The generation that this status is about; -1 before the operator has seen the object."""
    schedule: Annotated[str, Field(max_length=1300)] | None = None
    """When it runs, in one line."""
    next_run_time: Time | None = None
    """When the next run starts, jitter included; not set while none will."""
    next_period: Period | None = None
    """The period of the next run."""
    last_schedule_time: Time | None = None
    """The last slot that Reports were made for."""
    last_successful_time: Time | None = None
    """When a run, by slot or by hand, last ended well."""
    last_failure_time: Time | None = None
    """When a run, by slot or by hand, last failed."""
    last_run: LastRun | None = None
    """The run of the last slot, or by hand if that is later."""
    active: Annotated[list[ActiveRun], Field(max_length=ACTIVE_LIMIT), list_map("name")] = []
    """Runs that have not ended, oldest first, at most 100."""
    missed: Tally = Tally()
    """Slots that could not be run in time."""
    skipped: Tally = Tally()
    """Slots that were not run, for some variant at least, because of a policy."""
    applied_schedule: AppliedSchedule | None = None
    """The timing that is followed, and since when."""
    catch_up: Annotated[list[Time], Field(max_length=100), LIST_ATOMIC] = []
    """With catchUp All and a policy other than Allow: slots of an outage that are still to be run, one by one, and
    those that have come since."""
    backfill: BackfillProgress | None = None
    """How far the backfill is."""
    failures: Failures | None = None
    """Slots in a row without a Report that succeeded."""
    notices: Notices | None = None
    """What owners have been told of."""
    preflight: Probed | None = None
    """The last probe of the destinations; not set where none is needed."""
    last_handled_run_now: Annotated[str, Field(max_length=1024)] | None = None
    """The annotation report-operator.io/run-now that was followed last."""
    test_send: Trial | None = None
    """What became of the last request for a test."""
    last_handled_reconcile_at: Annotated[str, Field(max_length=1024)] | None = None
    """The annotation reconcile.fluxcd.io/requestedAt that was seen last."""
    conditions: Annotated[list[Condition], Field(max_length=16), list_map("type")] = []
    """Ready, Stalled and Stopped (kstatus)."""
