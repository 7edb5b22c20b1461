"""Files of rows (CSV, JSON, Parquet) to the run's own Parquet files."""

import codecs
import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path

import duckdb

from report_operator.api.conditions import Reason
from report_operator.api.sources import DataFormat
from report_operator.run.database import UNKNOWN, failing_as, literal, quoted, summary, write_table
from report_operator.run.failure import RunError

_CSV = "header = true, delim = ',', quote = '\"', escape = '\"', allow_quoted_nulls = false, buffer_size = 4194304"
"""RFC 4180, told to DuckDB in full: its detection would take the first row of a broken file for a foreword. An empty
field is NULL, `""` is an empty text. Its buffers would be 32 MB, of which little memory does not hold many."""
_CSV_TYPES = (
    "skip = 0, comment = '', sample_size = -1, dateformat = '%Y-%m-%d',"
    " auto_type_candidates = ['BOOLEAN','BIGINT','HUGEINT','DOUBLE','TIME','DATE','TIMESTAMP','TIMESTAMPTZ','VARCHAR']"
)
"""Types are found from all rows, so none can contradict them later; 01/02/2024 stays text, as it has two meanings."""
_JSON = "records = true, sample_size = -1, map_inference_threshold = -1"
"""Columns are the keys of all rows; types come from all rows."""

_LEAST = {
    DataFormat.CSV: "csv, with a header line at least",
    DataFormat.JSON: "json, [] at least",
    DataFormat.PARQUET: "parquet",
}
"""What a format needs to tell that there are no rows: nothing at all may be an answer that was cut off."""

_CSV_LINE = re.compile(r"CSV Error on Line: (\d+)")
_IN_FILE = re.compile(r",? in file [\"'][^\"']*[\"'],?|(?<=\bFile )'[^']*' ")
_BLANKS = re.compile(r"\s*")
_EMPTY_ARRAY_SIZE = 1024
"""Bytes that an empty array has at most, blanks included."""
_DIAGNOSED = 64 * 2**20
"""Bytes of a JSON document that is parsed once more, in memory, to name the line of an error."""


def import_file(
    database: duckdb.DuckDBPyConnection, file: Path, data_format: DataFormat, target: Path, subject: str
) -> None:
    """Write the rows of a file in the data folder to a Parquet file.

    csv: RFC 4180 in UTF-8 with a header line. json: an array of objects, or objects one after the other; an empty array
    is no rows of unknown columns.
    Raises RunError (DataInvalid) that starts with `subject` and names the place.
    """
    if file.stat().st_size == 0:
        raise RunError(Reason.DATA_INVALID, f"{subject}: there is no data at all: expected {_LEAST[data_format]}")
    readers = {DataFormat.CSV: _csv, DataFormat.JSON: _json, DataFormat.PARQUET: _parquet}
    with failing_as(Reason.DATA_INVALID, f"{subject}: no valid {data_format}"):
        try:
            write_table(database, f"FROM {readers[data_format](database, file, subject)}", target)
        except duckdb.InvalidInputException as error:
            raise duckdb.InvalidInputException(_without_file(error)) from error


def _parquet(_database: duckdb.DuckDBPyConnection, file: Path, _subject: str) -> str:
    return f"read_parquet({literal(file)})"


def _csv(database: duckdb.DuckDBPyConnection, file: Path, subject: str) -> str:
    """Return the expression that reads a CSV file; types from all of its rows, structure as RFC 4180 says."""
    try:
        found = database.execute(
            f"SELECT columns FROM sniff_csv(?, {_CSV}, {_CSV_TYPES})",  # noqa: S608 - constants
            [str(file)],
        ).fetchone()
        columns = {column["name"]: column["type"] for column in found[0]} if found else {}
    except duckdb.InvalidInputException as error:
        columns = dict.fromkeys(_header(file), "VARCHAR")
        _raise_place(database, _strict_csv(file, columns), subject, error)
    return _strict_csv(file, columns)


