"""XLSX files, read back by openpyxl."""

import gc
import os
import re
import zipfile
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from report_operator.api.conditions import Reason
from report_operator.run.database import UNKNOWN
from report_operator.run.documents import xlsx
from report_operator.run.failure import RunError
from report_operator.run.render import render
from tests.support import rendering


def made(root: Path, query: str, table: str = "t") -> Path:
    workspace = rendering.workspace(root, {table: query})
    render(rendering.request({"outputs": [{"format": "xlsx", "table": table}]}), workspace)
    return workspace.outputs / f"{table}.xlsx"


def opened(root: Path, query: str, table: str = "t") -> Workbook:
    return load_workbook(made(root, query, table))


def values(sheet: Worksheet) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def texts(path: Path) -> list[str]:
    """Return the texts of the first sheet as the file has them: openpyxl does not resolve Excel's escapes."""
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    return re.findall(r"<is>(.*?)</is>", xml, re.DOTALL)


@pytest.mark.requirement("D5")
def test_values_have_their_types(tmp_path: Path) -> None:
    query = """SELECT 12.50::DECIMAL(9, 2) AS d, 0.1 + 0.2::DOUBLE AS f, -42 AS i, true AS b, NULL AS n, 'x' AS s,
      DATE '2026-05-04' AS day, TIMESTAMP '2026-05-04 13:05:09' AS t, TIMESTAMP '2026-05-04 13:05:09.250999' AS fine,
      TIMESTAMPTZ '2026-05-04 13:05:00+02' AS z, TIME '13:05:09' AS clock"""
    [sheet] = opened(tmp_path, query).worksheets
    header, row = sheet.iter_rows()
    assert [cell.value for cell in header] == ["d", "f", "i", "b", "n", "s", "day", "t", "fine", "z", "clock"]
    assert [cell.value for cell in row] == [
        12.5, 0.1 + 0.2, -42, True, None, "x", datetime(2026, 5, 4), datetime(2026, 5, 4, 13, 5, 9),
        datetime(2026, 5, 4, 13, 5, 9, 250000), datetime(2026, 5, 4, 11, 5), time(13, 5, 9),
    ]  # fmt: skip
    assert [cell.number_format for cell in row] == [
        "0.00", "General", "0", "General", "General", "General", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss",
        "yyyy-mm-dd hh:mm:ss.000", 'yyyy-mm-dd hh:mm:ss "UTC"', "hh:mm:ss",
    ]  # fmt: skip


@pytest.mark.requirement("D5")
def test_what_excel_would_not_keep_is_text(tmp_path: Path) -> None:
    query = """SELECT * FROM (VALUES
      (999999999999999, 12345.6789012345::DECIMAL(38, 20), DATE '1900-03-01'),
      (9007199254740993, 12345.67890123456::DECIMAL(38, 20), DATE '1900-02-28'),
      (-1000000000000001, 1.00000000000000000001::DECIMAL(38, 20), DATE '0044-03-15 (BC)')) v(i, d, day)"""
    [sheet] = opened(tmp_path, query).worksheets
    assert values(sheet)[1:] == [
        [999999999999999, 12345.6789012345, datetime(1900, 3, 1)],
        ["9007199254740993", "12345.67890123456", "1900-02-28"],
        ["-1000000000000001", "1.00000000000000000001", "0044-03-15 (BC)"],
    ]


def test_what_excel_has_no_type_for_is_text(tmp_path: Path) -> None:
    query = "SELECT [1, NULL] AS list, {'a': 'é'} AS struct, 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf, 'x'::BLOB AS b"
    [sheet] = opened(tmp_path, query).worksheets
    assert values(sheet)[1] == ["[1, null]", '{"a": "é"}', "nan", "-inf", "eA=="]


@pytest.mark.requirement("D5")
def test_text_is_never_a_formula_a_link_a_number_or_markup(tmp_path: Path) -> None:
    nasty = ["=1+1", "{=1}", "+1", "@x", "https://example.com", "mailto:a@example.com", "internal:t!A1", "0012", "1e5"]
    nasty += ["<r><t>x</t></r>", "<r></sheetData></r>", "</t></is></c>&amp;", " é 中 ع ", "two\nlines", "TRUE", "#N/A"]
    rows = ", ".join(f"('{text}')" for text in nasty)
    file = made(tmp_path, f'SELECT col0 AS "=1+1" FROM (VALUES {rows})')
    [sheet] = load_workbook(file).worksheets
    cells = [row[0] for row in sheet.iter_rows()]
    assert [cell.value for cell in cells] == ["=1+1", *nasty]
    with zipfile.ZipFile(file) as archive:
        written = archive.read("xl/worksheets/sheet1.xml").decode()
        assert not [name for name in archive.namelist() if "_rels/sheet" in name], "links"
    assert written.count('t="inlineStr"') == len(nasty) + 1
    assert "<f>" not in written


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    file = made(tmp_path, "SELECT 'a' || chr(1) || chr(13) || chr(10) || chr(65534) || '_x0041_' || chr(9) AS s")
    assert texts(file)[1] == '<t xml:space="preserve">a_x0001__x000D_\n_xFFFE__x005F_x0041_\t</t>'
    assert load_workbook(file).active is not None


