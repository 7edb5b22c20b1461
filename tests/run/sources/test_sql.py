"""Rows of a real PostgreSQL server, and each way in which it can fail."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.run import Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.workspace import Workspace
from tests.support.http_server import HttpServer
from tests.support.ports import free_ports
from tests.support.postgres import PASSWORD, Postgres

Order = Callable[..., Request]
PutSecret = Callable[[str, str, str], dict[str, Any]]
Query = Callable[..., list[tuple[Any, ...]]]

PERIOD = {"start": "2026-05-04T00:00:00+02:00", "end": "2026-05-11T00:00:00+02:00"}


@pytest.fixture(scope="module", autouse=True)
def tables(database: Postgres) -> Iterator[None]:
    """Tables and a role for the tests of this module."""
    with database.connect() as connection:
        connection.execute("CREATE TABLE traffic (id int PRIMARY KEY, at timestamptz, product text, bytes bigint)")
        connection.execute(
            "INSERT INTO traffic SELECT i, '2026-05-01T00:00:00Z'::timestamptz + i * interval '1 hour',"
            " 'product ' || i % 3, i * 1000 FROM generate_series(0, 299) i"
        )
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reader-password'")
        connection.execute("CREATE ROLE nobody LOGIN PASSWORD 'nobody-password'")
        connection.execute("CREATE DATABASE closed")
        connection.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        yield


@pytest.fixture
def run(database: Postgres, workspace: Workspace, order: Order, put_secret: PutSecret) -> Callable[..., Path]:
    """Run a query: `run("select …", url=…, params=…, period=…)` returns the Parquet file."""

    def run(query: str, url: str | None = None, period: object = PERIOD, **more: object) -> Path:
        secret = put_secret("warehouse", "url", url or database.url())
        sql = {"urlFrom": secret, "query": query, **more}
        fetch(order(sources=[{"name": "answer", "sql": sql}], period=period), workspace)
        return workspace.table("answer")

    return run


@pytest.fixture
def rows(run: Callable[..., Path]) -> Query:
    """Run a query and return the rows of the Parquet file."""

    def rows(query: str, **more: object) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            return connection.execute("FROM read_parquet(?)", [str(run(query, **more))]).fetchall()

    return rows


@pytest.fixture
def failure(run: Callable[..., Path]) -> Callable[..., RunError]:
    """Run a query that has to fail and return the failure."""

    def failure(query: str = "SELECT 1 AS one", **more: object) -> RunError:
        with pytest.raises(RunError) as caught:
            run(query, **more)
        return caught.value

    return failure


def test_binds_the_period_half_open(rows: Query) -> None:
    query = "SELECT min(id), max(id) FROM traffic WHERE at >= :period_start AND at < :period_end"
    assert rows(query) == [(70, 237)]


@pytest.mark.requirement("D3")
def test_binds_parameters_as_values(rows: Query) -> None:
    query = "SELECT count(*), :injection AS text FROM traffic WHERE product = :product AND id < :most::int"
    injection = "'; DROP TABLE traffic; --"
    params = {"product": "product 1", "most": "10", "injection": injection, "unused": "x"}
    assert rows(query, params=params) == [(3, injection)]


def test_leaves_casts_percent_signs_and_escaped_colons_alone(rows: Query) -> None:
    query = (
        r"SELECT '5 %' LIKE '5 \%', 7 % 4, '12:30'::time::text, :period_start::date::text, 'a \:b', (array[1,2,3])[1:2]"
    )
    assert rows(query) == [(True, 3, "12:30:00", "2026-05-03", "a :b", [1, 2])]


def test_keeps_the_order_of_the_query(rows: Query) -> None:
    query = "SELECT i FROM generate_series(1, 300000) i ORDER BY i % 1000, i DESC"
    expected = sorted(range(1, 300001), key=lambda i: (i % 1000, -i))
    assert [row[0] for row in rows(query)] == expected


def test_an_answer_without_rows_keeps_its_columns(run: Callable[..., Path]) -> None:
    file = run("SELECT id, at, product, bytes, NULL AS nothing FROM traffic WHERE false")
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE FROM read_parquet(?)", [str(file)]).fetchall()
    assert [column[:2] for column in described] == [
        ("id", "INTEGER"),
        ("at", "TIMESTAMP WITH TIME ZONE"),
        ("product", "VARCHAR"),
        ("bytes", "BIGINT"),
        ("nothing", "VARCHAR"),
    ]


def test_columns_of_the_same_name_get_numbers(run: Callable[..., Path]) -> None:
    file = run('SELECT 1 AS id, 2 AS "ID", 3 AS id, 4 AS "with ""quotes"", and \n line"')
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_parquet(?)", [str(file)])
        assert [column[0] for column in found.description or []] == ["id", "ID_1", "id_2", 'with "quotes", and \n line']
        assert found.fetchall() == [(1, 2, 3, 4)]


def test_accepts_a_semicolon_and_a_comment_at_the_end(rows: Query) -> None:
    assert rows("SELECT 1 AS one;\n-- done") == [(1,)]


def test_reads_texts_in_the_encoding_of_the_database(database: Postgres, rows: Query) -> None:
    assert rows("SELECT 'wörld ✓'", url=database.url(database="ascii")) == [("wörld ✓",)]


def test_tells_the_server_who_asks(rows: Query) -> None:
    assert rows("SELECT current_setting('application_name')") == [("report-operator team-a/weekly",)]


def test_does_not_change_what_a_pooled_connection_keeps(rows: Query) -> None:
    query = "SELECT source FROM pg_settings WHERE name = 'TimeZone' UNION ALL SELECT current_setting('TimeZone')"
    assert rows(query)[1] == ("UTC",)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE evil (id int)",
        "INSERT INTO traffic (id) VALUES (-1) RETURNING id",
        "WITH added AS (INSERT INTO traffic (id) VALUES (-1) RETURNING id) SELECT * FROM added",
        "SELECT 1; COMMIT; CREATE TABLE evil (id int)",
        "SELECT 1; SELECT 2",
        "SELECT setval('counter', 5)",
        "COPY traffic TO '/tmp/evil'",
    ],
)
def test_only_reads(database: Postgres, failure: Callable[..., RunError], statement: str) -> None:
    with database.connect() as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS counter")
        assert failure(statement).reason is Reason.QUERY_FAILED
        assert connection.execute("SELECT to_regclass('evil'), count(*) FROM traffic WHERE id < 0").fetchone() == (
            None,
            0,
        )
        assert connection.execute("SELECT last_value FROM counter").fetchone() == (1,)


@pytest.mark.parametrize(
    ("query", "reason", "parts"),
    [
        ("SELECT * FROM missing", Reason.QUERY_FAILED, ['relation "missing" does not exist', "(line 1)"]),
        ("SELECT id,\n  missing\nFROM traffic", Reason.QUERY_FAILED, ['column "missing" does not exist', "(line 2)"]),
        ("SELEC 1", Reason.QUERY_FAILED, ['syntax error at or near "SELEC"']),
        ("SELECT 1 / (id - 250) FROM traffic", Reason.QUERY_FAILED, ["division by zero"]),
        (
            "SELECT product::int FROM traffic",
            Reason.QUERY_FAILED,
            ['invalid input syntax for type integer: "product 0"'],
        ),
        ("SELECT FROM traffic", Reason.QUERY_FAILED, ["returns no columns"]),
        ("SELECT :missing", Reason.INVALID_SPEC, [":missing", "sql.params.missing"]),
        ("SELECT '294276-12-31'::timestamp AS t", Reason.DATA_INVALID, ["column 't'", "'294276-12-31", "no TIMESTAMP"]),
        ("SELECT 'NaN'::numeric AS n", Reason.DATA_INVALID, ["column 'n'", "'NaN'", "n::text"]),
        ("SELECT 1e30::numeric + 1e-20 AS n", Reason.DATA_INVALID, ["column 'n'", "31 digits before and 20 after"]),
        ("SELECT array[[1,2],[3,4]] AS a", Reason.DATA_INVALID, ["column 'a'", "to_jsonb(a)"]),
    ],
)
def test_a_wrong_query_names_the_mistake(
    failure: Callable[..., RunError], query: str, reason: Reason, parts: list[str]
) -> None:
    error = failure(query)
    assert error.reason is reason
    for part in ["source 'answer'", *parts]:
        assert part in error.message


def test_a_period_parameter_needs_a_period(failure: Callable[..., RunError]) -> None:
    error = failure("SELECT :period_end", period=None)
    assert error.reason is Reason.INVALID_SPEC
    assert "spec.period" in error.message


def test_permission_denied(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure("SELECT * FROM traffic", url=database.url("reader", "reader-password"))
    assert error.reason is Reason.SOURCE_REFUSED
    assert "permission denied for table traffic" in error.message


def test_connect_denied(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure(url=database.url("reader", "reader-password", "closed"))
    assert error.reason is Reason.SOURCE_REFUSED
    assert 'permission denied for database "closed"' in error.message


@pytest.mark.parametrize(
    ("user", "password"), [("reader", "wrong-password"), ("missing-role", "some-password"), ("reader", "")]
)
def test_wrong_credentials(database: Postgres, failure: Callable[..., RunError], user: str, password: str) -> None:
    error = failure(url=database.url(user, password))
    assert error.reason is Reason.AUTHENTICATION_FAILED
    assert error.message.endswith("correct user and password; the URL is key 'url' of Secret 'warehouse'")
    assert user not in error.message
    assert not password or password not in error.message


def test_unknown_database(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure(url=database.url(database="missing"))
    assert error.reason is Reason.SOURCE_NOT_FOUND
    assert 'database "missing" does not exist' in error.message


def test_nothing_listens(failure: Callable[..., RunError]) -> None:
    error = failure(url=f"postgresql://u:some-password@127.0.0.1:{free_ports(1)[0]}/db")
    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "Connection refused" in error.message


def test_unknown_host(failure: Callable[..., RunError]) -> None:
    error = failure(url="postgresql://u:some-password@host.invalid/db")
    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "host.invalid" in error.message


def test_a_server_without_tls(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure(url=database.url() + "?sslmode=verify-full")
    assert error.reason is Reason.SOURCE_REFUSED
    assert "sslmode" in error.message


def test_what_is_no_postgresql(web: HttpServer, failure: Callable[..., RunError]) -> None:
    error = failure(url=web.url.replace("http://", "postgresql://u:some-password@") + "?connect_timeout=2")
    assert error.reason is Reason.SOURCE_UNAVAILABLE


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("not a url but secret-text", "is no database URL"),
        ("mysql://user:hidden-password@host/db", "supported is postgresql://"),
        ("postgresql://user:hidden-password@host:port/db", "is no database URL"),
        ("postgresql://user:hidden-password@127.0.0.1/db?hidden_option=1", "correct the parameters of the URL"),
    ],
)
def test_a_wrong_url_is_not_shown(failure: Callable[..., RunError], url: str, part: str) -> None:
    error = failure(url=url)
    assert error.reason is Reason.INVALID_SPEC
    assert part in error.message
    assert "hidden-password" not in error.message
    assert "secret-text" not in error.message


def test_a_missing_secret_and_key(order: Order, workspace: Workspace, put_secret: PutSecret) -> None:
    put_secret("warehouse", "other", "x")
    for name, key in (("warehouse", "url"), ("missing", "url")):
        sql = {"urlFrom": {"secretKeyRef": {"name": name, "key": key}}, "query": "SELECT 1"}
        with pytest.raises(RunError, match=f"no Secret '{name}' with key '{key}'") as caught:
            fetch(order(sources=[{"name": "answer", "sql": sql}]), workspace)
        assert caught.value.reason is Reason.SECRET_NOT_FOUND


def test_a_password_in_the_servers_own_error_is_masked(database: Postgres, failure: Callable[..., RunError]) -> None:
    with database.connect() as connection:
        literal = psycopg.sql.Literal(PASSWORD).as_string(connection)
    error = failure(f"SELECT ({literal})::int")
    assert error.reason is Reason.QUERY_FAILED
    assert "invalid input syntax for type integer" in error.message
    assert PASSWORD not in error.message
    assert '"***"' in error.message


def test_a_terminated_backend_is_a_passing_cause(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure("SELECT pg_terminate_backend(pg_backend_pid())")
    assert error.reason is Reason.SOURCE_UNAVAILABLE


def test_a_statement_timeout_needs_the_author(database: Postgres, failure: Callable[..., RunError]) -> None:
    error = failure("SELECT pg_sleep(5)", url=database.url() + "?options=-c%20statement_timeout%3D50")
    assert error.reason is Reason.QUERY_FAILED
    assert "statement timeout" in error.message


def test_too_many_connections_is_a_passing_cause(database: Postgres, failure: Callable[..., RunError]) -> None:
    with database.connect() as connection:
        connection.execute("ALTER ROLE nobody CONNECTION LIMIT 0")
    error = failure(url=database.url("nobody", "nobody-password"))
    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "too many connections" in error.message


def test_nothing_but_tables_stays_behind(run: Callable[..., Path], workspace: Workspace) -> None:
    run("SELECT 1 AS one")
    assert sorted(path.name for path in workspace.data.rglob("*")) == ["answer.parquet", "context.json", "tables"]
    assert stat.S_ISREG(workspace.context.stat().st_mode)


def test_a_row_of_many_megabytes(rows: Query) -> None:
    assert rows("SELECT 1 AS one, repeat('x', 20000000) AS text UNION ALL SELECT 2, 'y'")[0][1] == "x" * 20_000_000


def test_many_rows_in_little_memory(rows: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 MB of rows; the database may hold 64 MB."""
    monkeypatch.setattr("report_operator.run.database.memory_for", lambda _: 64 * 2**20)
    query = "SELECT i, repeat(md5(i::text), 9) AS text FROM generate_series(1, 330000) i"
    found = rows(query)
    assert len(found) == 330_000
    assert found[-1][0] == 330_000
