"""CSV files, read back by another reader than the one that wrote them."""

import csv
from pathlib import Path

import pytest

from report_operator.run.database import UNKNOWN
from report_operator.run.documents.csv import defused
from report_operator.run.render import render
from tests.support import rendering


def _rows(root: Path, query: str) -> list[list[str]]:
    workspace = rendering.workspace(root, {"t": query})
    rendered = render(rendering.request({"outputs": [{"format": "csv", "table": "t", "name": "out"}]}), workspace)
    with (workspace.outputs / "out.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert rendered.files[0].rows == len(rows)
    return [header, *rows]


def test_cells_survive_quotes_separators_and_line_breaks(tmp_path: Path) -> None:
    query = """SELECT 'a,b' AS x, 'say "hi"' AS y, 'two' || chr(10) || 'lines' AS "z, 1",
      'é 中 ع' AS u, '' AS e, NULL AS n"""
    assert _rows(tmp_path, query) == [
        ["x", "y", "z, 1", "u", "e", "n"],
        ["a,b", 'say "hi"', "two\nlines", "é 中 ع", "", ""],
    ]


def test_values_are_written_exactly(tmp_path: Path) -> None:
    query = """SELECT 12.50::DECIMAL(9, 2) AS d, 0.1::DOUBLE AS f, 9007199254740993 AS i, DATE '2026-05-04' AS day,
      TIMESTAMP '2026-05-04 13:05:09' AS t, TIMESTAMPTZ '2026-05-04 13:05:00+02' AS z, true AS b"""
    assert _rows(tmp_path, query)[1] == [
        "12.50",
        "0.1",
        "9007199254740993",
        "2026-05-04",
        "2026-05-04 13:05:09",
        "2026-05-04 11:05:00+00",
        "true",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_starts_a_formula_is_defused(tmp_path: Path, start: str) -> None:
    escaped = start.replace("\t", "'||chr(9)||'").replace("\r", "'||chr(13)||'").replace("\n", "'||chr(10)||'")
    header, row = _rows(
        tmp_path, f"""SELECT '{escaped}cmd' AS text, 'a{escaped}b' AS inside, ['=x'] AS list, 1 AS "={1}" """
    )
    assert row[:2] == [f"'{start}cmd", f"a{start}b"]
    assert header[3] == "'=1"


def test_numbers_and_times_keep_their_sign(tmp_path: Path) -> None:
    query = "SELECT -1 AS i, -2.5::DOUBLE AS f, -1.50::DECIMAL(4, 2) AS d, DATE '0044-03-15 (BC)' AS day"
    assert _rows(tmp_path, query)[1][:3] == ["-1", "-2.5", "-1.50"]


def test_defused_leaves_other_text_alone() -> None:
    assert [defused(text) for text in ("a=b", "", " =1", "=1")] == ["a=b", "", " =1", "'=1"]


def test_an_empty_table_is_a_header(tmp_path: Path) -> None:
    assert _rows(tmp_path, "SELECT 1 AS a, 'x' AS b LIMIT 0") == [["a", "b"]]


def test_a_table_of_unknown_columns_is_an_empty_file(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path, {"t": f'SELECT 1 AS "{UNKNOWN}" LIMIT 0'})
    rendered = render(rendering.request({"outputs": [{"format": "csv", "table": "t"}]}), workspace)
    assert (rendered.files[0].rows, (workspace.outputs / "t.csv").read_bytes()) == (0, b"")
