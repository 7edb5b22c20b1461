"""Tables made by SQL: what a query may do and what it is told when it does something else."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.entity import Entity
from report_operator.api.run import EXIT_USER_ERROR, Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.workspace import Context, Workspace

Order = Callable[..., Request]

SOURCE = {
    "name": "traffic",
    "inline": {"rows": [{"product": f"p{i % 3}", "bytes": i, "day": f"2026-05-{i:02}"} for i in range(1, 15)]},
}
PERIOD = {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"}


@pytest.fixture
def shape(order: Order, workspace: Workspace) -> Callable[..., Context]:
    """Make tables `t0`, `t1`, … from queries over a source `traffic`."""

    def shape(*queries: str, period: object = PERIOD, subject: object = None) -> Context:
        tables = [{"name": f"t{index}", "query": query} for index, query in enumerate(queries)]
        return fetch(order(sources=[SOURCE], tables=tables, period=period, subject=subject), workspace)

    return shape


def rows(workspace: Workspace, table: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute("FROM read_parquet(?)", [str(workspace.table(table))]).fetchall()


def test_a_table_sees_sources_and_tables_before_it(shape: Callable[..., Context], workspace: Workspace) -> None:
    context = shape(
        "SELECT product, sum(bytes) AS bytes FROM traffic GROUP BY ALL ORDER BY 2 DESC",
        "SELECT count(*) AS n, max(bytes) AS most FROM t0",
    )
    assert rows(workspace, "t0") == [("p2", 40), ("p1", 35), ("p0", 30)]
    assert rows(workspace, "t1") == [(3, 40)]
    assert {name: info.rows for name, info in context.tables.items()} == {"traffic": 14, "t0": 3, "t1": 1}
    assert [column.type for column in context.tables["t0"].columns] == ["VARCHAR", "BIGINT"]
    assert Context.model_validate_json(workspace.context.read_bytes()) == context


def test_the_period_is_bound_with_its_zone(shape: Callable[..., Context], workspace: Workspace) -> None:
    shape(
        "SELECT count(*) FROM traffic WHERE day >= $period_start AND day < $period_end",
        "SELECT typeof($period_start), $period_end::VARCHAR, '$period_start'",
        "SELECT 1 AS one",
    )
    assert rows(workspace, "t0") == [(7,)]
    assert rows(workspace, "t1") == [("TIMESTAMP WITH TIME ZONE", "2026-05-11 00:00:00+00", "$period_start")]


def test_order_survives_many_rows(shape: Callable[..., Context], workspace: Workspace) -> None:
    shape("SELECT i FROM range(500000) t(i) ORDER BY i % 1000, i DESC")
    assert [row[0] for row in rows(workspace, "t0")] == sorted(range(500_000), key=lambda i: (i % 1000, -i))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS a;",
        "SELECT 1 AS a -- comment",
        "SELECT 1 AS a; -- comment",
        "SELECT 1 AS a; /* comment; */ ;",
        "SELECT 1 AS a WHERE 'wörld;' <> '✓'; -- ü",
        "FROM (VALUES (1)) t(a)",
        "WITH x AS (SELECT 1 AS a) FROM x",
        "VALUES (1)",
        "(SELECT 1 AS a)",
        "SELECT a FROM (SELECT 1 AS a UNION ALL SELECT 2) LIMIT 1",
    ],
)
def test_ways_to_write_one_select(shape: Callable[..., Context], workspace: Workspace, query: str) -> None:
    shape(query)
    assert rows(workspace, "t0") == [(1,)]


def test_describe_and_summarize_are_tables_too(shape: Callable[..., Context]) -> None:
    context = shape("SUMMARIZE traffic", "DESCRIBE traffic")
    assert context.tables["t0"].rows == context.tables["t1"].rows == 3


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("SELECT missing FROM traffic", 'Referenced column "missing" not found'),
        ("SELECT\n*\nFROM missing", "Table with name missing does not exist"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 'x'::INTEGER", "Could not convert string 'x' to INT32"),
        ("SELECT sum(product) FROM traffic", "sum(VARCHAR)"),
        ("", "has to be one SELECT statement; found: nothing"),
        ("-- only a comment", "found: nothing"),
        ("SELECT 1; SELECT 2", "found: SELECT, SELECT"),
        ("SELECT 1; DROP VIEW traffic", "found: SELECT, DROP"),
        ("COPY traffic TO '{data}/evil.csv'", "found: COPY"),
        ("ATTACH '{data}/evil.db'", "found: ATTACH"),
        ("INSTALL httpfs", "found: LOAD"),
        ("SET threads = 1", "found: SET"),
        ("PRAGMA database_list", "found: PRAGMA"),
        ("CREATE TABLE evil AS SELECT 1", "found: CREATE"),
        ("EXPLAIN SELECT 1", "found: EXPLAIN"),
        ("WITH x AS (COPY (SELECT 1) TO '{data}/evil.csv') FROM x", "must be at the top level"),
        ("FROM read_text('/etc/passwd')", "only the Report's sources"),
        ("FROM '/etc/passwd'", "does not exist"),
        ("FROM 'http://127.0.0.1:1/x.csv'", "only the Report's sources"),
        ("FROM read_blob('/proc/self/environ')", "only the Report's sources"),
        ("FROM enable_logging(storage = 'file', storage_path = '{data}/log')", "configuration has been locked"),
        ("SELECT $other", "only $period_start, $period_end, $subject_id and $subject_label have values"),
        ("SELECT ?", "only $period_start, $period_end, $subject_id"),
        ("SELECT 1) TO '{data}/evil.csv' --", "syntax error"),
    ],
)
def test_what_a_query_may_not(shape: Callable[..., Context], workspace: Workspace, query: str, part: str) -> None:
    with pytest.raises(RunError) as caught:
        shape(query.replace("{data}", str(workspace.data)) or " ")
    assert caught.value.reason is Reason.QUERY_FAILED
    assert caught.value.message.startswith("table 't0': ")
    assert part in caught.value.message
    assert sorted(path.name for path in workspace.data.rglob("*")) == ["tables", "traffic.parquet"]


def test_the_line_of_a_mistake_is_the_authors(shape: Callable[..., Context]) -> None:
    with pytest.raises(RunError, match=r"\(line 3\)$"):
        shape("SELECT 1,\n  2,\n  missing\nFROM traffic")


def test_a_period_parameter_needs_a_period(shape: Callable[..., Context]) -> None:
    with pytest.raises(
        RunError, match=r"table 't0': the query uses \$period_end, but spec.period is not set"
    ) as caught:
        shape("SELECT $period_end", period=None)
    assert caught.value.reason is Reason.INVALID_SPEC


@pytest.mark.requirement("B2")
class TestSubject:
    """`$subject_id` and `$subject_label`: bound in the tables after the one that the entity is picked from."""

    PRODUCT = {"table": "traffic", "idColumn": "product", "measureColumn": "bytes"}

    def test_is_bound_as_text_in_every_table_when_it_is_of_a_source(
        self, shape: Callable[..., Context], workspace: Workspace
    ) -> None:
        context = shape(
            "SELECT count(*) AS n FROM traffic WHERE product = $subject_id",
            "SELECT typeof($subject_id), $subject_id, $subject_label, '$subject_id'",
            subject=self.PRODUCT | {"label": 'It\'s "P 2"'},
        )
        assert rows(workspace, "t0") == [(5,)]
        assert rows(workspace, "t1") == [("VARCHAR", "p2", 'It\'s "P 2"', "$subject_id")]
        assert context.subject == Entity(id="p2", label='It\'s "P 2"')
        assert Context.model_validate_json(workspace.context.read_bytes()) == context

    def test_compares_with_numbers(self, shape: Callable[..., Context], workspace: Workspace) -> None:
        shape(
            "SELECT day::VARCHAR FROM traffic WHERE bytes = $subject_id", subject=self.PRODUCT | {"idColumn": "bytes"}
        )
        assert rows(workspace, "t0") == [("2026-05-14",)]

    def test_of_a_table_is_bound_in_those_after_it(self, shape: Callable[..., Context], workspace: Workspace) -> None:
        subject = {"table": "t1", "idColumn": "product", "labelColumn": "name"}
        shape(
            "SELECT 1 AS one",
            "SELECT product, upper(product) AS name FROM traffic WHERE product <> 'p2'",
            "SELECT $subject_id, $subject_label",
            subject=subject,
        )
        assert rows(workspace, "t2") == [("p1", "P1")]

    @pytest.mark.parametrize("query", ["SELECT $subject_id AS product", "SELECT $subject_label AS product"])
    @pytest.mark.parametrize("table", ["t0", "t1"])
    def test_is_unknown_until_its_table_is_there(self, shape: Callable[..., Context], query: str, table: str) -> None:
        subject = self.PRODUCT | {"table": table}
        with pytest.raises(RunError) as caught:
            shape(query, "FROM traffic", subject=subject)
        assert caught.value.reason is Reason.INVALID_SPEC
        assert caught.value.message == (
            f"table 't0': the query uses ${'subject_label' if 'label' in query else 'subject_id'}, but the subject is"
            f" picked from table {table!r} first: only tables after that one can use it"
        )

    def test_has_to_be_asked_for(self, shape: Callable[..., Context]) -> None:
        with pytest.raises(RunError, match=r"the query uses \$subject_id, but spec.subject is not set") as caught:
            shape("SELECT $subject_id")
        assert caught.value.reason is Reason.INVALID_SPEC

    def test_that_is_missed_fails_the_run_for_good(self, shape: Callable[..., Context], workspace: Workspace) -> None:
        with pytest.raises(RunError, match="does not have 'p9'; of 3 entities the nearest: 'p2'") as caught:
            shape("SELECT 1", subject=self.PRODUCT | {"entityID": "p9"})
        assert caught.value.reason is Reason.SUBJECT_NOT_FOUND
        assert caught.value.exit_code == EXIT_USER_ERROR
        assert not workspace.context.exists()


def test_a_query_that_does_not_fit_spills_to_the_data_folder(
    shape: Callable[..., Context], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report_operator.run.database.memory_for", lambda _: 64 * 2**20)
    query = "SELECT i, repeat(md5(i::VARCHAR), 4) AS text FROM range(1000000) t(i) ORDER BY text"
    assert shape(query).tables["t0"].rows == 1_000_000
    assert not (workspace.data / "spill").exists()


def test_variables_of_the_program_are_no_tables(shape: Callable[..., Context]) -> None:
    with pytest.raises(RunError, match="Table with name workspace does not exist"):
        shape("FROM workspace")


def test_an_unknown_folder_is_made(order: Order, tmp_path: Path) -> None:
    workspace = Workspace.under(tmp_path / "a" / "b")
    assert fetch(order(sources=[SOURCE]), workspace).tables["traffic"].rows == 14


class TestUnknownColumns:
    """An API without items in that week answers `[]`."""

    @pytest.fixture
    def shape(
        self, order: Order, workspace: Workspace, put_config_map: Callable[..., dict[str, object]]
    ) -> Callable[[str], Context]:
        """Make tables `t0`, `t1`, … from queries over a source `items`, which is empty."""
        source = {"name": "items", "configMap": put_config_map("files", "items.json", "[]") | {"format": "json"}}

        def shape(*queries: str) -> Context:
            tables = [{"name": f"t{index}", "query": query} for index, query in enumerate(queries)]
            return fetch(order(sources=[source], tables=tables), workspace)

        return shape

    def test_need_not_be_known_to_count_or_to_pass_on(
        self, shape: Callable[..., Context], workspace: Workspace
    ) -> None:
        context = shape("SELECT count(*) AS n FROM items", "FROM items", "FROM t1")
        assert rows(workspace, "t0") == [(0,)]
        assert [(info.rows, info.columns) for name, info in context.tables.items() if name != "t0"] == [(0, [])] * 3

    @pytest.mark.parametrize("queries", [("SELECT price FROM Items",), ("FROM items", "SELECT price FROM t0")])
    def test_are_named_with_the_way_out(self, shape: Callable[..., Context], queries: tuple[str, ...]) -> None:
        with pytest.raises(RunError) as caught:
            shape(*queries)
        assert caught.value.reason is Reason.QUERY_FAILED
        assert 'Referenced column "price" not found' in caught.value.message
        assert "has no rows that tell its columns" in caught.value.message

    def test_the_way_out_holds(self, shape: Callable[..., Context], workspace: Workspace) -> None:
        named = "(SELECT NULL::BIGINT AS price WHERE false UNION ALL BY NAME FROM items)"
        context = shape(
            f"SELECT price, count(*) AS n FROM {named} GROUP BY ALL", f"SELECT max(price) AS most FROM {named}"
        )
        assert [(column.name, column.type) for column in context.tables["t0"].columns] == [
            ("price", "BIGINT"),
            ("n", "BIGINT"),
        ]
        assert rows(workspace, "t1") == [(None,)]

    def test_another_error_of_the_query_stays_what_it_is(self, shape: Callable[..., Context]) -> None:
        with pytest.raises(RunError) as caught:
            shape("SELECT 1 AS one", "SELECT two FROM t0")
        assert "tell its columns" not in caught.value.message
