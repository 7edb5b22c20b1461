"""Types and values of PostgreSQL survive the way into Parquet: what the driver reads is what DuckDB reads."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from report_operator.api.report import ReportSpec
from report_operator.api.run import Request
from report_operator.run.fetch import fetch
from report_operator.run.workspace import Workspace
from tests.support.postgres import Postgres

LARGEST_INT = 2**63 - 1


@pytest.fixture
def read(database: Postgres, tmp_path: Path) -> Callable[[str], duckdb.DuckDBPyRelation]:
    """Run a query and return the Parquet file as a relation."""
    workspace = Workspace.under(tmp_path)
    (workspace.secrets / "db").mkdir(parents=True)
    (workspace.secrets / "db" / "url").write_text(database.url())

    def read(query: str) -> duckdb.DuckDBPyRelation:
        url = {"secretKeyRef": {"name": "db", "key": "url"}}
        spec = {
            "sources": [{"name": "answer", "sql": {"urlFrom": url, "query": query}}],
            "outputs": [{"format": "json"}],
        }
        created = dt.datetime(2026, 5, 11, tzinfo=dt.UTC)
        order = Request(
            run_id="u-1", namespace="team-a", name="weekly", created_at=created, spec=ReportSpec.model_validate(spec)
        )
        fetch(order, workspace)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        return connection.from_parquet(str(workspace.table("answer")))

    return read


@pytest.mark.parametrize(
    ("expression", "type_", "text"),
    [
        ("true", "BOOLEAN", "true"),
        ("(-32768)::int2", "SMALLINT", "-32768"),
        ("2147483647", "INTEGER", "2147483647"),
        (f"{LARGEST_INT}", "BIGINT", f"{LARGEST_INT}"),
        ("4294967295::oid", "BIGINT", "4294967295"),
        ("1.1::float4", "FLOAT", "1.1"),
        ("0.1::float8 + 0.2::float8", "DOUBLE", "0.30000000000000004"),
        ("'-Infinity'::float8", "DOUBLE", "-inf"),
        ("123.450::numeric(10,3)", "DECIMAL(10,3)", "123.450"),
        ("123456::numeric(3,-3)", "DECIMAL(6,0)", "123000"),
        ("0.00012::numeric(3,5)", "DECIMAL(6,5)", "0.00012"),
        ("12345678901234567890.12345::numeric", "DECIMAL(38,5)", "12345678901234567890.12345"),
        (f"sum({LARGEST_INT}) OVER ()", "DECIMAL(38,0)", f"{LARGEST_INT}"),
        ("-0.5::numeric(50,1)", "DECIMAL(38,1)", "-0.5"),
        ("'text'::text", "VARCHAR", "text"),
        ("'ab'::char(4)", "VARCHAR", "ab  "),
        ("'x'::\"char\"", "VARCHAR", "x"),
        ("''::text", "VARCHAR", ""),
        (r"'\N'::text", "VARCHAR", r"\N"),
        ("NULL::text", "VARCHAR", None),
        ("NULL", "VARCHAR", None),
        ("NULL::numeric", "DECIMAL(38,0)", None),
        ("NULL::timestamptz", "TIMESTAMP WITH TIME ZONE", None),
        ("NULL::int[]", "INTEGER[]", None),
        (r"'\x00ff41'::bytea", "BLOB", r"\x00\xFFA"),
        ("''::bytea", "BLOB", ""),
        ("'2026-05-04'::date", "DATE", "2026-05-04"),
        ("'infinity'::date", "DATE", "infinity"),
        ("'0044-03-15 BC'::date", "DATE", "0044-03-15 (BC)"),
        ("'24:00'::time", "TIME", "24:00:00"),
        ("'12:00:00.123456+02'::timetz", "VARCHAR", "12:00:00.123456+02"),
        ("'2026-05-04 12:00:00.123456'::timestamp", "TIMESTAMP", "2026-05-04 12:00:00.123456"),
        ("'20260-05-04'::timestamp", "TIMESTAMP", "20260-05-04 00:00:00"),
        ("'0044-03-15 12:00 BC'::timestamp", "TIMESTAMP", "0044-03-15 (BC) 12:00:00"),
        ("'-infinity'::timestamp", "TIMESTAMP", "-infinity"),
        ("'2026-05-04 12:00+02'::timestamptz", "TIMESTAMP WITH TIME ZONE", "2026-05-04 10:00:00+00"),
        ("'0044-03-15 12:00+00 BC'::timestamptz", "TIMESTAMP WITH TIME ZONE", "0044-03-15 (BC) 12:00:00+00"),
        ("'1 year 2 months 3 days 04:05:06.789'::interval", "VARCHAR", "1 year 2 mons 3 days 04:05:06.789"),
        ("'-1 days +02:00:00'::interval", "VARCHAR", "-1 days 02:00:00"),
        ("'550e8400-e29b-41d4-a716-446655440000'::uuid", "UUID", "550e8400-e29b-41d4-a716-446655440000"),
        ("""'{"a": [1, null]}'::json""", "JSON", '{"a": [1, null]}'),
        ("""'"text"'::jsonb""", "JSON", '"text"'),
        ("'null'::jsonb", "JSON", "null"),
        ("array[1, NULL, 3]", "INTEGER[]", "[1, NULL, 3]"),
        ("array['a\"b', '', NULL, 'NULL', 'c,d', E'e\\nf']", "VARCHAR[]", None),
        ("array[true, false]", "BOOLEAN[]", "[true, false]"),
        ("array[1.10]::numeric(5,2)[]", "DECIMAL(5,2)[]", "[1.10]"),
        ("array[1.10, 1e30]::numeric[]", "VARCHAR[]", "[1.10, 1000000000000000000000000000000]"),
        ("array['2026-05-04'::date]", "VARCHAR[]", "[2026-05-04]"),
        ("array[]::int[]", "INTEGER[]", "[]"),
        ("'10.0.0.0/8'::cidr", "VARCHAR", "10.0.0.0/8"),
        ("'[1,5)'::int4range", "VARCHAR", "[1,5)"),
        ("row(1, 'a')", "VARCHAR", "(1,a)"),
    ],
)  # fmt: skip
def test_type_and_value(
    read: Callable[[str], duckdb.DuckDBPyRelation], expression: str, type_: str, text: str | None
) -> None:
    found = read(f"SELECT {expression} AS value")
    assert [str(column) for column in found.types] == [type_]
    if type_ == "VARCHAR[]" and text is None:
        assert found.fetchall() == [(['a"b', "", None, "NULL", "c,d", "e\nf"],)]
    else:
        assert found.project("CAST(value AS VARCHAR)").fetchall() == [(text,)]


COLUMNS = {
    "t": "text",
    "i": "bigint",
    "f": "float8",
    "n": "numeric",
    "d": "numeric(20,6)",
    "b": "bytea",
    "o": "boolean",
    "day": "date",
    "clock": "time",
    "local": "timestamp",
    "zoned": "timestamptz",
    "j": "jsonb",
    "list": "text[]",
}


@pytest.fixture(scope="module")
def everything(database: Postgres) -> Iterator[psycopg.Connection]:
    """A connection to a database with an empty table `everything` that has a column of each type."""
    with database.connect() as connection:
        columns = sql.SQL(", ").join(sql.SQL(f"{name} {type_}") for name, type_ in COLUMNS.items())
        connection.execute(sql.SQL("CREATE TABLE everything (place int, {})").format(columns))
        yield connection


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["", r"\N", "NULL", '"', '""', '","', "\n", "\r\n", "\r", "\\", "\\\\", " ", '"\n"', "\ufeff", ",", "{}"]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ROW = st.fixed_dictionaries(
    {
        "t": TEXT,
        "i": st.integers(-(2**63), 2**63 - 1),
        "f": st.floats(),
        "n": st.decimals(-(10**20), 10**20, allow_nan=False, places=12),
        "d": st.decimals(-(10**13), 10**13, allow_nan=False, places=6),
        "b": st.binary(max_size=20),
        "o": st.booleans(),
        "day": st.dates(),
        "clock": st.times(),
        "local": st.datetimes(),
        "zoned": st.datetimes(
            dt.datetime(1, 1, 2),
            dt.datetime(9999, 12, 30),
            timezones=st.timezones(),
        ),
        "j": JSON_VALUES.map(Jsonb),
        "list": st.lists(st.none() | TEXT, max_size=4),
    }
).flatmap(lambda row: st.fixed_dictionaries({name: st.just(value) | st.none() for name, value in row.items()}))


@given(rows=st.lists(ROW, max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_the_driver_reads_is_what_the_table_holds(
    everything: psycopg.Connection, read: Callable[[str], duckdb.DuckDBPyRelation], rows: list[dict[str, Any]]
) -> None:
    everything.execute("TRUNCATE everything")
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    insert = sql.SQL("INSERT INTO everything (place, {}) VALUES ({})").format(
        names, sql.SQL(", ").join([sql.Placeholder()] * (len(COLUMNS) + 1))
    )
    for place, row in enumerate(rows):
        everything.execute(insert, [place, *(row[name] for name in COLUMNS)])
    comparable = {"zoned": "(extract(epoch FROM zoned) * 1000000)::bigint", "j": "j::text"}
    wanted = sql.SQL(", ").join(sql.SQL(comparable.get(name, name)) for name in COLUMNS)
    expected = everything.execute(sql.SQL("SELECT {} FROM everything ORDER BY place").format(wanted)).fetchall()

    found = read(f"SELECT {', '.join(COLUMNS)} FROM everything ORDER BY place")
    chosen = ", ".join("epoch_us(zoned)" if name == "zoned" else name for name in COLUMNS)
    assert [_comparable(row) for row in found.project(chosen).fetchall()] == [_comparable(row) for row in expected]


def _comparable(row: tuple[Any, ...]) -> list[Any]:
    """Return the values with NaN equal to itself, decimals by their value, and JSON parsed."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["f"] = repr(values["f"])
    for name, convert in (("n", lambda number: Decimal(number).normalize()), ("j", json.loads)):
        values[name] = None if values[name] is None else convert(values[name])
    return list(values.values())
