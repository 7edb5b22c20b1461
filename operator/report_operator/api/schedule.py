"""The spec of a ScheduledReport: when, about which time, what, and the rules for the odd cases."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from report_operator.api.destinations import Destination
from report_operator.api.entity import EntityOverride
from report_operator.api.fields import (
    INT32,
    LIST_ATOMIC,
    Duration,
    FreeJson,
    Model,
    Moment,
    Rule,
    between,
    list_map,
    rules,
)
from report_operator.api.metadata import GROUP
from report_operator.api.preflight import Preflight
from report_operator.api.report import ReportSpec
from report_operator.api.timing import CronLine, Frequency, Window, ZoneName

_LABEL_VALUE = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_META_KEY = "([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_META_KEYS = Rule(
    rule=f"self.all(key, key.matches('^{_META_KEY}$') && !key.startsWith('{GROUP}/'))",
    message=f"keys are name or prefix/name as in Kubernetes; those that begin with {GROUP}/ are the operator's",
)


class ConcurrencyPolicy(StrEnum):
    """What happens to a slot that comes while an earlier run of the same variant has not ended."""

    ALLOW = "Allow"
    """The new run starts beside it."""
    FORBID = "Forbid"
    """The new run is skipped, and counted in `status.skipped`."""
    REPLACE = "Replace"
    """The new run starts, the earlier one is cancelled."""


class CatchUpPolicy(StrEnum):
    """What happens to slots that the operator could not start within a minute: it was down, or cut off."""

    NONE = "None"
    """They are missed."""
    LATEST = "Latest"
    """The latest runs if no later one is due; the others are missed."""
    ALL = "All"
    """They run, the latest `limit` of them."""


class OnDelete(StrEnum):
    """What becomes of the Reports when their ScheduledReport is deleted."""

    KEEP = "Keep"
    """They stay, with their artifacts."""
    DELETE = "Delete"
    """They are deleted with it."""


class CatchUp(Model):
    """What is done about slots that fell while the operator was down.

    Slots before the creation, before an edit of the timing or while suspended never run. With All, and a
    concurrencyPolicy other than Allow, they run one by one, and slots that come meanwhile after them.
    """

    policy: CatchUpPolicy = CatchUpPolicy.LATEST
    """None, Latest or All."""
    limit: Annotated[int, Field(ge=1, le=100), INT32] = 10
    """With All, and of slots within a probe of the destinations: so many at most, the latest, 1 to 100."""


class Backfill(Model):
    """A past range to make Reports for: those whose period lies in it, oldest first, after all other runs.

    A slot that has a Report already gets no second one. At most 1000 slots. A changed range is worked off anew.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(rule="self.from < self.to", message="to must be after from"),
            Rule(
                rule="self.from >= self.to || self.to <= self.from + duration('87840h')",
                message="the range is longer than ten years: use several, one after the other",
            ),
        )
    )

    from_: Annotated[Moment, Field(alias="from")]
    """The earliest start of a period."""
    to: Moment
    """The latest end of a period. Slots that are not due yet are left to the schedule."""


class History(Model):
    """Which of the Reports that have ended are kept, counted for each variant. Backfilled ones are not counted."""

    successful: Annotated[int, Field(ge=0, le=1000), INT32] = 100
    """Reports that succeeded, 0 to 1000; the default is more than 90 days of a daily report."""
    failed: Annotated[int, Field(ge=0, le=1000), INT32] = 20
    """Reports that failed or were cancelled, 0 to 1000."""
    keep_last: Annotated[int, Field(ge=0, le=1000), INT32] = 1
    """So many of the latest Reports that succeeded are kept in any case, 0 to 1000."""
    on_delete: OnDelete = OnDelete.KEEP
    """Keep or Delete the Reports when the ScheduledReport is deleted."""


class OnFailure(Model):
    """Who is told when runs of the schedule fail, and when they succeed again."""

    notify: Annotated[list[Destination], Field(min_length=1, max_length=4), list_map("name")]
    """Where a notice is sent, by a Report of its own: once when runs begin to fail, at most once an hour while they go
    on to fail, and once when one succeeds again. Subject and body of a mail are ours unless they are set here."""


