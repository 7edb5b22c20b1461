"""What a report shows: sections of blocks. A new kind of block is a class here and a macro in `run/templates/`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from report_operator.api.fields import (
    LIST_ATOMIC,
    ColumnName,
    Identifier,
    Line,
    Markdown,
    Model,
    exactly_one,
    rules,
)


class ValueFormat(StrEnum):
    """How a value is written for people."""

    TEXT = "Text"
    """As it is: the year 2013 stays 2013."""
    INTEGER = "Integer"
    """With thousands separators: 336,776."""
    DECIMAL = "Decimal"
    """With the decimals of the column's type, or two."""
    PERCENT = "Percent"
    """A fraction: 0.125 is written 12.5 %."""
    BYTES = "Bytes"
    """Powers of 1000: 1234567 is written 1.2 MB."""
    DURATION = "Duration"
    """Seconds: 48213 is written 13 h 23 min."""
    DATE = "Date"
    DATE_TIME = "DateTime"


class Text(Model):
    """Prose."""

    title: Line | None = None
    """Heading above the text."""
    content: Markdown
    """Markdown, made by the template language first: `{{ period.start }}`, `{{ metrics["Flights"] }}`."""


class Metric(Model):
    """One number, taken from the first row of a table."""

    title: Line
    """What the number is; also its key in `status.metrics`, where the first of two equal titles wins."""
    table: Identifier
    """Source or table."""
    column: ColumnName
    """Column of that table."""
    format: ValueFormat | None = None
    """How the number is written; by the column's type when not set."""
    description: Line | None = None
    """A line in small letters below the number."""


class Card(Model):
    """A box in a grid: a text or a metric."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("text", "metric")))

    text: Text | None = None
    """A text."""
    metric: Metric | None = None
    """A number."""


class Grid(Model):
    """Cards side by side."""

    columns: Annotated[int, Field(ge=2, le=4, json_schema_extra={"format": "int32"})] = 3
    """Number of cards in a row, 2 to 4."""
    cards: Annotated[list[Card], Field(min_length=1, max_length=12), LIST_ATOMIC]
    """The cards, row by row."""


class Column(Model):
    """A column of a table block."""

    name: ColumnName
    """Column of the table."""
    title: Line | None = None
    """Heading; the name when not set."""
    format: ValueFormat | None = None
    """How the values are written; by the column's type when not set."""


class TableBlock(Model):
    """Rows of a table."""

    from_: Annotated[Identifier, Field(alias="from")]
    """Source or table."""
    title: Line | None = None
    """Caption."""
    columns: Annotated[list[Column], Field(max_length=50), LIST_ATOMIC] = []
    """Columns to show, in this order; all when empty."""
    limit: Annotated[int, Field(ge=1, le=10_000, json_schema_extra={"format": "int32"})] = 100
    """Most rows to show. Where there are more, the block says "100 of 5,000 rows"."""


class Chart(Model):
    """A chart of a table (Vega-Lite)."""

    table: Identifier
    """Source or table; at most 5,000 rows are drawn, and the chart says so where there are more."""
    title: Line | None = None
    """Caption."""
    mark: Literal["bar", "line", "area", "point"] = "bar"
    """Vega-Lite mark."""
    x: Annotated[ColumnName, Field(alias="xColumn")]
    """Column along the horizontal axis."""
    y: Annotated[ColumnName, Field(alias="yColumn")]
    """Column along the vertical axis."""
    color: Annotated[ColumnName | None, Field(alias="colorColumn")] = None
    """Column that tells series apart."""
    x_title: Line | None = None
    """Title of the horizontal axis; when not set, the column's name, and none where the column holds times."""
    y_title: Line | None = None
    """Title of the vertical axis; the column's name when not set."""


class Block(Model):
    """One element of a section; exactly one kind."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("text", "metric", "grid", "table", "chart")))

    text: Text | None = None
    """Prose."""
    metric: Metric | None = None
    """One number."""
    grid: Grid | None = None
    """Cards side by side."""
    table: TableBlock | None = None
    """Rows."""
    chart: Chart | None = None
    """A chart."""

    @property
    def kind(self) -> Text | Metric | Grid | TableBlock | Chart:
        """Return the one kind that is set; raises ValueError when the API server's rule was not applied."""
        chosen = [k for k in (self.text, self.metric, self.grid, self.table, self.chart) if k is not None]
        if len(chosen) != 1:
            raise ValueError("a block sets exactly one of text, metric, grid, table, chart")
        return chosen[0]


class Section(Model):
    """A titled part of the report."""

    title: Line | None = None
    """Heading."""
    blocks: Annotated[list[Block], Field(min_length=1, max_length=20), LIST_ATOMIC]
    """Elements from top to bottom."""
