"""Rows that a SQL database answers a query with.

They are streamed: from the server in portions, as CSV into a file, from there into Parquet. Memory does not grow
with the number of rows.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from report_operator.api.conditions import Reason
from report_operator.api.sources import Sql
from report_operator.run.database import failing_as, literal, quoted, unique, write_table
from report_operator.run.failure import RunError
from report_operator.run.mounts import place_of, secret_value
from report_operator.run.progress import Progress
from report_operator.run.sources import postgresql
from report_operator.run.sources.task import Task

_PORTION = 5_000
"""Rows in memory at once."""
_LEAST_BUFFER = 2 * 2**20
"""Bytes of the CSV that DuckDB holds at once, unless a row is longer. By itself it would take 16 of the longest row."""
_CONNECT_TIMEOUT = 10
"""Seconds to connect to one address of the host, when the URL does not say."""
_APPLICATION_NAME_LENGTH = 63
"""The server cuts longer names."""

_NULL = r"\N"
"""Written without quotes; every value is quoted, so NULL, an empty text and the text `\\N` stay three things."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    """What is in the CSV."""

    columns: Sequence[postgresql.Column]
    longest: int
    """Bytes of the longest row."""


def read(kind: Sql, task: Task) -> None:
    """Write the rows of the query to `task.target`, in its order; raises RunError."""
    selector = kind.url_from.secret_key_ref
    place = place_of(selector)
    engine = _engine(_url(secret_value(task.workspace, selector), f"{task.subject}: {place}"), task)
    try:
        with _connect(engine, place, task) as connection:
            answer = _stream(connection, kind, task)
    finally:
        engine.dispose()
    _import(answer, task)


def _url(value: str, place: str) -> URL:
    """Return the URL with the driver that is installed; errors never quote it, but say its place."""
    try:
        url = make_url(value)
        scheme = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise RunError(
            Reason.INVALID_SPEC,
            f"{place} is no database URL: write postgresql://user:password@host:5432/database,"
            " with special characters of the password percent-encoded",
        ) from error.with_traceback(None)
    if scheme not in ("postgresql", "postgres"):
        raise RunError(Reason.INVALID_SPEC, f"{place} is a URL for {scheme!r}; supported is postgresql://")
    return url.set(drivername="postgresql+psycopg")


def _engine(url: URL, task: Task) -> Engine:
    defaults: dict[str, Any] = {
        "application_name": f"report-operator {task.report}"[:_APPLICATION_NAME_LENGTH],
        "client_encoding": "utf8",
        "connect_timeout": _CONNECT_TIMEOUT,
    }
    return create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        use_native_hstore=False,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )


def _connect(engine: Engine, place: str, task: Task) -> Connection:
    try:
        return engine.connect().execution_options(postgresql_readonly=True)
    except DBAPIError as error:
        reason, message = postgresql.connection_failure(_driver_error(error))
        raise RunError(reason, f"{task.subject}: {message}; the URL is {place}") from error


def _driver_error(error: DBAPIError) -> psycopg.Error:
    if isinstance(error.orig, psycopg.Error):
        return error.orig
    raise error


def _stream(connection: Connection, kind: Sql, task: Task) -> _Answer:
    """Write the answer to `task.scratch` as CSV."""
    try:
        postgresql.prepare(connection)
        # SQLAlchemy takes `:name` in `:name::type` for no parameter, unless the cast is escaped.
        statement = text(kind.query.replace("::", r"\:\:"))
        parameters = _bound(list(statement.compile(dialect=connection.dialect).params), kind, task)
        streamed = {"stream_results": True, "max_row_buffer": _PORTION}
        with closing(connection.execute(statement, parameters, execution_options=streamed)) as result:
            described = result.cursor.description if result.cursor else ()
            columns = postgresql.columns(cast("Sequence[psycopg.Column]", described))
            if not columns:
                raise RunError(Reason.QUERY_FAILED, f"{task.subject}: the query returns no columns: select some")
            return _Answer(columns, _write(result.partitions(_PORTION), columns, task))
    except DBAPIError as error:
        reason, message = postgresql.query_failure(_driver_error(error))
        raise RunError(reason, f"{task.subject}: {message}") from error
    except UnicodeDecodeError as error:
        raise RunError(
            Reason.DATA_INVALID,
            f"{task.subject}: the database holds text that is not in its encoding: {error.reason}",
        ) from error


def _bound(names: Sequence[str], kind: Sql, task: Task) -> dict[str, Any]:
    """Return values for the parameters that the query uses."""
    known: dict[str, Any] = dict(kind.params)
    if task.period:
        known |= {"period_start": task.period.start, "period_end": task.period.end}
    for name in names:
        if name in known:
            continue
        way_out = "set spec.period" if name in ("period_start", "period_end") else f"set sql.params.{name}"
        raise RunError(
            Reason.INVALID_SPEC,
            f"{task.subject}: the query uses :{name}, which has no value: {way_out}"
            f" (a colon that starts no parameter is written \\:{name})",
        )
    return {name: known[name] for name in names}


def _write(portions: Iterable[Sequence[Sequence[Any]]], columns: Sequence[postgresql.Column], task: Task) -> int:
    """Write the rows to `task.scratch` as CSV; return the bytes of the longest."""
    progress = Progress(_log, f"{task.subject}: {{:,}} rows so far")
    arrays = {index: column.name for index, column in enumerate(columns) if column.is_array}
    longest = 0
    with task.scratch.open("wb") as file:
        for rows in portions:
            lines = [_line(row) for row in (_with_json(rows, arrays, task) if arrays else rows)]
            longest = max([longest, *map(len, lines)])
            file.writelines(lines)
            progress.add(len(rows))
    _log.info("%s: %s rows", task.subject, f"{progress.count:,}")
    return longest


def _line(row: Sequence[str | None]) -> bytes:
    """Return a row as CSV; three times as fast as the csv module, which cannot tell NULL from '' either."""
    values = [
        _NULL if value is None else f'"{value}"' if '"' not in value else '"' + value.replace('"', '""') + '"'
        for value in row
    ]
    return (",".join(values) + "\n").encode()


def _with_json(rows: Iterable[Sequence[Any]], arrays: Mapping[int, str], task: Task) -> Iterable[Sequence[str | None]]:
    """Yield the rows with JSON in place of lists."""
    for row in rows:
        values = list(row)
        for index, name in arrays.items():
            if values[index] is None:
                continue
            if any(isinstance(element, list) for element in values[index]):
                raise RunError(
                    Reason.DATA_INVALID,
                    f"{task.subject}: column {name!r} has an array of more than one dimension: use to_jsonb({name})",
                )
            values[index] = json.dumps(values[index])
        yield values


def _import(answer: _Answer, task: Task) -> None:
    """Turn the CSV in `task.scratch` into the Parquet file with the columns' types."""
    columns = answer.columns
    names = unique([column.name for column in columns])
    rows = _csv(task.scratch, names, answer.longest)
    with failing_as(Reason.DATA_INVALID, task.subject):
        expressions = [
            column.expression.format(quoted(name))
            if column.type
            else f"CAST({quoted(name)} AS {_decimal(task, rows, name)})"
            for name, column in zip(names, columns, strict=True)
        ]
        chosen = ", ".join(
            f"{expression} AS {quoted(name)}" for name, expression in zip(names, expressions, strict=True)
        )
        try:
            write_table(task.database, f"SELECT {chosen} FROM {rows}", task.target)  # noqa: S608 - names are quoted
        except duckdb.ConversionException:
            _raise_column(names, expressions, rows, task)
            raise


