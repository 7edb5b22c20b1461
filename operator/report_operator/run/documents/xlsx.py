"""XLSX: a table as an Excel workbook, written row by row."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from math import ceil, isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from report_operator.api.conditions import Reason
from report_operator.api.outputs import Output
from report_operator.run import exact, sqltypes
from report_operator.run.documents import Material
from report_operator.run.failure import RunError
from report_operator.run.workspace import ColumnInfo

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_TEXT = 32_767
"""Most rows and columns of a sheet, and UTF-16 units of a cell (Microsoft, Excel specifications and limits)."""
_SHEET_NAME = 31
_DIGITS = 15
"""Significant digits that Excel keeps of a number; every decimal of no more is the same when read from a double."""
_FIRST_DAY = date(1900, 3, 1)
"""Excel counts a 29 February 1900, which never was; days before it are others in other programs."""
_DECIMALS = 30
"""Most decimals of a number format."""
_LEAST_WIDTH, _MOST_WIDTH = 9, 60
_LOOKED_AT = 100
"""Rows whose values the widths of the columns follow."""


class _Sheet(Worksheet):  # type: ignore[misc]  # XlsxWriter has no types
    """A sheet whose texts are only ever texts."""

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        """Write a text in <r></r> as any other: XlsxWriter would take it for markup of its own."""
        self._xml_inline_string(string, None, attributes)

    def discard(self) -> None:
        """Close the file with the rows."""
        self._opt_close()


class _Double(float):
    """A double that is written with all of its digits, not with the 16 that XlsxWriter asks for."""

    def __format__(self, _: str) -> str:
        return repr(float(self))


@dataclass(frozen=True)
class _Column:
    """How the values of a column are shown."""

    name: str
    usual: Format
    fine: Format
    """For times with parts of a second."""


def write(output: Output, material: Material) -> None:
    """Write the table: a sheet with a bold, frozen header and a filter; what has no room on it goes on on the next.

    Numbers of at most 15 digits, doubles, booleans, dates and times (UTC, to the millisecond) are what they are in
    Excel, NULL is an empty cell, all else is text. Memory does not grow with the table: rows wait in a temporary
    folder. The same run writes the same bytes. Raises RunError: DataInvalid for what has no place in a workbook.
    """
    table = output.table or ""
    info = material.tables.info(table)
    if len(info.columns) > SHEET_COLUMNS:
        raise _no_room(output, f"{len(info.columns):,} columns, of which a sheet takes {SHEET_COLUMNS:,}")
    rows = chain.from_iterable(material.tables.batches(table))
    with TemporaryDirectory() as folder, _workbook(material, material.target(output), folder) as workbook:
        columns = [_column(workbook, column) for column in info.columns]
        header = workbook.add_format({"bold": True})
        for number in range(1, max(ceil(info.rows / (SHEET_ROWS - 1)), 1) + 1):
            sheet = workbook.add_worksheet(sheet_name(table, number), _Sheet)
            _fill(sheet, columns, header, islice(rows, SHEET_ROWS - 1), output)


def sheet_name(table: str, number: int) -> str:
    """Return the name of a table's first or further sheet: `sales`, `sales (2)`, cut to what Excel takes.

    A sheet cannot be called History: Excel keeps the name for itself. Names of tables have no other forbidden sign.
    """
    suffix = f" ({number})" if number > 1 or table == "history" else ""
    return table[: _SHEET_NAME - len(suffix)] + suffix


@contextmanager
def _workbook(material: Material, target: Path, folder: str) -> Iterator[Workbook]:
    """Yield a workbook that is written to `target` in the end; rows are in `folder` until then."""
    options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True, "remove_timezone": True}
    workbook = Workbook(str(target), options)
    document = material.document
    created = document.created_at.astimezone(UTC)
    workbook.set_properties({"author": f"{document.namespace}/{document.name}", "created": created})
    try:
        yield workbook
        workbook.close()
    except FileCreateError as error:
        raise error.args[0] from error  # The OSError that it hides, such as a full disk.
    finally:
        for sheet in workbook.worksheets():
            sheet.discard()


def _column(workbook: Workbook, column: ColumnInfo) -> _Column:
    pattern = _pattern(column.type)
    usual = workbook.add_format({"num_format": pattern})
    return _Column(column.name, usual, workbook.add_format({"num_format": pattern.replace("ss", "ss.000")}))


def _pattern(type_: str) -> str:
    """Return Excel's format for the values of a DuckDB type."""
    if sqltypes.is_timestamp(type_):
        return 'yyyy-mm-dd hh:mm:ss "UTC"' if sqltypes.is_zoned(type_) else "yyyy-mm-dd hh:mm:ss"
    if sqltypes.is_decimal(type_) and sqltypes.scale(type_):
        return f"0.{'0' * min(sqltypes.scale(type_), _DECIMALS)}"
    if sqltypes.is_integer(type_) or sqltypes.is_decimal(type_):
        return "0"
    return {"DATE": "yyyy-mm-dd", "TIME": "hh:mm:ss"}.get(type_, "General")


