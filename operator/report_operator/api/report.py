"""The Report resource: what a user writes and what the operator answers."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.deliveries import Delivery
from report_operator.api.destinations import RECIPIENTS, Destination
from report_operator.api.download import Download, LinkRefresh
from report_operator.api.entity import Entity, EntitySelector
from report_operator.api.fields import (
    INT32,
    INT64,
    LIST_ATOMIC,
    PRESERVE,
    FreeJson,
    Line,
    Model,
    Moment,
    Rule,
    Time,
    exactly_one,
    list_map,
    rules,
)
from report_operator.api.job import Run
from report_operator.api.known_tables import KNOWN_TABLES
from report_operator.api.outputs import Output, OutputFormat
from report_operator.api.redelivery import Redelivery
from report_operator.api.retention import Retention
from report_operator.api.sections import Section
from report_operator.api.sources import KeySelector, Source, Table
from report_operator.api.trial import Trial

_STEM = "(has({0}.name) ? {0}.name : has({0}.table) ? {0}.table : 'report')"


class Period(Model):
    """The time that a report is about: half-open, start included, end not."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="self.start < self.end",
                message="end must be after start",
            )
        )
    )

    start: Moment
    """First moment of the period (RFC 3339)."""
    end: Moment
    """First moment after the period (RFC 3339)."""


class Template(Model):
    """The page that HTML and PDF outputs are made with."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("name", "configMapRef")))

    name: Literal["standard"] | None = None
    """A built-in template."""
    config_map_ref: KeySelector | None = None
    """A Jinja2 template in a ConfigMap of the Report's namespace. It runs sandboxed, without network and Secrets."""
    params: Annotated[dict[str, FreeJson], Field(max_length=64)] = {}
    """Free JSON, `params` in the template and in texts."""


class ReportSpec(Model):
    """What data, which period, what it looks like, which files."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="!self.tables.exists(t, self.sources.exists(s, s.name == t.name))",
                message="tables[].name must not be the name of one of spec.sources: give the table another name",
            ),
            *KNOWN_TABLES,
        )
    )

    title: Line | None = None
    """Title on the document; the Report's name when not set."""
    period: Period | None = None
    """The time that the report is about; bound in every query as period_start and period_end."""
    sources: Annotated[list[Source], Field(max_length=16), list_map("name")] = []
    """Where the rows come from."""
    tables: Annotated[list[Table], Field(max_length=32), list_map("name")] = []
    """Tables made from the sources by SQL, in this order."""
    subject: EntitySelector | None = None
    """The entity of the data that the report is about."""
    template: Template = Template(name="standard")
    """The page of HTML and PDF outputs."""
    sections: Annotated[list[Section], Field(max_length=20), LIST_ATOMIC] = []
    """What the document shows."""
    outputs: Annotated[
        list[Output],
        Field(min_length=1, max_length=16),
        LIST_ATOMIC,
        Rule(
            rule=f"self.all(o, self.exists_one(p, p.format == o.format && {_STEM.format('p')} == {_STEM.format('o')}))",
            message="two outputs have the same file name (name, else table, else report): set name on one of them",
        ),
    ]
    """The files to make."""
    destinations: Annotated[
        list[Destination],
        Field(max_length=8),
        list_map("name"),
        Rule(
            rule="self.map(d, has(d.email) ? d.email.to.size() + d.email.cc.size() + d.email.bcc.size() : 1).sum()"
            f" <= {RECIPIENTS}",
            message=f"more than {RECIPIENTS} recipients in all: use a mailing list",
        ),
    ] = []
    """Where the report is sent when all files are in the store."""
    download: Download = Download()
    """The signed links."""
    retention: Retention = Retention()
    """How long the files are kept."""
    run: Run = Run()
    """How the run's Job is made."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Reports of a namespace with the same key and spec have one result: the first runs, the others make no run and
    send nothing; `status.sameAs` names it."""
    cancel: bool = False
    """End the run of this Report, or the wait for it: nothing is kept of it, unless it has begun to deliver; then
    `status.deliveries` tells who has its files. A Report that has succeeded or failed is left as it is. Set it back to
    false to run again."""

    @property
    def table_names(self) -> list[str]:
        """Return the names of all sources and tables."""
        return [*(source.name for source in self.sources), *(table.name for table in self.tables)]


class Artifact(Model):
    """One file of the run, in the store."""

    name: Annotated[str, Field(max_length=80)]
    """File name, unique within the Report."""
    format: OutputFormat
    """Format of the file."""
    media_type: Annotated[str, Field(max_length=100)]
    """Content type that it is served with."""
    size: Annotated[int, Field(ge=0), INT64]
    """Bytes."""
    sha256: Annotated[str, Field(max_length=64)]
    """SHA-256 of the content, hexadecimal."""
    rows: Annotated[int, Field(ge=0), INT64] | None = None
    """Rows of a file that holds one table."""
    uri: Annotated[str, Field(max_length=1024)]
    """Where it is, for programs with their own credentials: s3://bucket/key."""
    download_url: Annotated[str, Field(max_length=4096)] | None = None
    """Signed link that saves the file under its name; not set where `download.links` is Disabled."""
    view_url: Annotated[str, Field(max_length=4096)] | None = None
    """Signed link that shows the file in the browser."""
    url_expires_at: Time | None = None
    """When both links stop working."""


