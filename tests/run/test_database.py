"""What the locked database can reach, and what becomes of its types and errors."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from report_operator.api.conditions import Reason
from report_operator.run import database
from report_operator.run.failure import RunError
from report_operator.run.limits import memory_limit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder beside a folder that is not to be reached."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data-of-others").mkdir()
    (tmp_path / "data-of-others" / "rows.csv").write_text("a\n1\n")
    return tmp_path / "data"


@pytest.fixture
def connection(data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that is locked to the data folder."""
    with database.connect([data], data / "spill") as opened:
        yield opened


SECRET = [1, 2, 3]


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_text('/etc/passwd')",
        "FROM read_csv('/etc/passwd')",
        "FROM read_blob('/proc/self/environ')",
        "FROM '/etc/passwd'",
        "FROM sniff_csv('/etc/passwd')",
        "FROM glob('/etc/*')",
        "FROM read_text('{data}/../data-of-others/rows.csv')",
        "FROM read_text('{data}-of-others/rows.csv')",
        "FROM '{data}-of-others/rows.csv'",
        "FROM 'http://127.0.0.1:1/rows.csv'",
        "FROM 'https://example.com/rows.csv'",
        "FROM 's3://bucket/rows.parquet'",
        "ATTACH '/tmp/report-operator.db'",
        "ATTACH 'postgres:host=127.0.0.1' AS remote (TYPE postgres)",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM duckdb_secrets()",
        "COPY (SELECT 1) TO '{data}-of-others/out.csv'",
        "EXPORT DATABASE '{data}-of-others/out'",
        "SET threads = 1",
        "RESET memory_limit",
        "PRAGMA temp_directory = '/tmp'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "FROM enable_logging(storage = 'file', storage_path = '{data}-of-others/log')",
        "FROM SECRET",
    ],
)
def test_reaches_nothing_else(connection: duckdb.DuckDBPyConnection, data: Path, statement: str) -> None:
    assert SECRET
    with pytest.raises(duckdb.Error):
        connection.execute(statement.format(data=data)).fetchall()
    assert [path.name for path in data.parent.joinpath("data-of-others").iterdir()] == ["rows.csv"]


def test_reads_and_writes_its_own_folder(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    connection.execute(f"COPY (SELECT 1 AS a) TO '{data}/a.csv'")
    assert connection.execute(f"FROM '{data}/a.csv'").fetchall() == [(1,)]


def test_a_folder_behind_a_symbolic_link_goes_by_both_names(data: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(data)
    (data / "rows.csv").write_text("a\n1\n")
    with database.connect([link], None) as connection:
        for folder in (link, data):
            assert connection.execute(f"FROM '{folder}/rows.csv'").fetchall() == [(1,)]


def test_memory_and_threads_are_bounded(connection: duckdb.DuckDBPyConnection) -> None:
    settings = dict(connection.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert settings["TimeZone"] == "UTC"
    assert int(settings["threads"]) >= 1
    assert settings["memory_limit"] != "0 bytes"
    assert database.memory_for(memory_limit()) < memory_limit()


@pytest.mark.parametrize(("limit", "share"), [(2**30, 537), (256 * 2**20, 76), (64 * 2**20, 64)])
def test_memory_share(limit: int, share: int) -> None:
    assert database.memory_for(limit) // 2**20 == share


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("sum(9007199254740993)", "BIGINT", 9007199254740993),
        (
            "sum(i) FROM (SELECT unnest([9223372036854775807, 9223372036854775807]) AS i)",
            "DECIMAL(38,0)",
            Decimal(2**64 - 2),
        ),
        ("[sum(9007199254740993)]", "BIGINT[]", [9007199254740993]),
        ("1::UHUGEINT", "BIGINT", 1),
        ("NULL", "VARCHAR", None),
        ("[]", "VARCHAR[]", []),
        ("INTERVAL '-1 day 00:00:00.000001'", "VARCHAR", "-1 day 00:00:00.000001"),
        ("1.50", "DECIMAL(3,2)", Decimal("1.50")),
        ("{'a': 1}", "STRUCT(a INTEGER)", {"a": 1}),
    ],
)
def test_types_that_parquet_keeps(
    connection: duckdb.DuckDBPyConnection, data: Path, expression: str, type_: str, value: object
) -> None:
    what, _, rest = expression.partition(" FROM ")
    query = f"SELECT {what} AS value" + (f" FROM {rest}" if rest else "")
    database.write_table(connection, query, data / "t.parquet")
    info = database.describe(connection, data / "t.parquet")
    assert (info.rows, info.columns[0].name, info.columns[0].type) == (1, "value", type_)
    assert connection.execute("FROM read_parquet(?)", [str(data / "t.parquet")]).fetchall() == [(value,)]


def test_a_conversion_that_the_query_itself_gets_wrong(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    with pytest.raises(duckdb.ConversionException, match="'x'"):
        database.write_table(connection, "SELECT sum(1), CAST('x' AS INTEGER)", data / "t.parquet")


def test_out_of_memory_and_disk(data: Path) -> None:
    with duckdb.connect(config={"memory_limit": "20MB", "temp_directory": ""}) as small:
        for size, reason in (("", Reason.OUT_OF_MEMORY), ("1MB", Reason.DISK_FULL)):
            if size:
                small.execute(f"SET temp_directory = '{data}/spill'")
                small.execute(f"SET max_temp_directory_size = '{size}'")
            with pytest.raises(RunError) as caught, database.failing_as(Reason.QUERY_FAILED, "table 't'"):
                small.execute("SELECT i, md5(i::VARCHAR) AS text FROM range(2000000) t(i) ORDER BY text").fetchall()
            assert caught.value.reason is reason
            assert caught.value.message.startswith("table 't': ")


def test_errors_in_one_line(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(RunError) as caught, database.failing_as(Reason.QUERY_FAILED, "table 't'"):
        connection.execute("SELECT 1,\n  missing\nFROM range(1)")
    message = caught.value.message
    assert message.startswith("table 't': Referenced column \"missing\" not found in FROM clause!")
    assert message.endswith("(line 2)")
    assert "\n" not in message


def test_faults_of_the_database_are_not_the_querys() -> None:
    with (
        pytest.raises(duckdb.InternalException),
        database.failing_as(Reason.QUERY_FAILED, "table 't'"),
    ):
        raise duckdb.InternalException("INTERNAL Error: assertion")


def test_unique_names() -> None:
    assert database.unique(["a", "A", "a", "a_1", "b"]) == ["a", "A_1", "a_2", "a_1_1", "b"]
