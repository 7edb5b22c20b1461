"""The first stage: rows of the sources, and tables made from them, as Parquet files."""

import logging
import shutil
from collections.abc import Mapping

import duckdb

from report_operator.api.entity import Entity
from report_operator.api.run import Request
from report_operator.api.sources import Source
from report_operator.run import database, entity, shape
from report_operator.run.failure import RunError
from report_operator.run.policy import check_rows
from report_operator.run.redaction import Redactor
from report_operator.run.shape import Given
from report_operator.run.sources import read
from report_operator.run.sources.task import Task
from report_operator.run.workspace import Context, TableInfo, Workspace

_log = logging.getLogger(__name__)


def fetch(request: Request, workspace: Workspace) -> Context:
    """Write every source and table to `workspace.table(name)`, and what they are to `workspace.context`.

    The subject is picked as soon as its table is there; tables after it can use it.

    Raises RunError; its message holds no credentials. Columns keep the order and names of the data; names that are
    equal but for letter case get a number.
    """
    workspace.tables.mkdir(parents=True, exist_ok=True)
    spill = workspace.data / "spill"
    try:
        with database.connect([workspace.data], spill) as connection:
            context = _context(request, workspace, connection)
    except RunError as error:
        raise RunError(error.reason, Redactor.of(workspace.secrets)(error.message)) from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)
    workspace.context.write_text(context.model_dump_json(by_alias=True), encoding="utf-8")
    return context


def _context(request: Request, workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> Context:
    spec, found = request.spec, dict[str, TableInfo]()
    for source in spec.sources:
        _read(source, request, workspace, connection)
        found[source.name] = _known("source", source.name, workspace, connection)
        check_rows(request.policy, f"source {source.name!r}", found[source.name].rows)
    subject = _subject(request, found, connection)
    for table in spec.tables:
        unknown = [name for name, info in found.items() if not info.columns]
        shape.make(connection, workspace, table, Given(spec.period, spec.subject, subject), unknown)
        found[table.name] = _known("table", table.name, workspace, connection)
        check_rows(request.policy, f"table {table.name!r}", found[table.name].rows)
        subject = subject or _subject(request, found, connection)
    return Context(tables=found, subject=subject)


def _subject(request: Request, found: Mapping[str, TableInfo], connection: duckdb.DuckDBPyConnection) -> Entity | None:
    """Return the entity that the report is about; None while its table is not there, or when it is about none."""
    selector = request.spec.subject
    if selector is None or selector.table not in found:
        return None
    picked = entity.pick(connection, selector, found[selector.table], request.spec.period)
    _log.info("subject: %s, id %r", picked.label, picked.id)
    return picked


def _read(source: Source, request: Request, workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> None:
    report = f"{request.namespace}/{request.name}"
    reach = request.policy.http_sources if request.policy is not None else None
    task = Task(source.name, report, request.spec.period, workspace, connection, reach)
    try:
        read(source, task)
    finally:
        task.scratch.unlink(missing_ok=True)


def _known(kind: str, name: str, workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> TableInfo:
    """Make what was written known to later queries and say what it is."""
    shape.show(connection, workspace, name)
    info = database.describe(connection, workspace.table(name))
    _log.info("%s %r: %s rows, %s columns", kind, name, f"{info.rows:,}", len(info.columns))
    return info