def _strict_csv(file: Path, columns: Mapping[str, str]) -> str:
    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns.items())
    return f"read_csv({literal(file)}, auto_detect = false, {_CSV}, columns = {{{types}}})"


def _header(file: Path) -> list[str]:
    """Return a name for each column of the header line."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = next(csv.reader(lines), [])
    return [f"column{index}" for index, _ in enumerate(header)]


def _raise_place(database: duckdb.DuckDBPyConnection, reader: str, subject: str, sniffed: duckdb.Error) -> None:
    """Read a CSV file that detection gave up on, all as text, for an error that names the line."""
    try:
        database.execute(f"SELECT count(*) FROM {reader}")  # noqa: S608 - names are quoted
    except duckdb.InvalidInputException as error:
        raise _csv_failure(subject, error) from error
    raise _csv_failure(subject, sniffed)


def _csv_failure(subject: str, error: duckdb.Error) -> RunError:
    text = str(error)
    place = _CSV_LINE.search(text)
    facts = [
        line for line in text.splitlines()[1:] if line.startswith(("Expected Number", "Value with", "Invalid uni"))
    ]
    what = facts[0].rstrip(". ") if facts else summary(text.partition("\n")[0])
    line = f"line {place[1]}" if place else "the file"
    return RunError(Reason.DATA_INVALID, f"{subject}: {line} is no valid CSV: {what}")


def _json(database: duckdb.DuckDBPyConnection, file: Path, subject: str) -> str:
    """Return the expression that reads a JSON file."""
    if _is_empty_array(file):
        return f"(SELECT NULL::VARCHAR AS {quoted(UNKNOWN)} WHERE false)"
    reader = f"read_json({literal(file)}, {_JSON}, format = '{_json_layout(file)}')"
    try:
        database.execute(f"DESCRIBE FROM {reader}")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise RunError(Reason.DATA_INVALID, f"{subject}: {_json_fault(file) or _json_summary(error)}") from error
    return reader


def _is_empty_array(file: Path) -> bool:
    if file.stat().st_size > _EMPTY_ARRAY_SIZE:
        return False
    return file.read_bytes().removeprefix(codecs.BOM_UTF8).translate(None, b" \t\r\n") == b"[]"


def _json_layout(file: Path) -> str:
    """Return DuckDB's name for an array or for objects; left to find an array itself, it holds all of it in memory."""
    with file.open("rb") as content:
        while chunk := content.read(1024):
            if first := chunk.removeprefix(codecs.BOM_UTF8).lstrip()[:1]:
                return "array" if first == b"[" else "auto"
    return "auto"


def _without_file(error: duckdb.Error) -> str:
    """Return DuckDB's words without the name of a file that nobody but us knows."""
    return _IN_FILE.sub(" ", str(error))


def _json_summary(error: duckdb.Error) -> str:
    return "no valid JSON rows: " + summary(_without_file(error))


def _json_fault(file: Path) -> str | None:
    """Return what is wrong with a JSON file that DuckDB refused, with the line; None when Python finds nothing."""
    if file.stat().st_size > _DIAGNOSED:
        return None
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return f"no valid JSON: {error.reason} at byte {error.start}, and JSON is UTF-8"
    decoder, position, rows = json.JSONDecoder(), 0, []
    try:
        while (position := _skip_blanks(text, position)) < len(text):
            value, position = decoder.raw_decode(text, position)
            rows.extend(value if isinstance(value, list) else [value])
    except json.JSONDecodeError as error:
        return f"no valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
    return _rows_fault(rows)


def _skip_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _rows_fault(rows: list[object]) -> str | None:
    if not rows:
        return "there is no data at all: expected json, [] at least"
    if not any(rows):
        return "the rows are empty objects: each key is a column, so give the first row one at least"
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            return f"row {number} is no JSON object: expected an array of objects, or one object a line"
    return None