class TemplateMetadata(Model):
    """Labels and annotations for the Reports. Those of the ScheduledReport itself are never copied."""

    labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63, pattern=f"^{_LABEL_VALUE}$")]], Field(max_length=32), _META_KEYS
    ] = {}
    """Labels."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32), _META_KEYS] = {}
    """Annotations."""


class ReportTemplate(Model):
    """The Reports that are made."""

    metadata: TemplateMetadata = TemplateMetadata()
    """Their labels and annotations."""
    spec: Annotated[
        ReportSpec,
        Rule(
            rule="!has(self.cancel) || !self.cancel",
            message="leave cancel out: set it on the Report whose run is to end, or spec.suspend to start no more",
        ),
        Rule(
            rule="!has(self.period)",
            message="leave period out: each run has its own, see spec.window",
        ),
        Rule(
            rule="!has(self.idempotencyKey)",
            message="leave idempotencyKey out: all runs would have the result of the first; slots are run once anyway",
        ),
    ]
    """Their spec, without a period and not cancelled."""


class Variant(Model):
    """One of several Reports that every run makes, such as one for each region."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Name; a label of its Reports."""
    params: Annotated[dict[str, FreeJson], Field(max_length=64)] = {}
    """Merged over `template.spec.template.params`: a key here replaces the same key there."""
    subject: EntityOverride | None = None
    """Merged over `template.spec.subject`: a field here replaces the same field there; one of timeRange, entityID and
    hint replaces whichever of them is there."""
    suspend: bool = False
    """Leave the variant out of runs."""


class ScheduledReportSpec(Model):
    """When to make Reports, about which time, and what they are."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="!(has(self.schedule) && has(self.frequency))",
                message="set schedule or frequency, not both; leave both out to run on demand only",
            ),
            Rule(
                rule="!has(self.backfill) || has(self.schedule) || has(self.frequency)",
                message="backfill needs schedule or frequency, which say what the runs of the past are",
            ),
        )
    )

    schedule: Annotated[list[CronLine], Field(min_length=1, max_length=10), LIST_ATOMIC] | None = None
    """Cron lines, 1 to 10, as Kubernetes' CronJob reads them: day-of-month and day-of-week, both set, mean either.
    Two lines that hit the same minute make one run. With neither schedule nor frequency it runs on demand only."""
    frequency: Frequency | None = None
    """Every day, week or month, about the day, week or month before."""
    time_zone: ZoneName = "UTC"
    """IANA zone that times and midnights are in. A fixed time runs once on days when clocks change: a time that is left
    out at the first moment after, one that comes twice at the first of the two. Lines with `*` or a step without an end
    in the minute or hour run at each wall-clock time that there is."""
    window: Window | None = None
    """The period of each run; when not set, with frequency as described there, with schedule the time since the slot
    before."""
    suspend: bool = False
    """Start no runs but manual ones. Runs under way go on; slots in the meantime are never made up for."""
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.ALLOW
    """Allow, Forbid or Replace a run while an earlier one of the same variant has not ended; backfilled runs are not
    counted, they wait."""
    starting_deadline: Annotated[Duration, between("10s", "8784h")] | None = None
    """A run that could not start so long after its time is missed, 10s to 8784h, whatever it has waited for."""
    catch_up: CatchUp = CatchUp()
    """What is done about slots that fell while the operator was down."""
    jitter: Annotated[Duration, between("0s", "24h")] | None = None
    """Start runs later by a part of this, 0s to 24h, that is always the same for this object; the period is not
    moved."""
    backfill: Backfill | None = None
    """A past range to make Reports for."""
    stop_after: Annotated[int, Field(ge=1, le=100), INT32] | None = None
    """Stop after so many slots in a row without a Report that succeeded, 1 to 100; an edit or a manual run that
    succeeds starts it again."""
    on_failure: OnFailure | None = None
    """Who is told when runs of the schedule fail. Manual and backfilled runs are not told of."""
    history: History = History()
    """Which of the Reports that have ended are kept."""
    preflight: Preflight = Preflight.PROBE
    """Probe or Skip. With Probe a new schedule, or one whose destinations were edited, is accepted when these answer:
    mail servers to a login, web servers to a HEAD, buckets to a marker that is written and deleted."""
    template: ReportTemplate
    """The Reports that are made."""
    variants: Annotated[list[Variant], Field(min_length=1, max_length=20), list_map("name")] | None = None
    """One Report for each of these and every run, 1 to 20; a single one when not set."""
