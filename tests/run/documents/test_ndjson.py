"""NDJSON files: the values of the JSON document, a line each."""

import json
from pathlib import Path
from typing import Any

import pytest

from report_operator.run.database import UNKNOWN
from report_operator.run.render import render
from tests.support import rendering

VALUES = """SELECT 12.50::DECIMAL(9, 2) AS d, 0.1::DOUBLE AS f, 9007199254740993 AS large, -9007199254740991 AS i,
  1234567890.1234567890::DECIMAL(38, 10) AS long, DATE '2026-05-04' AS day, TIMESTAMP '2026-05-04 13:05:09' AS t,
  TIMESTAMPTZ '2026-05-04 13:05:00+02' AS z, true AS b, NULL AS n, '' AS e, 'two' || chr(10) || 'lines' AS "a ""b"" c",
  'é' || chr(8232) AS u, [1, NULL] AS list, {'a': 'x'} AS struct, 'nan'::DOUBLE AS nan, 'x'::BLOB AS blob"""


def made(root: Path, query: str, *more: dict[str, Any], **spec: Any) -> Path:
    workspace = rendering.workspace(root, {"t": query})
    outputs = [{"format": "ndjson", "table": "t"}, *more]
    rendered = render(rendering.request({"outputs": outputs, **spec}), workspace)
    assert rendered.files[0].rows == (workspace.outputs / "t.ndjson").read_bytes().count(b"\n")
    return workspace.outputs / "t.ndjson"


@pytest.mark.requirement("D5")
def test_values_are_those_of_the_document(tmp_path: Path) -> None:
    file = made(tmp_path, VALUES, {"format": "json"}, sections=[{"blocks": [{"table": {"from": "t"}}]}])
    [line] = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    found = json.loads(line)
    assert found == {
        "d": 12.5, "f": 0.1, "large": "9007199254740993", "i": -9007199254740991, "long": "1234567890.1234567890",
        "day": "2026-05-04", "t": "2026-05-04T13:05:09", "z": "2026-05-04T11:05:00Z", "b": True, "n": None, "e": "",
        'a "b" c': "two\nlines", "u": "é\u2028", "list": [1, None], "struct": {"a": "x"}, "nan": "nan", "blob": "eA==",
    }  # fmt: skip
    document = json.loads((file.parent / "report.json").read_text(encoding="utf-8"))
    assert list(found.values()) == document["sections"][0]["content"][0]["rows"][0]


def test_every_row_is_there_in_order(tmp_path: Path) -> None:
    file = made(tmp_path, "SELECT i, i / 7 AS f FROM range(2500) t(i)")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["i"] for row in rows] == list(range(2500))
    assert [row["f"] for row in rows] == [i / 7 for i in range(2500)]


@pytest.mark.parametrize("query", ["SELECT 1 AS a LIMIT 0", f'SELECT 1 AS "{UNKNOWN}" LIMIT 0'])
def test_a_table_without_rows_is_an_empty_file(tmp_path: Path, query: str) -> None:
    assert made(tmp_path, query).read_bytes() == b""
