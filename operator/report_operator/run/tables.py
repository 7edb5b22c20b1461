"""The fetched tables, as render reads them: Parquet files through DuckDB, nothing else."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from report_operator.api.conditions import Reason
from report_operator.api.entity import Entity
from report_operator.run import sqltypes
from report_operator.run.columns import column_of
from report_operator.run.database import connect, failing_as, literal, quoted
from report_operator.run.workspace import ColumnInfo, Context, TableInfo, Workspace

_BATCH = 1000
"""Rows that are in memory at a time where all rows of a table are read."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table."""

    columns: list[ColumnInfo]
    """The columns read, in the order asked for."""
    rows: list[tuple[Any, ...]]
    """The first rows, in the table's order; zoned times are aware datetimes in UTC."""
    total: int
    """Number of rows of the whole table."""


class Tables(AbstractContextManager["Tables"]):
    """Reads the tables of a workspace; a context manager that holds the database connection."""

    def __init__(self, workspace: Workspace) -> None:
        """Read which tables there are from the workspace's `Context`."""
        self._workspace = workspace
        context = Context.model_validate_json(workspace.context.read_bytes())
        self._infos: Mapping[str, TableInfo] = context.tables
        self.subject: Entity | None = context.subject
        self._connection = connect([workspace.tables, workspace.outputs], spill=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def names(self) -> list[str]:
        """Return the names of all sources and tables."""
        return list(self._infos)

    def info(self, table: str) -> TableInfo:
        """Return number of rows and columns of a table that the spec may name."""
        return self._infos[table]

    def column(self, table: str, column: str, place: str) -> ColumnInfo:
        """Return a column by name; `place` is where the spec names it. Raises RunError (ColumnNotFound)."""
        return column_of(self.info(table), table, column, place)

    def read(self, table: str, chosen: Sequence[ColumnInfo], limit: int) -> Rows:
        """Return the first `limit` rows of these columns."""
        info = self.info(table)
        if not info.columns:
            return Rows(list(chosen), [], info.rows)
        found = self._select(table, chosen, f"LIMIT {limit}").fetchall()
        return Rows(list(chosen), _converted(found, chosen), info.rows)

    def batches(self, table: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield all rows of a table, some at a time, as `read` returns them; memory does not grow with the table.

        The next use of the tables ends it. Raises RunError: OutOfMemory.
        """
        columns = self.info(table).columns
        if not columns:
            return
        with failing_as(Reason.INTERNAL_ERROR, table):
            found = self._select(table, columns)
            while rows := found.fetchmany(_BATCH):
                yield _converted(rows, columns)

    def _select(self, table: str, columns: Sequence[ColumnInfo], end: str = "") -> duckdb.DuckDBPyConnection:
        """Return a result to be fetched from: the rows of these columns; `end` ends the statement."""
        selected = ", ".join(f"{_readable(column)} AS c{i}" for i, column in enumerate(columns))
        query = f"SELECT {selected} FROM read_parquet(?) {end}"  # noqa: S608 - names are quoted
        return self._connection.execute(query, [self._file(table)])

    def export(self, table: str, expressions: Sequence[str], target: Path, options: str) -> None:
        """Write all rows of a table to a file: a column for each SQL expression, with the options of DuckDB's COPY.

        Raises RunError: DiskFull, OutOfMemory.
        """
        rows = f"SELECT {', '.join(expressions)} FROM read_parquet(?)"  # noqa: S608 - names are quoted
        copy = f"COPY ({rows}) TO {literal(target.resolve())} ({options})"
        with failing_as(Reason.INTERNAL_ERROR, target.name):
            self._connection.execute(copy, [self._file(table)])

    def _file(self, table: str) -> str:
        return str(self._workspace.table(table).resolve())


def _converted(rows: list[tuple[Any, ...]], columns: Sequence[ColumnInfo]) -> list[tuple[Any, ...]]:
    """Return rows with the values that `_readable` hands over in another form as what they are."""
    converters = [_converter(column.type) for column in columns]
    if not any(converters):
        return rows
    return [
        tuple(
            value if convert is None or value is None else convert(value)
            for value, convert in zip(row, converters, strict=True)
        )
        for row in rows
    ]


def _readable(column: ColumnInfo) -> str:
    """Return the SQL expression that hands a column over in a form that the Python client can take.

    Zoned times would need pytz in the client, and lose nothing as plain UTC times; nested values come as JSON.
    """
    name = quoted(column.name)
    if sqltypes.is_plain(column.type):
        return name
    if sqltypes.is_zoned(column.type):
        return f"timezone('UTC', {name})"
    if sqltypes.is_nested(column.type):
        return f"to_json({name})"
    return f"CAST({name} AS {'TIMESTAMP' if sqltypes.is_timestamp(column.type) else 'VARCHAR'})"


def _converter(type_: str) -> Callable[[Any], Any] | None:
    """Return what makes the value of a column from what `_readable` hands over."""
    if sqltypes.is_zoned(type_):
        return _in_utc
    return json.loads if sqltypes.is_nested(type_) else None


def _in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
