"""PostgreSQL: the session that a query runs in, the types of its answer, the meaning of its errors.

Values come as the text that the server writes, which DuckDB reads into the column's type: exact, without the
driver's own types in between (which end at the year 9999), and twice as fast.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Column as Described
from psycopg.types.string import TextLoader
from sqlalchemy import Connection, text

from report_operator.api.conditions import Reason

_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
"""How the server writes values; for the transaction only, so that it goes through connection poolers."""

_TYPES = {
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "oid": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "json": "JSON",
    "jsonb": "JSON",
    "bytea": "BLOB",
}
"""DuckDB type by PostgreSQL type; every other type stays the text that the server writes, as `timetz` and `interval`:
Parquet has no zone for the one, and neither sign nor microseconds for the other."""

_ELEMENTS = frozenset({"bool", "int2", "int4", "int8", "oid", "float4", "float8", "uuid"})
"""Types whose arrays are lists of that type, like numeric with declared digits; other arrays are lists of texts."""

_EXPRESSIONS = {
    "bytea": "unhex(substr({0}, 3))",
    "interval": "replace({0}, '+', '')",
    **dict.fromkeys(
        ("date", "timestamp", "timestamptz"),
        r"CAST(CASE WHEN {0} LIKE '%BC' THEN regexp_replace({0}, '^(\S+)(.*) BC$', '\1 (BC)\2') ELSE {0} END AS {1})",
    ),
}
"""How a text becomes a value, where a cast does not understand it: `\\x00ff`, `-1 days +02:00:00`, years before 1,
whose mark DuckDB would even take for a time zone."""

MOST_DIGITS = 38
"""Digits of the widest DECIMAL."""


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str
    """Name, as the server says."""
    type: str | None
    """DuckDB type; None for a numeric without declared digits: its values decide."""
    is_array: bool
    """Whether the values are lists, of texts, not texts."""
    expression: str
    """SQL from the text in place of `{0}` to the value."""


def prepare(connection: Connection) -> None:
    """Make the transaction's answers independent of settings of server and role, and keep values as text."""
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SESSION.items())
    connection.execute(text(f"SELECT {settings}"))
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"expected a psycopg connection, not {type(driver).__name__}")
    for info in psycopg.adapters.types:
        driver.adapters.register_loader(info.oid, TextLoader)


def columns(description: Sequence[Described]) -> list[Column]:
    """Return the columns of an answer; they do not depend on its rows."""
    return [_column(described) for described in description]


def _column(described: Described) -> Column:
    info = psycopg.adapters.types.get(described.type_code)
    name = info.name if info else ""
    if info is not None and described.type_code == info.array_oid:
        element = _TYPES[name] if name in _ELEMENTS else "VARCHAR"
        if name == "numeric":
            element = _declared(described.precision, described.scale) or "VARCHAR"
        return Column(described.name, f"{element}[]", True, f"CAST(CAST({{0}} AS JSON) AS {element}[])")
    if name == "numeric":
        declared = _declared(described.precision, described.scale)
        return Column(described.name, declared, False, f"CAST({{0}} AS {declared})" if declared else "{0}")
    type_ = _TYPES.get(name, "VARCHAR")
    return Column(described.name, type_, False, _EXPRESSIONS.get(name, "CAST({0} AS {1})").format("{0}", type_))


def _declared(precision: int | None, scale: int | None) -> str | None:
    """Return the type of numeric(precision, scale), which may have a scale below 0 or above its precision.

    It has a place before the point always: DuckDB writes a value without one as `.5`.
    """
    if precision is None or scale is None:
        return None
    digits = max(precision - min(scale, 0), scale + 1)
    return f"DECIMAL({digits},{max(scale, 0)})" if digits <= MOST_DIGITS else None


def connection_failure(error: psycopg.Error) -> tuple[Reason, str]:
    """Return why no connection came about, without the user's name.

    libpq gives no SQLSTATE for that, only text. Where the server's language is not English, a wrong password is
    taken for an outage, and the server's own words say what it is.
    """
    line = _connection_line(str(error))
    for pattern, reason, way_out in _CONNECTION_FAILURES:
        if pattern.search(line):
            return reason, f"{line}: {way_out}"
    return Reason.SOURCE_UNAVAILABLE, line


def _connection_line(message: str) -> str:
    """Return the server's line of a libpq message when there is one, otherwise all of it in one line."""
    fatal = [line for line in message.splitlines() if "FATAL:" in line]
    line = " ".join((fatal[-1] if fatal else message).split()).removeprefix("connection failed: ")
    return re.sub(r'\b(user|role) "[^"]*"', r"\1", line)


_CONNECTION_FAILURES = (
    (
        re.compile(r"authentication failed|no password supplied|role does not exist|not permitted to log in|pg_hba"),
        Reason.AUTHENTICATION_FAILED,
        "correct user and password",
    ),
    (
        re.compile(r'database "[^"]*" does not exist'),
        Reason.SOURCE_NOT_FOUND,
        "correct the name of the database",
    ),
    (
        re.compile(r"permission denied"),
        Reason.SOURCE_REFUSED,
        "grant the user CONNECT on the database",
    ),
    (
        re.compile(r"SSL|certificate"),
        Reason.SOURCE_REFUSED,
        "correct sslmode and sslrootcert, or the server's certificate",
    ),
    (
        re.compile(r"invalid (connection option|port|integer|sslmode|\w+ value)"),
        Reason.INVALID_SPEC,
        "correct the parameters of the URL",
    ),
)
"""What libpq and the server say of a connection: src/interfaces/libpq/fe-connect.c, src/backend/libpq/auth.c."""


def query_failure(error: psycopg.Error) -> tuple[Reason, str]:
    """Return why a query failed: the reason by SQLSTATE, the server's words, and the line in the query."""
    message = error.diag.message_primary or " ".join(str(error).split())
    place = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    line = f" (line {place[1]})" if place else ""
    hint = f"; {error.diag.message_hint}" if error.diag.message_hint else ""
    if error.sqlstate == _SYNTAX_ERROR:
        hint += "; a source's query is one SELECT, in a read-only transaction"
    return _reason(error), f"{message}{line}{hint}"


def _reason(error: psycopg.Error) -> Reason:
    """Return the reason by SQLSTATE (PostgreSQL documentation, appendix A)."""
    state = error.sqlstate
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Reason.SOURCE_UNAVAILABLE if lost else Reason.QUERY_FAILED
    if state == _QUERY_CANCELED:
        return Reason.QUERY_FAILED
    if state == _INSUFFICIENT_PRIVILEGE:
        return Reason.SOURCE_REFUSED
    # Connection lost; transaction rolled back by a conflict; out of resources; shutdown.
    return Reason.SOURCE_UNAVAILABLE if state[:2] in ("08", "40", "53", "57") else Reason.QUERY_FAILED


_SYNTAX_ERROR = "42601"
"""Also of statements that are no SELECT, as the query is part of a DECLARE CURSOR."""
_QUERY_CANCELED = "57014"
"""By the server's statement_timeout: another attempt would take as long."""
_INSUFFICIENT_PRIVILEGE = "42501"
