"""TSV files, read back by another reader than the one that wrote them."""

import csv
from pathlib import Path

import duckdb
import pytest

from report_operator.run.render import render
from tests.support import rendering

NASTY = ["a\tb", 'say "hi"', "two\nlines", "two\r\nlines", "a,b", " é 中 ع ", '"', '\t"\n', "a\\tb", "'", "NULL"]


def made(root: Path, query: str) -> Path:
    workspace = rendering.workspace(root, {"t": query})
    render(rendering.request({"outputs": [{"format": "tsv", "table": "t"}]}), workspace)
    return workspace.outputs / "t.tsv"


@pytest.mark.requirement("D5")
def test_cells_survive_tabs_quotes_and_line_breaks(tmp_path: Path) -> None:
    texts = ", ".join("('" + text.replace("'", "''") + "')" for text in NASTY)
    file = made(tmp_path, f'SELECT col0 AS "a\tb", 1 AS n FROM (VALUES {texts})')
    with file.open(encoding="utf-8", newline="") as opened:
        header, *rows = csv.reader(opened, dialect="excel-tab", strict=True)
    assert header == ["a\tb", "n"]
    defused = [f"'{text}" if text.startswith("\t") else text for text in NASTY]
    assert [text for text, _ in rows] == defused
    with duckdb.connect() as connection:
        read = connection.execute("FROM read_csv(?, delim = '\t', header = true, quote = '\"')", [str(file)]).fetchall()
    assert [text for text, _ in read] == defused


def test_values_are_those_of_csv(tmp_path: Path) -> None:
    query = """SELECT 12.50::DECIMAL(9, 2) AS d, 0.1::DOUBLE AS f, 9007199254740993 AS i, '=1+1' AS formula,
      TIMESTAMPTZ '2026-05-04 13:05:00+02' AS z, true AS b, NULL AS n, -1 AS m"""
    assert made(tmp_path, query).read_text() == (
        "d\tf\ti\tformula\tz\tb\tn\tm\n12.50\t0.1\t9007199254740993\t'=1+1\t2026-05-04 11:05:00+00\ttrue\t\t-1\n"
    )
