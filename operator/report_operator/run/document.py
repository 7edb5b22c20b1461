"""The document: what a report says, before it is laid out as a page or written as JSON.

Every output that holds the whole document is made from this one model, so they all say the same.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from report_operator.api.entity import Entity
from report_operator.api.fields import Model, Time
from report_operator.api.report import Period
from report_operator.run import exact

Cell = Annotated[Any, PlainSerializer(exact.to_json, when_used="json")]
"""A value as the data has it; in JSON by the rules of `exact.to_json`."""


class TextContent(Model):
    """Prose."""

    type: Literal["text"] = "text"
    title: str | None = None
    content: str
    """Markdown, with the template language already applied."""


class MetricContent(Model):
    """One number."""

    type: Literal["metric"] = "metric"
    title: str
    value: Cell = None
    """As the data has it; not set when the table has no row or the value is NULL."""
    text: str
    """The value as people read it."""
    description: str | None = None


class GridContent(Model):
    """Cards side by side."""

    type: Literal["grid"] = "grid"
    columns: int
    cards: list[Annotated[TextContent | MetricContent, Field(discriminator="type")]]


class ColumnContent(Model):
    """A column of a table or an axis of a chart."""

    name: str
    title: str
    type: str
    """DuckDB type."""


class RowsContent(Model):
    """What tables and charts share: some rows of a table of the report."""

    table: str
    """Source or table that the rows are from."""
    title: str | None = None
    columns: list[ColumnContent]
    rows: list[list[Cell]]
    """The rows shown; members in the order of `columns`."""
    total_rows: int
    """Rows of the whole table."""


class TableContent(RowsContent):
    """Rows to read."""

    type: Literal["table"] = "table"
    total_columns: int
    """Columns that could be shown: those the author chose, or all of the table."""
    texts: Annotated[list[list[str]], Field(exclude=True)]
    """The rows as people read them; only for pages."""


class ChartContent(RowsContent):
    """Rows to draw. The columns are x, y and, when series are told apart, color."""

    type: Literal["chart"] = "chart"
    mark: Literal["bar", "line", "area", "point"]


Content = Annotated[
    TextContent | MetricContent | GridContent | TableContent | ChartContent, Field(discriminator="type")
]


class SectionContent(Model):
    """A titled part."""

    title: str | None = None
    content: list[Content]


class Document(Model):
    """The whole document."""

    id: str
    """The run's id."""
    created_at: Time
    """When the run was ordered."""
    namespace: str
    name: str
    """Namespace and name of the Report."""
    title: str
    period: Period | None = None
    entity: Entity | None = None
    """What it is about."""
    template: str
    """`standard`, or `configmap:<name>/<key>`."""
    sections: list[SectionContent]
    metrics: dict[str, str]
    """Text of every metric by title; the first of two equal titles."""
