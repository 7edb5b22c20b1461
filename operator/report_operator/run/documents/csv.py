"""CSV: a table as text that is safe to open in a spreadsheet."""

from report_operator.api.outputs import Output
from report_operator.run import sqltypes
from report_operator.run.database import literal, quoted
from report_operator.run.documents import Material
from report_operator.run.workspace import ColumnInfo

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters that make a spreadsheet run a cell (OWASP, CSV Injection)."""
_NEVER_FORMULAS = frozenset(("BOOLEAN", "INTERVAL", "TIME"))


def write(output: Output, material: Material) -> None:
    """Write the table: UTF-8, a header line, quoted by RFC 4180 with LF as line end, NULL as an empty cell.

    Text that starts a formula gets an apostrophe before it; numbers, times and booleans are left alone. A table of
    unknown columns, which has no rows, becomes an empty file.
    """
    write_separated(output, material, ",")


def write_separated(output: Output, material: Material, separator: str) -> None:
    """Write the table in the same way with a separator of one's own."""
    table = output.table or ""
    columns = [f"{_cell(column)} AS {quoted(defused(column.name))}" for column in material.tables.info(table).columns]
    if not columns:
        material.target(output).touch()
        return
    material.tables.export(
        table, columns, material.target(output), f"FORMAT csv, HEADER, DELIMITER {literal(separator)}"
    )


def defused(text: str) -> str:
    """Return a text as a spreadsheet shows it and does not run it."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _cell(column: ColumnInfo) -> str:
    """Return the SQL expression of a column's cells."""
    name = quoted(column.name)
    if sqltypes.is_number(column.type) or sqltypes.is_time(column.type) or column.type in _NEVER_FORMULAS:
        return name
    text = f"CAST({name} AS VARCHAR)"
    starts = ", ".join(literal(start) for start in _FORMULA_STARTS)
    return f"CASE WHEN left({text}, 1) IN ({starts}) THEN '''' || {text} ELSE {text} END"
