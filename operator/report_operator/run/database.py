"""DuckDB, locked to folders of the run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from report_operator.api.conditions import Reason
from report_operator.run import limits
from report_operator.run.failure import RunError
from report_operator.run.workspace import ColumnInfo, TableInfo

_SHARE = 0.6
"""Part of the memory that is free beside the interpreter and its libraries which DuckDB may use: it counts its
buffers, not all that it allocates."""
_INTERPRETER = 128 * 2**20
_LEAST_MEMORY = 64 * 2**20
_THREAD_MEMORY = 64 * 2**20
"""What a thread needs to sort and to write Parquet; with less for each, two threads fail where one does not."""

_PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 30720"
"""Small groups, as DuckDB holds one of each thread in memory: 30,720 rows with 300 bytes of text take 16 MB."""

UNKNOWN = "(columns unknown)"
"""Stands for the columns of data that does not tell them, as no table of DuckDB is without a column."""

_FAULTS = (duckdb.InternalException, duckdb.FatalException)
"""Errors that are DuckDB's or ours, never the query's."""

_HUGE = re.compile(r"\bU?HUGEINT\b")
_TEXTS = re.compile(r"\bINTERVAL\b|\"NULL\"")
_PREFIX = re.compile(r"^(?:[A-Z][A-Za-z-]+ )+Error: ")


def memory_for(limit: int) -> int:
    """Return the bytes that DuckDB may use in a process with this memory limit."""
    return max(_LEAST_MEMORY, int((limit - _INTERPRETER) * _SHARE))


def connect(folders: Sequence[Path], spill: Path | None) -> duckdb.DuckDBPyConnection:
    """Return a database in memory that reads and writes files under `folders` and touches nothing else.

    No other file, no network, no extension, no variable of this program, and no statement can change that
    (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview). What does not fit into its memory goes
    to files in `spill`. Its memory and threads follow from the limits of this process; its time zone is UTC.
    """
    memory = memory_for(limits.memory_limit())
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory}B",
            "threads": min(limits.cpu_limit(), max(1, memory // _THREAD_MEMORY)),
            "temp_directory": str(spill or ""),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )
    # DuckDB compares texts: a folder behind a symbolic link goes by both of its names.
    names = {str(path) for folder in folders for path in (folder.absolute(), folder.resolve())}
    allowed = f"allowed_directories = [{', '.join(map(literal, sorted(names)))}]"
    # In this order: folders cannot be allowed without access to files, and nothing can be set after the lock.
    for setting in ("TimeZone = 'UTC'", allowed, "enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"SET {setting}")
    return connection


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """Return a text or path as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def write_table(
    connection: duckdb.DuckDBPyConnection, select: str, target: Path, parameters: Mapping[str, Any] | None = None
) -> None:
    """Write the rows of a SELECT to a Parquet file, in its order and with types that Parquet keeps.

    Parquet has no integer above 64 bits, and DuckDB would write one, such as every sum of integers, as an inexact
    DOUBLE: it becomes BIGINT, or DECIMAL(38,0) where a value is too large. Parquet's interval has neither sign nor
    microseconds: an interval becomes its text. A column that is NULL in every row and has no type becomes a text.
    Raises duckdb.Error.
    """
    bound = dict(parameters) if parameters else None
    # As a subquery: DuckDB then refuses statements that write, and gives columns of the same name different ones.
    rows = f"FROM ({select}\n)"
    # Before the query's first line break stands only what is on its first line: DuckDB counts lines as the author does.
    found = connection.execute(f"{rows} LIMIT 0", bound).description or []
    columns = [(name, str(type_)) for name, type_, *_ in found]
    for wide in ("BIGINT", "DECIMAL(38,0)"):
        casts = [f"{_cast(name, type_, wide)} AS {quoted(name)}" for name, type_ in columns]
        copy = f"COPY (SELECT {', '.join(casts)} {rows}) TO {literal(target)} ({_PARQUET})"
        try:
            connection.execute(copy, bound)
        except duckdb.ConversionException:
            if wide != "BIGINT" or not any(_HUGE.search(type_) for _, type_ in columns):
                raise
        else:
            return


def _cast(name: str, type_: str, wide: str) -> str:
    """Return the expression for a column in a type that Parquet keeps."""
    kept = _TEXTS.sub("VARCHAR", _HUGE.sub(wide, type_))
    return quoted(name) if kept == type_ else f"CAST({quoted(name)} AS {kept})"


def describe(connection: duckdb.DuckDBPyConnection, table: Path) -> TableInfo:
    """Return rows and columns of a Parquet file; no columns when they are unknown."""
    rows = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(table)]).fetchone()
    columns = connection.execute("DESCRIBE FROM read_parquet(?)", [str(table)]).fetchall()
    known = [ColumnInfo(name=name, type=type_) for name, type_, *_ in columns if name != UNKNOWN]
    return TableInfo(rows=rows[0] if rows else 0, columns=known)


@contextmanager
def failing_as(reason: Reason, subject: str) -> Iterator[None]:
    """Raise DuckDB's errors as RunError: `reason`, or OutOfMemory or DiskFull; `subject` says what failed.

    Faults of DuckDB itself go on as they are.
    """
    try:
        yield
    except _FAULTS:
        raise
    except duckdb.Error as error:
        raise _failure(reason, subject, error) from error


def _failure(reason: Reason, subject: str, error: duckdb.Error) -> RunError:
    text = str(error)
    if "No space left on device" in text or "max_temp_directory_size" in text:
        return RunError(Reason.DISK_FULL, f"{subject}: {limits.DISK_FULL}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return RunError(Reason.OUT_OF_MEMORY, f"{subject}: {limits.OUT_OF_MEMORY}")
    hint = ""
    if isinstance(error, duckdb.PermissionException) or "configuration has been locked" in text:
        hint = "; a query reads only the Report's sources and the tables before it"
    return RunError(reason, f"{subject}: {summary(text)}{hint}")


def summary(text: str) -> str:
    """Return DuckDB's error in one line: what is wrong, and the line of the statement."""
    sentences, _, excerpt = text.partition("\nTry ")[0].partition("\n\nLINE ")
    line = f" (line {excerpt.partition(':')[0]})" if excerpt else ""
    return " ".join(_PREFIX.sub("", sentences).split()) + line


def unique(names: Sequence[str]) -> list[str]:
    """Return column names of which no two are equal, letter case aside: `id, ID` become `id, ID_1`, as in DuckDB."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate.lower() in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate.lower())
        result.append(candidate)
    return result
