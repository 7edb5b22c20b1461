"""The page: a document laid out as HTML by a template, the same for HTML and PDF."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader
from markupsafe import Markup

from report_operator.api.conditions import Reason
from report_operator.api.sources import KeySelector
from report_operator.run import markdown, sqltypes
from report_operator.run.document import (
    ChartContent,
    ColumnContent,
    Content,
    Document,
    GridContent,
    MetricContent,
    RowsContent,
    SectionContent,
    TableContent,
    TextContent,
)
from report_operator.run.documents import Material
from report_operator.run.drawing import Drawings
from report_operator.run.failure import RunError
from report_operator.run.sandbox import Sandbox, user_code
from report_operator.run.workspace import Workspace

BUILT_IN = ("standard.html", "blocks.html", "standard.css")
_STANDARD = "standard.html"
_WIDE_FROM, _WIDEST_FROM = 10, 17
"""Columns from which a table is set smaller, and in PDF on landscape pages."""

_SHORT_UP_TO = 15
"""Rows up to which a table is kept on one page."""
_FIXED_FROM = 200
"""Rows from which the columns of a table are given their widths, so that WeasyPrint need not try every text."""
_LONGEST_TEXT = 50
"""Characters of a text that its column makes room for on one line."""
_LONG_FROM, _LONGEST_FROM = 11, 16
"""Characters from which the text of a metric is set smaller."""


@lru_cache(maxsize=1)
def lay_out(material: Material) -> str:
    """Return the HTML page of a document; made once, for HTML and PDF.

    Raises RunError: ConfigMapNotFound, TemplateFailed and OutOfMemory, which only a template of the user's can raise.
    """
    document, selector = material.document, material.template.config_map_ref
    sections = [
        {
            "title": section.title,
            "content": [_block(key, content, material.drawings) for key, content in _keyed(number, section)],
        }
        for number, section in enumerate(document.sections, 1)
    ]
    visible = {**material.variables, "sections": sections}
    if selector is None:
        return _sandbox(None, "").get_template(_STANDARD).render(visible)
    name = document.template
    sandbox = _sandbox(name, _read(selector, material.workspace))
    with user_code(name, f"template {name}", visible):
        return sandbox.make(name, visible)


def _read(selector: KeySelector, workspace: Workspace) -> str:
    """Return the source of the user's template."""
    path = workspace.config_maps / selector.name / selector.key
    if not path.is_file():
        raise RunError(
            Reason.CONFIG_MAP_NOT_FOUND,
            f"spec.template.configMapRef: there is no ConfigMap {selector.name!r} with key {selector.key!r}",
        )
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RunError(
            Reason.TEMPLATE_FAILED,
            f"spec.template.configMapRef: key {selector.key!r} of ConfigMap {selector.name!r} is not UTF-8 text:"
            f" {error.reason} at byte {error.start}",
        ) from error


def _sandbox(name: str | None, source: str) -> Sandbox:
    """Return the environment that knows the built-in templates and the user's, and no other file."""

    def load(wanted: str) -> tuple[str, str, None] | None:
        if wanted == name:
            return source, wanted, None
        return (_built_in(wanted), wanted, None) if wanted in BUILT_IN else None

    return Sandbox(FunctionLoader(load))


def _built_in(name: str) -> str:
    return (files("report_operator.run") / "templates" / name).read_text("utf-8")


def charts_of(document: Document) -> dict[str, ChartContent]:
    """Return the charts to draw, by the keys of their blocks."""
    return {
        key: content
        for number, section in enumerate(document.sections, 1)
        for key, content in _keyed(number, section)
        if isinstance(content, ChartContent) and content.rows
    }


def _keyed(number: int, section: SectionContent) -> list[tuple[str, Content]]:
    """Return the blocks of a section, each with a key of its own in the document."""
    return [(f"block-{number}-{i}", content) for i, content in enumerate(section.content, 1)]


def _block(key: str, content: Content, drawings: Drawings) -> dict[str, Any]:
    """Return a block as templates see it: plain values and finished HTML, nothing with methods."""
    match content:
        case TextContent():
            return {"type": "text", "title": content.title, "html": markdown.to_html(content.content)}
        case MetricContent():
            return {
                "type": "metric",
                "title": content.title,
                "text": content.text,
                "size": _size(len(content.text)),
                "description": content.description,
            }
        case GridContent():
            cards = [_block(f"{key}-{i}", card, drawings) for i, card in enumerate(content.cards, 1)]
            return {"type": "grid", "columns": content.columns, "cards": cards}
        case TableContent():
            return _table(key, content)
        case ChartContent():
            return {
                "type": "chart",
                "title": content.title,
                "svg": drawings.element(key) if content.rows else None,
                "note": _note(content, "drawn"),
            }


def _table(key: str, table: TableContent) -> dict[str, Any]:
    return {
        "type": "table",
        "id": key,
        "title": table.title,
        "table": table.table,
        "columns": _columns(table.columns),
        "shares": _shares(table) if len(table.rows) > _FIXED_FROM else [],
        "rows": table.texts,
        "note": _table_note(table),
        "width": _width(len(table.columns)),
        "short": len(table.rows) <= _SHORT_UP_TO,
    }


def _columns(columns: Sequence[ColumnContent]) -> list[dict[str, Any]]:
    """Return title and attributes of each column's cells.

    Classes instead of selectors by position: WeasyPrint tries every selector on every cell.
    """
    numeric = [sqltypes.is_number(column.type) for column in columns]
    found = []
    for i, column in enumerate(columns):
        classes = ["n"] if numeric[i] else ["after-n"] if i and numeric[i - 1] else []
        classes += ["first"] if i == 0 else []
        classes += ["last"] if i == len(columns) - 1 else []
        attributes = Markup(' class="{}"').format(" ".join(classes)) if classes else ""
        found.append({"title": column.title, "numeric": numeric[i], "attributes": attributes})
    return found


def _shares(table: TableContent) -> list[float]:
    """Return the share of each column in the table's width, in percent, by its longest text."""
    longest = [
        max(len(column.title), *(min(len(text), _LONGEST_TEXT) for text in texts))
        for column, texts in zip(table.columns, zip(*table.texts, strict=True), strict=True)
    ]
    padded = [length + 2 for length in longest]
    return [round(100 * length / sum(padded), 2) for length in padded]


def _width(columns: int) -> str:
    if columns >= _WIDEST_FROM:
        return "widest"
    return "wide" if columns >= _WIDE_FROM else "normal"


def _size(length: int) -> str:
    """Return the class of a metric's text that keeps it on one line of a card, or on two."""
    if length > _LONGEST_FROM:
        return "longest"
    return "long" if length > _LONG_FROM else "normal"


def _table_note(table: TableContent) -> str | None:
    """Return what is not shown, if anything."""
    shown, total = len(table.columns), table.total_columns
    columns = f"{shown} of {total:,} columns shown" if shown < total else None
    return "; ".join(filter(None, (_note(table, "shown"), columns))) or None


def _note(content: RowsContent, verb: str) -> str | None:
    shown, total = len(content.rows), content.total_rows
    return f"{shown:,} of {total:,} rows {verb}" if shown < total else None