def _csv(file: Path, names: Sequence[str], longest: int) -> str:
    """Return the expression that reads all columns as texts; `longest` is the length of the longest row in bytes."""
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    # Not in parallel: that has to guess whether a line break in the middle of the file ends a row.
    return (
        f"read_csv({literal(file)}, auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"',"
        f" new_line = '\\n', nullstr = '{_NULL}', allow_quoted_nulls = false, parallel = false,"
        f" max_line_size = {longest + 1}, buffer_size = {max(_LEAST_BUFFER, 2 * longest + 2)}, columns = {{{types}}})"
    )


def _decimal(task: Task, rows: str, name: str) -> str:
    """Return the type for a numeric without declared digits: the least decimals that keep each value exact."""
    whole_part, decimals = (f"length(split_part(ltrim({quoted(name)}, '-'), '.', {part}))" for part in (1, 2))
    found = task.database.execute(
        f"SELECT coalesce(max({decimals}), 0), coalesce(max({whole_part}), 0) FROM {rows}"  # noqa: S608 - quoted
    ).fetchone()
    scale, whole = found or (0, 0)
    if scale + whole > postgresql.MOST_DIGITS:
        raise RunError(
            Reason.DATA_INVALID,
            f"{task.subject}: column {name!r} has numbers with {whole} digits before and {scale} after the point,"
            f" more than {postgresql.MOST_DIGITS} in all: use round({name}, 6) or {name}::double precision",
        )
    return f"DECIMAL({postgresql.MOST_DIGITS},{scale})"


def _raise_column(names: Sequence[str], expressions: Sequence[str], rows: str, task: Task) -> None:
    """Raise RunError that names the column and the value that cannot be converted; return when none is found."""
    for name, expression in zip(names, expressions, strict=True):
        attempt = expression.replace("CAST(", "TRY_CAST(")
        value = quoted(name)
        found = task.database.execute(
            f"SELECT left({value}, 100) FROM {rows}"  # noqa: S608 - names are quoted
            f" WHERE {value} IS NOT NULL AND {attempt} IS NULL LIMIT 1"
        ).fetchone()
        if found:
            wanted = expression.rpartition(" AS ")[2].removesuffix(")")
            raise RunError(
                Reason.DATA_INVALID,
                f"{task.subject}: column {name!r} holds {found[0]!r}, which is no {wanted}:"
                f" cast it in the query, for example {name}::text",
            )
