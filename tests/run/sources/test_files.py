"""Inline rows and files in ConfigMaps: how CSV and JSON are read, and what a broken file is told."""

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.run import Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.workspace import Workspace

Order = Callable[..., Request]
Read = Callable[[dict[str, Any]], tuple[list[tuple[str, str]], list[tuple[Any, ...]]]]


@pytest.fixture
def read(workspace: Workspace, order: Order) -> Read:
    """Fetch one source; return its columns with types and its rows, zoned times as text in UTC."""

    def read(kind: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
        context = fetch(order(sources=[{"name": "data", **kind}]), workspace)
        columns = [(column.name, column.type) for column in context.tables["data"].columns]
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            zoned = "* REPLACE (" + ", ".join(f'"{n}"::VARCHAR AS "{n}"' for n, t in columns if "ZONE" in t) + ")"
            chosen = zoned if any("ZONE" in t for _, t in columns) else "*"
            rows = connection.execute(
                f"SELECT {chosen} FROM read_parquet(?)", [str(workspace.table("data"))]
            ).fetchall()
        assert context.tables["data"].rows == len(rows)
        return columns, rows

    return read


@pytest.fixture
def read_file(read: Read, put_config_map: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Fetch a file of a ConfigMap: `read_file("csv", content)`."""

    def read_file(data_format: str, content: str | bytes) -> Any:
        reference = put_config_map("files", f"data.{data_format}", content)
        return read({"configMap": reference | {"format": data_format}})

    return read_file


def test_inline_rows_have_the_union_of_their_keys(read: Read) -> None:
    rows = [{"a": 1, "b": "x"}, {"b": "", "c": [1, 2]}, {"a": 2.5, "d": {"e": True}}]
    assert read({"inline": {"rows": rows}}) == (
        [("a", "DOUBLE"), ("b", "VARCHAR"), ("c", "BIGINT[]"), ("d", "STRUCT(e BOOLEAN)")],
        [(1.0, "x", None, None), (None, "", [1, 2], None), (2.5, None, None, {"e": True})],
    )


def test_json_times_numbers_and_texts(read: Read) -> None:
    row = {
        "day": "2026-05-04",
        "local": "2026-05-04 10:00:00",
        "zoned": "2026-05-04T10:00:00+02:00",
        "number": 9007199254740993,
        "code": "007",
        "other": "01/02/2026",
        "nothing": None,
    }
    columns, rows = read({"inline": {"rows": [row]}})
    assert [type_ for _, type_ in columns] == [
        "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BIGINT", "VARCHAR", "VARCHAR", "VARCHAR",
    ]  # fmt: skip
    assert rows[0][2:] == ("2026-05-04 08:00:00+00", 9007199254740993, "007", "01/02/2026", None)


def test_integers_beyond_64_bits_stay_exact(read: Read) -> None:
    columns, rows = read({"inline": {"rows": [{"id": 2**64 - 1, "n": 5}]}})
    assert (columns, rows) == ([("id", "DECIMAL(38,0)"), ("n", "BIGINT")], [(2**64 - 1, 5)])


def test_types_come_from_all_rows(read_file: Callable[..., Any]) -> None:
    numbers = "".join(f"{number}\n" for number in range(40_000))
    columns, rows = read_file("csv", f"n\n{numbers}late text\n")
    assert columns == [("n", "VARCHAR")]
    assert rows[-1] == ("late text",)
    columns, _ = read_file("json", "\n".join([*['{"n": 1}'] * 40_000, '{"n": "late text", "m": 1}']))
    assert columns == [("n", "JSON"), ("m", "BIGINT")]


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        ('a,b\n1,""\n,x\n', [("a", "BIGINT"), ("b", "VARCHAR")], [(1, ""), (None, "x")]),
        ("a,b\r\n1,2\r\n", [("a", "BIGINT"), ("b", "BIGINT")], [(1, 2)]),
        ("\ufeffa\n1", [("a", "BIGINT")], [(1,)]),
        ('a,b\n"x\ny","say ""hi"", you"\n', [("a", "VARCHAR"), ("b", "VARCHAR")], [("x\ny", 'say "hi", you')]),
        ("a,b\n007,1.50\n008,2\n", [("a", "VARCHAR"), ("b", "DOUBLE")], [("007", 1.5), ("008", 2.0)]),
        ("a,b\n", [("a", "VARCHAR"), ("b", "VARCHAR")], []),
        ("a\n01/02/2026\n", [("a", "VARCHAR")], [("01/02/2026",)]),
        ("a,A\n1,2\n", [("a", "BIGINT"), ("A_1", "BIGINT")], [(1, 2)]),
        ("a;b\n1;2\n", [("a;b", "VARCHAR")], [("1;2",)]),
        ("a,b\n#1,2\n", [("a", "VARCHAR"), ("b", "BIGINT")], [("#1", 2)]),
        ("a\n2026-05-04T10:00:00Z\n", [("a", "TIMESTAMP WITH TIME ZONE")], [("2026-05-04 10:00:00+00",)]),
        ("id\n18446744073709551617\n", [("id", "DECIMAL(38,0)")], [(2**64 + 1,)]),
    ],
)
def test_csv(
    read_file: Callable[..., Any], content: str, columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]
) -> None:
    assert read_file("csv", content) == (columns, rows)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "there is no data at all: expected csv, with a header line at least"),
        ("a,b\n1,2\n3\n4,5\n", "line 3 is no valid CSV: Expected Number of Columns: 2 Found: 1"),
        ("a,b\n1,2\n3,4,5\n", "line 3 is no valid CSV: Expected Number of Columns: 2 Found: 3"),
        ("a,b\n1,2\n1,2,3\n1,2,3\n1,2,3\n", "line 3 is no valid CSV: Expected Number of Columns: 2 Found: 3"),
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3 is no valid CSV: Value with unterminated quote found"),
        (b"a\nx\n\xe9\n", "line 3 is no valid CSV: Invalid unicode"),
        (b"a\xe9,b\n1,2\n", "line 1 is no valid CSV: Invalid unicode"),
        ("<html>\n<body a=1,2>\n", "line 2 is no valid CSV: Expected Number of Columns: 1 Found: 2"),
    ],
)
def test_broken_csv_names_the_line(read_file: Callable[..., Any], content: str | bytes, part: str) -> None:
    with pytest.raises(RunError) as caught:
        read_file("csv", content)
    assert caught.value.reason is Reason.DATA_INVALID
    assert caught.value.message.startswith("source 'data': key 'data.csv' of ConfigMap 'files': ")
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "there is no data at all: expected json, [] at least"),
        (" \n", "there is no data at all: expected json, [] at least"),
        ("[{}, {}]", "the rows are empty objects"),
        ("{}", "the rows are empty objects"),
        ('[{"a": 1},\n {"a": x}]', "line 2, column 8: Expecting value"),
        ('{"a": 1}\n{"a": 2}\n{"a": \n', "line 4, column 1: Expecting value"),
        ("<html>\n<body>", "line 1, column 1: Expecting value"),
        ('[{"a": 1}, 2]', "row 2 is no JSON object"),
        ("[1, 2]", "row 1 is no JSON object"),
        (b'[{"a": "\xe9"}]', "invalid continuation byte at byte 8, and JSON is UTF-8"),
        ('[{"a": 1, "a": 2}]', 'has duplicate key "a"'),
    ],
)
def test_broken_json_names_the_place(read_file: Callable[..., Any], content: str | bytes, part: str) -> None:
    with pytest.raises(RunError) as caught:
        read_file("json", content)
    assert caught.value.reason is Reason.DATA_INVALID
    assert part in caught.value.message
    assert ".part" not in caught.value.message


@pytest.mark.parametrize("content", ["[]", "[ ]", "\ufeff[\r\n]\n", " " * 1000 + "[]"])
def test_an_empty_json_array_is_no_rows_of_unknown_columns(read_file: Callable[..., Any], content: str) -> None:
    assert read_file("json", content) == ([], [])


def test_json_of_one_object_a_line_and_pretty_printed(read_file: Callable[..., Any]) -> None:
    for content in (
        '{"a": 1}\n{"a": 2}\n',
        '\n{\n "a": 1\n}\n{\n "a": 2}',
        '[\n{"a": 1},\n{"a": 2}]',
        " " * 3000 + '[{"a": 1}, {"a": 2}]',
    ):
        assert read_file("json", content) == ([("a", "BIGINT")], [(1,), (2,)])


def test_json_with_many_keys_has_a_column_for_each(read_file: Callable[..., Any]) -> None:
    columns, rows = read_file("json", "[" + ",".join(f'{{"k{number}": 1}}' for number in range(300)) + "]")
    assert len(columns) == len(rows) == 300


def test_a_missing_config_map_and_key(read: Read, put_config_map: Callable[..., dict[str, Any]]) -> None:
    put_config_map("files", "other.csv", "a\n1\n")
    for name in ("files", "missing"):
        with pytest.raises(RunError, match=f"no ConfigMap '{name}' with key 'data.csv'") as caught:
            read({"configMap": {"name": name, "key": "data.csv"}})
        assert caught.value.reason is Reason.CONFIG_MAP_NOT_FOUND


def test_a_source_without_a_kind(read: Read) -> None:
    with pytest.raises(RunError, match="source 'data': set exactly one of inline") as caught:
        read({})
    assert caught.value.reason is Reason.INVALID_SPEC


@pytest.mark.parametrize("data_format", ["csv", "json", "ndjson"])
def test_large_files_in_little_memory(
    read_file: Callable[..., Any], data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 MB of rows; the database may hold 64 MB."""
    monkeypatch.setattr("report_operator.run.database.memory_for", lambda _: 64 * 2**20)
    lines = {"csv": '{},"{}"', "json": '{{"n":{},"text":"{}"}}', "ndjson": '{{"n":{},"text":"{}"}}'}[data_format]
    rows = [lines.format(number, f"{number:050}" * 6) for number in range(330_000)]
    texts = {"csv": "n,text\n" + "\n".join(rows), "json": "[" + ",\n".join(rows) + "]", "ndjson": "\n".join(rows)}
    _, found = read_file(data_format.removeprefix("nd"), texts[data_format])
    assert len(found) == 330_000
