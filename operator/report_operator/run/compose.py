"""Makes the document from the spec and the tables."""

from collections.abc import Callable, Iterator, Mapping

from report_operator.api.conditions import Reason
from report_operator.api.report import ReportSpec, Template
from report_operator.api.run import Request
from report_operator.api.sections import (
    Block,
    Chart,
    Grid,
    Metric,
    Section,
    TableBlock,
    Text,
    ValueFormat,
)
from report_operator.run import values
from report_operator.run.document import (
    ChartContent,
    ColumnContent,
    Content,
    Document,
    GridContent,
    MetricContent,
    SectionContent,
    TableContent,
    TextContent,
)
from report_operator.run.failure import RunError
from report_operator.run.tables import Tables
from report_operator.run.workspace import ColumnInfo

CHART_ROWS = 5000
"""Most rows that a chart draws."""

TABLE_COLUMNS = 50
"""Most columns that a table shows when the author chose none."""

Fill = Callable[[str, str], str]
"""Applies the template language to a text: (text, place in the spec) to Markdown."""


def compose(request: Request, tables: Tables, filler: Callable[[Mapping[str, str]], Fill]) -> Document:
    """Return the document of a request.

    `filler` gets the metrics by title and returns what fills in the texts, which may use them. Raises RunError:
    ColumnNotFound, DataInvalid, and what filling in raises.
    """
    found = {place: _metric(metric, tables, place) for place, metric in _metrics(request.spec)}
    metrics: dict[str, str] = {}
    for metric in found.values():
        metrics.setdefault(metric.title, metric.text)
    composer = _Composer(tables, found, filler(metrics))
    return Document(
        id=request.run_id,
        created_at=request.created_at,
        namespace=request.namespace,
        name=request.name,
        title=request.title,
        period=request.spec.period,
        entity=tables.subject,
        template=template_name(request.spec.template),
        sections=[composer.section(section, f"spec.sections[{i}]") for i, section in enumerate(request.spec.sections)],
        metrics=metrics,
    )


def template_name(template: Template) -> str:
    """Return what the document calls its template."""
    if template.config_map_ref is None:
        return template.name or "standard"
    return f"configmap:{template.config_map_ref.name}/{template.config_map_ref.key}"


class _Composer:
    """Turns blocks into content."""

    def __init__(self, tables: Tables, metrics: Mapping[str, MetricContent], fill: Fill) -> None:
        self._tables = tables
        self._metrics = metrics
        self._fill = fill

    def section(self, section: Section, place: str) -> SectionContent:
        return SectionContent(
            title=section.title,
            content=[self._block(block, f"{place}.blocks[{i}]") for i, block in enumerate(section.blocks)],
        )

    def _block(self, block: Block, place: str) -> Content:
        match block.kind:
            case Text() as text:
                return self._text(text, f"{place}.text")
            case Metric():
                return self._metrics[f"{place}.metric"]
            case Grid() as grid:
                return self._grid(grid, f"{place}.grid")
            case TableBlock() as table:
                return _table(table, self._tables, f"{place}.table")
            case Chart() as chart:
                return _chart(chart, self._tables, f"{place}.chart")

    def _text(self, text: Text, place: str) -> TextContent:
        return TextContent(title=text.title, content=self._fill(text.content, f"{place}.content"))

    def _grid(self, grid: Grid, place: str) -> GridContent:
        cards = [
            self._text(card.text, f"{place}.cards[{i}].text")
            if card.text
            else self._metrics[f"{place}.cards[{i}].metric"]
            for i, card in enumerate(grid.cards)
        ]
        return GridContent(columns=grid.columns, cards=cards)


def _metrics(spec: ReportSpec) -> Iterator[tuple[str, Metric]]:
    """Yield place and metric, in the order of the document."""
    for i, section in enumerate(spec.sections):
        for j, block in enumerate(section.blocks):
            place = f"spec.sections[{i}].blocks[{j}]"
            if block.metric:
                yield f"{place}.metric", block.metric
            for k, card in enumerate(block.grid.cards if block.grid else []):
                if card.metric:
                    yield f"{place}.grid.cards[{k}].metric", card.metric


def _metric(metric: Metric, tables: Tables, place: str) -> MetricContent:
    column = tables.column(metric.table, metric.column, f"{place}.column")
    rows = tables.read(metric.table, [column], 1).rows
    value = rows[0][0] if rows else None
    return MetricContent(
        title=metric.title,
        value=value,
        text=_writer(column, metric.format, metric.table, place)(value),
        description=metric.description,
    )


def _table(block: TableBlock, tables: Tables, place: str) -> TableContent:
    known = tables.info(block.from_).columns
    shown = [
        (tables.column(block.from_, column.name, f"{place}.columns[{i}]"), column.title, column.format)
        for i, column in enumerate(block.columns)
    ] or [(info, None, None) for info in known[:TABLE_COLUMNS]]
    found = tables.read(block.from_, [info for info, _, _ in shown], block.limit)
    writers = [
        _writer(info, format_, block.from_, f"{place}.columns[{i}]") for i, (info, _, format_) in enumerate(shown)
    ]
    return TableContent(
        table=block.from_,
        title=block.title,
        columns=[ColumnContent(name=info.name, title=title or info.name, type=info.type) for info, title, _ in shown],
        rows=[list(row) for row in found.rows],
        texts=[[write(value) for write, value in zip(writers, row, strict=True)] for row in found.rows],
        total_rows=found.total,
        total_columns=len(shown) if block.columns else len(known),
    )


def _chart(chart: Chart, tables: Tables, place: str) -> ChartContent:
    named = [(chart.x, chart.x_title, "xColumn"), (chart.y, chart.y_title, "yColumn")]
    named += [(chart.color, None, "colorColumn")] if chart.color else []
    columns = [tables.column(chart.table, name, f"{place}.{field}") for name, _, field in named]
    found = tables.read(chart.table, columns, CHART_ROWS)
    return ChartContent(
        table=chart.table,
        title=chart.title,
        mark=chart.mark,
        columns=[
            ColumnContent(name=name, title=title or name, type=info.type)
            for (name, title, _), info in zip(named, columns, strict=True)
        ],
        rows=[list(row) for row in found.rows],
        total_rows=found.total,
    )


def _writer(column: ColumnInfo, format_: ValueFormat | None, table: str, place: str) -> Callable[[object], str]:
    """Return what writes the values of a column. It raises RunError (DataInvalid) on a value unfit for the format."""
    chosen = format_ or values.default_format(column.type)
    places = values.places_of(column.type)

    def write(value: object) -> str:
        try:
            return values.written(value, chosen, places)
        except ValueError as error:
            if format_ is None:
                return str(value)
            raise RunError(
                Reason.DATA_INVALID,
                f"{place}: column {column.name!r} of table {table!r} ({column.type}) cannot be written as {chosen}:"
                f" {error}; leave format out, or cast the column in spec.tables",
            ) from error

    return write
