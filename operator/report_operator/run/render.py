"""The stage that makes the files: tables in, documents out. It has no secret and needs no network."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from itertools import islice
from typing import Any

from report_operator.api.run import Message, Rendered, RenderedFile, Request
from report_operator.run import documents, markdown, message, period
from report_operator.run.compose import Fill, compose
from report_operator.run.documents import Material, has_page
from report_operator.run.drawing import Drawings
from report_operator.run.message import Letter
from report_operator.run.page import charts_of
from report_operator.run.policy import check_size
from report_operator.run.sandbox import Sandbox, user_code
from report_operator.run.tables import Tables
from report_operator.run.workspace import Workspace

TEMPLATE_ROWS = 10_000
"""Most rows of a table that templates and texts see."""

METRICS_LIMIT = 64
METRIC_LENGTH = 200
"""What `status.metrics` takes; the document itself holds all metrics in full."""


def render(request: Request, workspace: Workspace) -> Rendered:
    """Make every output of the request in `workspace.outputs`, and `rendered.json` last.

    Raises RunError: ColumnNotFound, ConfigMapNotFound, DataInvalid, TemplateFailed, OutOfMemory, NotAllowedByPolicy.
    There is no `rendered.json` then, whatever else is in the folder.
    """
    workspace.rendered.unlink(missing_ok=True)
    outputs = request.spec.outputs
    with Tables(workspace) as tables:
        variables = _variables(request, tables)
        document = compose(request, tables, lambda metrics: _filler({**variables, "metrics": metrics}))
        variables["metrics"] = document.metrics
        with Drawings(charts_of(document) if any(map(has_page, outputs)) else {}) as drawings:
            material = Material(document, tables, workspace, request.spec.template, variables, drawings)
            for output in outputs:
                documents.write(output, material)
        files = [
            RenderedFile(
                name=output.file_name,
                format=output.format,
                rows=tables.info(output.table).rows if output.table else None,
            )
            for output in outputs
        ]
        sizes = message.sizes(workspace.outputs, files)
        check_size(request.policy, sizes)
        letter = Letter(request, variables, files, sizes)
        messages = _messages(letter)
    metrics = {title: text[:METRIC_LENGTH] for title, text in islice(document.metrics.items(), METRICS_LIMIT)}
    rendered = Rendered(files=files, metrics=metrics, subject=document.entity, messages=messages)
    workspace.rendered.write_text(rendered.model_dump_json(by_alias=True, exclude_none=True), encoding="utf-8")
    return rendered


def _messages(letter: Letter) -> dict[str, Message]:
    """Return what destinations tell people, by their names."""
    found = {
        destination.name: message.compose(destination, letter, f"spec.destinations[{i}]")
        for i, destination in enumerate(letter.request.spec.destinations)
    }
    return {name: made for name, made in found.items() if made is not None}


def _variables(request: Request, tables: Tables) -> dict[str, Any]:
    """Return what texts and templates see, but for the metrics: plain values only."""
    chosen = request.spec.period
    return {
        "report": {
            "title": request.title,
            "namespace": request.namespace,
            "name": request.name,
            "run_id": request.run_id,
            "created_at": request.created_at.astimezone(UTC),
        },
        "period": chosen and {"start": chosen.start, "end": chosen.end, "text": period.written(chosen)},
        "subject": tables.subject and tables.subject.to_wire(),
        "params": request.spec.template.params,
        "tables": VisibleTables(tables),
    }


def _filler(variables: Mapping[str, Any]) -> Fill:
    """Return what applies the template language to Markdown texts."""
    sandbox = Sandbox(escape=markdown.escape)

    def fill(text: str, place: str) -> str:
        with user_code("<template>", place, variables):
            return sandbox.fill(text, variables)

    return fill


@Mapping.register
class VisibleTables:
    """The tables as templates see them, read when they are asked for: `tables.flights[0].carrier`.

    A mapping without the methods of one, so that a table may be called `items`.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._read: dict[str, list[dict[str, Any]]] = {}

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        """Return at most TEMPLATE_ROWS rows, each a dict by column. Raises KeyError."""
        if name not in self._read:
            columns = self._tables.info(name).columns
            names = [column.name for column in columns]
            rows = self._tables.read(name, columns, TEMPLATE_ROWS).rows
            self._read[name] = [dict(zip(names, row, strict=True)) for row in rows]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables.names)

    def __len__(self) -> int:
        return len(self._tables.names)
