"""Which entity a report is about: every way to ask for one, and what is said when there is none."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.entity import Entity, EntitySelector
from report_operator.api.report import Period
from report_operator.run.database import connect, describe, write_table
from report_operator.run.entity import pick
from report_operator.run.failure import RunError
from report_operator.run.shape import show
from report_operator.run.workspace import TableInfo, Workspace

pytestmark = pytest.mark.requirement("B2")

PERIOD = Period.model_validate({"start": "2026-05-04T02:00:00+02:00", "end": "2026-05-11T00:00:00Z"})
CALLS = """
  SELECT * FROM (VALUES
    ('a-1', 'Agent Smith', 10, 5),
    ('a-2', 'Agent Jones', 30, 61),
    ('a-1', 'Agent Smith', 15, 62),
    ('a-3', 'Zoë Müller', 4, 120),
    (NULL, 'Nobody', 999, 1),
    ('', 'Nobody', 999, 1)
  ) t(agent_id, agent_name, seconds, started)
"""
ID = {"idColumn": "agent_id"}
NAMED = ID | {"labelColumn": "agent_name"}

Pick = Callable[..., Entity]


@pytest.fixture
def choose(workspace: Workspace) -> Iterator[Pick]:
    """Pick from the rows of a query: `choose(query, period=…, idColumn=…, …)`."""
    workspace.tables.mkdir(parents=True)
    with connect([workspace.data], workspace.data / "spill") as database:

        def choose(query: str, period: Period | None = PERIOD, **selector: Any) -> Entity:
            write_table(database, query, workspace.table("calls"))
            database.execute('DROP VIEW IF EXISTS "calls"')
            show(database, workspace, "calls")
            asked = EntitySelector.model_validate({"table": "calls", **selector}, extra="forbid")
            return pick(database, asked, describe(database, workspace.table("calls")), period)

        yield choose


def missed(choose: Pick, query: str, **selector: Any) -> str:
    """Return what is said when the entity is not found."""
    return refused(choose, query, Reason.SUBJECT_NOT_FOUND, **selector)


def refused(choose: Pick, query: str, reason: Reason, **selector: Any) -> str:
    with pytest.raises(RunError) as caught:
        choose(query, **selector)
    assert caught.value.reason is reason
    return caught.value.message


def values(*rows: str, columns: str) -> str:
    return f"SELECT * FROM (VALUES {', '.join(rows)}) t({columns})"


class TestDominant:
    def test_is_the_one_with_the_largest_sum(self, choose: Pick) -> None:
        assert choose(CALLS, **NAMED, measureColumn="seconds") == Entity(id="a-2", label="Agent Jones")

    def test_without_a_measure_is_the_one_with_most_rows(self, choose: Pick) -> None:
        assert choose(CALLS, **NAMED) == Entity(id="a-1", label="Agent Smith")

    def test_of_equal_ones_is_the_first_by_id(self, choose: Pick) -> None:
        rows = ["('b', 1)", "('ä', 1)", "('B', 1)", "('a', 0)"]
        for order in (rows, rows[::-1]):
            assert choose(values(*order, columns="agent_id, n"), **ID, measureColumn="n").id == "B"

    @pytest.mark.parametrize(
        ("rows", "winner"),
        [
            (["('a', NULL)", "('b', -1)"], "a"),
            (["('a', NULL)", "('b', 1)"], "b"),
            (["('a', 0.10::DECIMAL(20,2))", "('b', 0.11::DECIMAL(20,2))"], "b"),
            (["('a', 99999999999999999999999999999999999.1::DECIMAL(38,1))",
              "('b', 99999999999999999999999999999999999.2::DECIMAL(38,1))"], "b"),
            (["('a', 9223372036854775807)", "('a', 1)", "('b', 9223372036854775807)"], "a"),
            (["('a', 'NaN'::DOUBLE)", "('b', 1.0)"], "b"),
            (["('a', 1e300)", "('b', 'inf'::DOUBLE)"], "b"),
            (["('a', 1e-300)", "('b', 2e-300)"], "b"),
        ],
    )  # fmt: skip
    def test_of_values_of_every_size(self, choose: Pick, rows: list[str], winner: str) -> None:
        assert choose(values(*rows, columns="agent_id, n"), **ID, measureColumn="n").id == winner

    def test_of_sums_that_only_rounding_tells_apart_is_the_first_by_id(self, choose: Pick) -> None:
        rows = [f"('{name}', {value})" for name, value in (("b", "0.3e0"), ("a", "0.1e0"), ("a", "0.2e0"))]
        assert choose(values(*rows, columns="agent_id, n"), **ID, measureColumn="n").id == "a"
        rows = [f"('{name}', {value})" for name, value in (("a", "0.3e0"), ("b", "0.1e0"), ("b", "0.2e0"))]
        assert choose(values(*rows, columns="agent_id, n"), **ID, measureColumn="n").id == "a"

    def test_needs_numbers_to_sum(self, choose: Pick) -> None:
        said = refused(choose, CALLS, Reason.DATA_INVALID, **ID, measureColumn="agent_name")
        assert said == (
            "spec.subject.measureColumn: column 'agent_name' of table 'calls' (VARCHAR) holds no numbers:"
            " cast it in spec.tables"
        )

    def test_a_sum_that_is_too_large_is_told(self, choose: Pick) -> None:
        query = values(*["('a', 99999999999999999999999999999999999999::DECIMAL(38,0))"] * 2, columns="agent_id, n")
        said = refused(choose, query, Reason.DATA_INVALID, **ID, measureColumn="n")
        assert said.startswith("spec.subject: ")
        assert "Overflow" in said

    def test_a_million_entities_stay_in_the_database(self, choose: Pick) -> None:
        query = "SELECT i % 1000000 AS agent_id, (i = 999999)::INT AS n FROM range(2000000) t(i)"
        assert choose(query, **ID, measureColumn="n").id == "999999"


class TestTimeRange:
    def window(self, **ends: int) -> dict[str, Any]:
        return NAMED | {"measureColumn": "seconds", "timeRange": {"column": "started", **ends}}

    @pytest.mark.parametrize(
        ("ends", "winner"),
        [
            ({"startSeconds": 0, "endSeconds": 60}, "a-1"),
            ({"endSeconds": 61}, "a-1"),
            ({"endSeconds": 62}, "a-2"),
            ({"startSeconds": 61}, "a-2"),
            ({"startSeconds": 62}, "a-1"),
            ({"startSeconds": 120, "endSeconds": 121}, "a-3"),
        ],
    )
    def test_is_half_open_and_either_end_may_be_open(self, choose: Pick, ends: dict[str, int], winner: str) -> None:
        assert choose(CALLS, period=None, **self.window(**ends)).id == winner

    @pytest.mark.parametrize(
        "moment",
        [
            "TIMESTAMPTZ '2026-05-04 02:00:00+02' + to_seconds(started)",
            "TIMESTAMP '2026-05-04 00:00:00' + to_seconds(started)",
            "(TIMESTAMP '2026-05-04 00:00:00' + to_seconds(started))::TIMESTAMP_NS",
        ],
    )
    def test_counts_timestamps_from_the_start_of_the_period(self, choose: Pick, moment: str) -> None:
        query = f"SELECT * EXCLUDE started, {moment} AS started FROM ({CALLS})"
        assert choose(query, **self.window(startSeconds=61, endSeconds=62)).id == "a-2"
        assert choose(query, **self.window(startSeconds=62, endSeconds=120)).id == "a-1"

    def test_counts_dates_from_midnight(self, choose: Pick) -> None:
        query = values("('a', DATE '2026-05-04')", "('b', DATE '2026-05-05')", columns="agent_id, day")
        assert choose(query, **ID, timeRange={"column": "day", "startSeconds": 86400}).id == "b"
        assert choose(query, **ID, timeRange={"column": "day", "endSeconds": 86400}).id == "a"

    def test_a_microsecond_before_is_before(self, choose: Pick) -> None:
        query = values(
            "('a', TIMESTAMP '2026-05-04 00:00:59.999999')", "('b', TIMESTAMP '2026-05-04 00:01:00')",
            columns="agent_id, t",
        )  # fmt: skip
        assert choose(query, **ID, timeRange={"column": "t", "endSeconds": 60}).id == "a"
        assert choose(query, **ID, timeRange={"column": "t", "startSeconds": 60}).id == "b"

    def test_rows_without_a_time_are_in_no_window(self, choose: Pick) -> None:
        for without in ("NULL", "'NaN'::DOUBLE"):
            query = values(f"('a', {without})", "('b', 5.5)", columns="agent_id, t")
            assert choose(query, **ID, timeRange={"column": "t", "startSeconds": 0}).id == "b"
        query = values("('a', TIMESTAMP 'infinity')", "('b', TIMESTAMP '2026-05-05')", columns="agent_id, t")
        assert choose(query, **ID, timeRange={"column": "t", "startSeconds": 0}).id == "b"

    def test_without_a_period_there_is_no_start_to_count_from(self, choose: Pick) -> None:
        query = values("('a', DATE '2026-05-04')", columns="agent_id, day")
        asked = {"timeRange": {"column": "day", "endSeconds": 1}}
        said = refused(choose, query, Reason.INVALID_SPEC, period=None, **ID, **asked)
        assert said.endswith("(DATE) is counted from the start of the period, but spec.period is not set: set it")

    def test_needs_seconds_or_times(self, choose: Pick) -> None:
        asked = {"timeRange": {"column": "agent_name", "endSeconds": 1}}
        said = refused(choose, CALLS, Reason.DATA_INVALID, **ID, **asked)
        assert "column 'agent_name' of table 'calls' (VARCHAR) holds neither seconds nor times" in said

    def test_a_miss_says_where_the_rows_are(self, choose: Pick) -> None:
        assert missed(choose, CALLS, **self.window(startSeconds=200, endSeconds=300)) == (
            "spec.subject: timeRange: column 'started' of table 'calls' has no row of an entity from second 200 and"
            " before second 300; the rows of 3 entities lie between seconds 5 and 120; change timeRange, or set"
            " onMiss: FallbackDominant"
        )
        times = f"SELECT * EXCLUDE started, TIMESTAMP '2026-05-04 00:00:00.25' AS started FROM ({CALLS})"
        assert "lie between seconds 0.25 and 0.25" in missed(choose, times, **self.window(startSeconds=1))
        none = f"SELECT * EXCLUDE started, NULL::BIGINT AS started FROM ({CALLS})"
        assert "the rows of 3 entities have no time" in missed(choose, none, **self.window(startSeconds=1))


class TestEntityID:
    def test_is_exact(self, choose: Pick) -> None:
        query = values("('a', 1)", "('A', 2)", "(' a', 3)", columns="agent_id, n")
        assert choose(query, **ID, entityID="a").id == "a"

    @pytest.mark.parametrize("id_", ['O\'Brien "x"; DROP TABLE calls; --', "$asked", "日本 🙂", "%", "\\", "a\nb\t"])
    def test_takes_any_text_as_it_is(self, choose: Pick, id_: str) -> None:
        quoted = id_.replace("'", "''")
        found = choose(values(f"('{quoted}')", "('other')", "('other')", columns="agent_id"), **ID, entityID=id_)
        assert found.id == id_

    @pytest.mark.parametrize(
        ("type_", "id_"),
        [("BIGINT", "42"), ("DECIMAL(9,2)", "42.00"), ("DOUBLE", "42.0"), ("UTINYINT", "42")],
    )
    def test_reads_numbers_as_text(self, choose: Pick, type_: str, id_: str) -> None:
        assert choose(f"SELECT 42::{type_} AS agent_id UNION ALL SELECT 7", **ID, entityID=id_).id == id_

    def test_a_column_may_have_any_name(self, choose: Pick) -> None:
        name = 'select "it\'s"; --'
        query = "SELECT 'a' AS " + '"' + name.replace('"', '""') + '"'
        assert choose(query, idColumn=name, labelColumn=name, entityID="a") == Entity(id="a", label="a")

    def test_a_miss_names_the_nearest(self, choose: Pick) -> None:
        assert missed(choose, CALLS, **NAMED, entityID="a-33") == (
            "spec.subject: entityID: column 'agent_id' of table 'calls' does not have 'a-33'; of 3 entities the"
            " nearest: 'a-3' (Zoë Müller), 'a-1' (Agent Smith), 'a-2' (Agent Jones); change entityID, or set onMiss:"
            " FallbackDominant"
        )


class TestHint:
    @pytest.mark.parametrize(
        ("hint", "id_"),
        [
            ("Agent Smith", "a-1"),
            ("agent  SMITH ", "a-1"),
            ("smith", "a-1"),
            ("Agent Smiht", "a-1"),
            ("jones", "a-2"),
            ("zoe muller", "a-3"),
            ("Zoe\u0308 Mu\u0308ller", "a-3"),
            ("MÜLLER", "a-3"),
            ("a-2", "a-2"),
            ("agent", "a-2"),
        ],
    )
    def test_finds_the_likest_label_or_id(self, choose: Pick, hint: str, id_: str) -> None:
        assert choose(CALLS, **NAMED, measureColumn="seconds", hint=hint).id == id_

    @pytest.mark.parametrize("hint", ["nobody", "a-9x", "   ", "'; DROP TABLE calls; --", "%", "x" * 1024, "東京"])
    def test_what_nothing_is_like_is_missed(self, choose: Pick, hint: str) -> None:
        said = missed(choose, CALLS, **NAMED, hint=hint)
        assert "hint: neither column 'agent_id' nor column 'agent_name' of table 'calls' has anything like" in said
        assert "of 3 entities the nearest: 'a-" in said
        assert len(said) < 500

    def test_an_equal_text_is_before_a_longer_one(self, choose: Pick) -> None:
        query = values("('1', 'Jon Snow', 9)", "('2', 'Jon', 1)", columns="agent_id, agent_name, n")
        assert choose(query, **NAMED, measureColumn="n", hint="jon").id == "2"

    def test_ties_go_to_the_larger_total_then_by_id(self, choose: Pick) -> None:
        rows = ["('3', 'Jon', 5)", "('2', 'JON', 7)", "('1', 'jón', 7)"]
        for order in (rows, rows[::-1]):
            query = values(*order, columns="agent_id, agent_name, n")
            assert choose(query, **NAMED, measureColumn="n", hint="Jon").id == "1"

    def test_without_labels_ids_are_searched(self, choose: Pick) -> None:
        assert choose(CALLS, **ID, hint="A-3").id == "a-3"


class TestMiss:
    def test_falls_back_to_the_dominant_and_says_so(self, choose: Pick) -> None:
        found = choose(CALLS, **NAMED, measureColumn="seconds", entityID="nobody", onMiss="FallbackDominant")
        assert (found.id, found.label) == ("a-2", "Agent Jones")
        assert found.fallback
        assert "spec.subject is the dominant entity, by onMiss: entityID: " in found.fallback
        assert "does not have 'nobody'" in found.fallback
        assert "change entityID" not in found.fallback

    def test_a_long_reason_is_cut(self, choose: Pick) -> None:
        query = values("(repeat('x', 200), repeat('y', 200))", columns="agent_id, agent_name")
        found = choose(query, **NAMED, hint="z" * 1024, onMiss="FallbackDominant")
        assert found.fallback
        assert len(found.fallback) <= 500

    def test_what_is_found_is_no_fallback(self, choose: Pick) -> None:
        assert choose(CALLS, **ID, entityID="a-3", onMiss="FallbackDominant").fallback is None

    @pytest.mark.parametrize("asked", [{}, {"hint": "x"}, {"entityID": "x"}, {"onMiss": "FallbackDominant"}])
    def test_where_there_is_no_entity_every_way_misses(self, choose: Pick, asked: dict[str, str]) -> None:
        nothing = "spec.subject: there is no entity in table 'calls': "
        way_out = "; look at the queries, and at the period"
        assert missed(choose, f"{CALLS} LIMIT 0", **NAMED, **asked) == f"{nothing}it is empty{way_out}"
        assert missed(choose, f"FROM ({CALLS}) WHERE agent_name = 'Nobody'", **NAMED, **asked) == (
            f"{nothing}none of its 2 rows has an id in column 'agent_id'{way_out}"
        )

    @pytest.mark.parametrize(
        ("field", "asked"),
        [
            ("idColumn", {"idColumn": "nope"}),
            ("labelColumn", ID | {"labelColumn": "nope"}),
            ("measureColumn", ID | {"measureColumn": "nope"}),
            ("timeRange.column", ID | {"timeRange": {"column": "nope", "endSeconds": 1}}),
        ],
    )
    def test_an_unknown_column_is_named(self, choose: Pick, field: str, asked: dict[str, Any]) -> None:
        assert refused(choose, f"{CALLS} LIMIT 0", Reason.COLUMN_NOT_FOUND, **asked) == (
            f"spec.subject.{field}: table 'calls' has no column 'nope'; it has: agent_id, agent_name, seconds, started"
        )


@pytest.mark.requirement("B3")
class TestLabel:
    def test_of_the_spec_is_before_that_of_the_data(self, choose: Pick) -> None:
        assert choose(CALLS, **NAMED, label="The One").label == "The One"

    @pytest.mark.parametrize(
        ("label", "shown"),
        [
            ("NULL", "a"),
            ("' '", "a"),
            ("' two  words '", "two words"),
            ("'two' || chr(10) || 'lines' || chr(27)", "two lines"),
            ("repeat('ä', 64)", "ä" * 64),
            ("repeat('ä', 65)", "ä" * 63 + "…"),
            ("7", "7"),
        ],
    )
    def test_is_one_line_of_64_characters(self, choose: Pick, label: str, shown: str) -> None:
        assert choose(f"SELECT 'a' AS agent_id, {label} AS agent_name", **NAMED).label == shown

    def test_of_several_is_the_first_by_the_alphabet(self, choose: Pick) -> None:
        query = values("('a', 'Smith')", "('a', NULL)", "('a', 'Jones')", columns="agent_id, agent_name")
        assert choose(query, **NAMED).label == "Jones"

    def test_without_a_column_is_the_id(self, choose: Pick) -> None:
        assert choose("SELECT repeat('i', 256) AS agent_id", **ID) == Entity(id="i" * 256, label="i" * 63 + "…")
        assert choose("SELECT chr(7) AS agent_id", **ID).label == r"'\x07'"

    def test_an_id_has_256_characters_at_most(self, choose: Pick) -> None:
        said = refused(choose, "SELECT repeat('i', 257) AS agent_id", Reason.DATA_INVALID, **ID)
        assert "has 257 characters: at most 256 are an entity's" in said


def test_data_that_does_not_tell_its_columns_has_no_entity() -> None:
    selector = EntitySelector.model_validate({"table": "items", "idColumn": "id", "onMiss": "FallbackDominant"})
    with duckdb.connect() as database, pytest.raises(RunError) as caught:
        pick(database, selector, TableInfo(rows=0, columns=[]), None)
    assert caught.value.reason is Reason.SUBJECT_NOT_FOUND
    assert "there is no entity in table 'items': it is empty" in caught.value.message