@pytest.mark.requirement("D5")
def test_the_longest_text_and_one_that_is_too_long(tmp_path: Path) -> None:
    """An emoji takes two of Excel's characters."""
    [sheet] = opened(tmp_path / "fits", "SELECT repeat('😀', 16383) || 'x' AS s").worksheets
    assert values(sheet)[1] == ["😀" * 16383 + "x"]
    with pytest.raises(RunError) as raised:
        made(tmp_path / "long", "SELECT * FROM (VALUES ('x'), (repeat('😀', 16384))) v(notes)")
    assert raised.value.reason is Reason.DATA_INVALID
    assert raised.value.message == (
        "t.xlsx: table 't' has a text of more than 32,767 characters in column 'notes', row 2 of sheet 't'; a cell"
        " takes no more: use format csv, ndjson or parquet, or leave it out in a query of spec.tables"
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # ZipFile tries once more when it goes.
@pytest.mark.parametrize("place", ["t.xlsx", "rows"])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Every write to /dev/full fails as on a full disk: of the file, or of the rows that wait."""
    workspace = rendering.workspace(tmp_path, {"t": "SELECT i, hash(i) AS a FROM range(20000) r(i)"})
    if place == "rows":
        opened = os.open("/dev/full", os.O_RDWR)
        monkeypatch.setattr("xlsxwriter.worksheet.tempfile.mkstemp", lambda dir: (opened, "/dev/full"))  # noqa: A006
    else:
        (workspace.outputs / place).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        render(rendering.request({"outputs": [{"format": "xlsx", "table": "t"}]}), workspace)
    gc.collect()


def test_too_many_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_COLUMNS", 2)
    with pytest.raises(RunError, match="table 't' has 3 columns, of which a sheet takes 2: use format csv"):
        made(tmp_path, "SELECT 1, 2, 3")


@pytest.mark.requirement("D5")
@pytest.mark.parametrize(("rows", "lengths"), [(3, [3]), (4, [3, 1]), (7, [3, 3, 1]), (0, [0])])
def test_rows_go_on_on_further_sheets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, lengths: list[int]
) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 4)
    monkeypatch.setattr(xlsx, "_LOOKED_AT", 2)
    book = opened(tmp_path, f"SELECT i, 'row ' || i AS label FROM range({rows}) r(i)", "history")
    assert book.sheetnames == [f"history ({number})" for number, _ in enumerate(lengths, 1)]
    found = [values(sheet) for sheet in book]
    assert [len(sheet) - 1 for sheet in found] == lengths
    assert all(sheet[0] == ["i", "label"] for sheet in found)
    assert [row for sheet in found for row in sheet[1:]] == [[i, f"row {i}"] for i in range(rows)]


def test_names_of_sheets() -> None:
    assert [xlsx.sheet_name("sales", number) for number in (1, 2)] == ["sales", "sales (2)"]
    assert [xlsx.sheet_name("a" * 63, number) for number in (1, 10)] == ["a" * 31, "a" * 26 + " (10)"]
    assert xlsx.sheet_name("history", 1) == "history (1)"


def test_the_header_stays_and_filters(tmp_path: Path) -> None:
    sheet = opened(tmp_path, "SELECT i, repeat('x', 20 * i::INTEGER) AS text, 1 AS long_name FROM range(9) r(i)").active
    assert sheet is not None
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:C10")
    assert [cell.font.b for row in sheet.iter_rows(max_row=2) for cell in row] == [True] * 3 + [False] * 3
    assert [int(sheet.column_dimensions[letter].width) for letter in "ABC"] == [9, 60, 13]


def test_a_table_of_unknown_columns_is_an_empty_sheet(tmp_path: Path) -> None:
    [sheet] = opened(tmp_path, f'SELECT 1 AS "{UNKNOWN}" LIMIT 0').worksheets
    assert values(sheet) in ([], [[]])


@pytest.mark.requirement("D5")
def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    query = "SELECT i, 'row ' || i AS label, DATE '2026-05-04' + i::INTEGER AS day FROM range(50) r(i)"
    files = [made(tmp_path / folder, query) for folder in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    properties = load_workbook(files[0]).properties
    assert (properties.creator, properties.created) == ("team-a/sample", datetime(2026, 1, 5, 6, 0, 12))