class Condition(Model):
    """As metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    """Type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(min_length=1, max_length=64)]
    """Why, in one stable CamelCase word."""
    message: Annotated[str, Field(max_length=2048)]
    """Why, for people."""
    last_transition_time: Time
    """When status last changed."""
    observed_generation: Annotated[int, Field(ge=-1), INT64]
    """The generation that the condition is about."""


class QueuePlace(Model):
    """Where a run stands that waits because as many run as may."""

    position: Annotated[int, Field(ge=1), INT32]
    """1 is the next to start: of the cluster, or of its namespace where that has as many as it may. Looked at anew
    about every half minute, further back less often, at least every five minutes."""
    since: Time
    """When it began to wait."""
    estimated_wait_seconds: Annotated[int, Field(ge=0), INT64] | None = None
    """How long it will wait by the measured durations of the runs that are under way; not set while none is known."""


class ReportStatus(Model):
    """What became of it. Times are UTC."""

    observed_generation: Annotated[int, INT64] = -1
    """The generation that this status is about; -1 before the operator has seen the object."""
    phase: Phase | None = None
    """Queued, Running, Succeeded, Failed, Cancelled or Expired."""
    stage: Stage | None = None
    """While running: fetch, render or publish; redeliver while something is sent again."""
    reason: Reason | None = None
    """Reason of the Ready condition, or of Expired."""
    message: Annotated[str, Field(max_length=2048)] | None = None
    """Message of the Ready condition, or of Expired."""
    run_id: Annotated[str, Field(max_length=63)] | None = None
    """Identity of the run; the same in Events, logs and metrics. One per uid and generation."""
    job_name: Annotated[str, Field(max_length=63)] | None = None
    """The run's Job."""
    attempt: Annotated[int, Field(ge=1), INT32] | None = None
    """Number of the current or last attempt, from 1."""
    period: Period | None = None
    """The period that was used."""
    subject: Entity | None = None
    """The entity that the report is about."""
    queue: QueuePlace | None = None
    """Only while it waits for its turn."""
    start_time: Time | None = None
    """When the run was started."""
    completion_time: Time | None = None
    """When the run had ended and was recorded."""
    log: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=10), LIST_ATOMIC] = []
    """The last lines of the log of the stage that failed, without credentials; empty where it was ended before it could
    tell."""
    metrics: Annotated[
        dict[str, Annotated[str, Field(max_length=200)]],
        Field(max_length=64),
    ] = {}
    """The document's metrics by title, written as in the document."""
    inline: Annotated[dict[str, Any], PRESERVE] | None = None
    """The JSON document of an inline output, if it has at most 16 KiB."""
    artifacts: Annotated[list[Artifact], Field(max_length=17), list_map("name")] = []
    """The files; there only when all of them are in the store. With destinations, deliveries.json too: the ledger."""
    links_renew_at: Time | None = None
    """When the links of the artifacts are replaced by new ones, long before they stop working; only where
    `download.refresh` is Auto."""
    link_refresh: LinkRefresh | None = None
    """What became of the last request for new links."""
    expires_at: Time | None = None
    """When the artifacts are deleted, by `spec.retention`; not set for never. Reports of a ScheduledReport that are
    among its `history.keepLast` stay longer."""
    deliveries: Annotated[list[Delivery], Field(max_length=8), list_map("name")] = []
    """What became of the deliveries, by destination."""
    same_as: Annotated[str, Field(max_length=253)] | None = None
    """Name of the Report whose run this status tells of: the first one with the same `spec.idempotencyKey`."""
    redelivery: Redelivery | None = None
    """What became of the last request to send again."""
    test_send: Trial | None = None
    """What became of the last request for a test."""
    conditions: Annotated[list[Condition], Field(max_length=16), list_map("type")] = []
    """Ready, Reconciling and Stalled (kstatus), Rendered, Delivered, Inlined and Expired."""


class ObjectMeta(Model):
    """The parts of Kubernetes' ObjectMeta that the operator reads."""

    name: str
    namespace: str = "default"
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None


class Report(Model):
    """One report: data, period, looks, files. Editing the spec makes a new run."""

    api_version: Literal["report-operator.io/v1alpha1"] = "report-operator.io/v1alpha1"
    kind: Literal["Report"] = "Report"
    metadata: ObjectMeta
    spec: ReportSpec
    status: ReportStatus = ReportStatus()

    @property
    def title(self) -> str:
        """Return the document's title."""
        return self.spec.title or self.metadata.name


def key_of(manifest: dict[str, Any]) -> tuple[str, str]:
    """Return (namespace, name) of any namespaced object."""
    return manifest["metadata"].get("namespace", "default"), manifest["metadata"]["name"]