def _fill(
    sheet: _Sheet, columns: Sequence[_Column], header: Format, rows: Iterator[tuple[Any, ...]], output: Output
) -> None:
    """Write header and rows of a sheet."""
    first = list(islice(rows, _LOOKED_AT))
    for number, column in enumerate(columns):
        sheet.write_string(0, number, column.name, header)
        sheet.set_column(number, number, _width(column.name, (row[number] for row in first)))
    count = 0
    for count, row in enumerate(chain(first, rows), 1):
        for number, value in enumerate(row):
            if not _put(sheet, count, number, value, columns[number]):
                text = f"a text of more than {CELL_TEXT:,} characters in column {columns[number].name!r}"
                raise _no_room(output, f"{text}, row {count} of sheet {sheet.get_name()!r}; a cell takes no more")
    sheet.freeze_panes(1, 0)
    if columns:
        sheet.autofilter(0, 0, count, len(columns) - 1)


def _width(name: str, values: Iterable[Any]) -> int:
    """Return the width of a column, in characters; beside its name is the button of the filter."""
    lengths = (len(str(value)) for value in values if value is not None)
    return max(_LEAST_WIDTH, min(max(len(name) + 3, *lengths, 0) + 1, _MOST_WIDTH))


def _put(sheet: _Sheet, row: int, number: int, value: Any, column: _Column) -> bool:
    """Write a value; return whether its cell has room for it."""
    match value:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, number, value)
        case int() | Decimal() if _is_exact(value):
            sheet.write_number(row, number, value, column.usual)
        case float() if isfinite(value):
            sheet.write_number(row, number, _Double(value), column.usual)
        case date() | time() if _is_in_calendar(value):
            _put_time(sheet, row, number, value, column)
        case _:
            return bool(sheet.write_string(row, number, _text(value)) == 0)
    return True


def _put_time(sheet: _Sheet, row: int, number: int, value: date | time, column: _Column) -> None:
    """Write a date or time, cut to milliseconds: Excel shows no finer ones, and would round up into the next day."""
    shown = column.usual
    if isinstance(value, datetime | time):
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        shown = column.fine if value.microsecond else column.usual
    sheet.write_datetime(row, number, value, shown)


def _is_exact(value: int | Decimal) -> bool:
    """Return whether Excel keeps every digit of a number."""
    digits = "".join(map(str, Decimal(value).as_tuple().digits))
    return len(digits.rstrip("0")) <= _DIGITS


def _is_in_calendar(value: date | time) -> bool:
    day = value.date() if isinstance(value, datetime) else value
    return not isinstance(day, date) or day >= _FIRST_DAY


def _text(value: Any) -> str:
    """Return what has no type of its own in Excel as text, by the rules of `exact.to_json`."""
    found = exact.to_json(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _no_room(output: Output, what: str) -> RunError:
    return RunError(
        Reason.DATA_INVALID,
        f"{output.file_name}: table {output.table!r} has {what}: use format csv, ndjson or parquet, or leave it out in"
        " a query of spec.tables",
    )
