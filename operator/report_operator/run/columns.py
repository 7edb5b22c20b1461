"""Columns that the spec names, found in the data."""

from report_operator.api.conditions import Reason
from report_operator.run.failure import RunError
from report_operator.run.wording import listed
from report_operator.run.workspace import ColumnInfo, TableInfo


def column_of(info: TableInfo, table: str, column: str, place: str) -> ColumnInfo:
    """Return a column of a table by name; `place` is where the spec names it. Raises RunError (ColumnNotFound).

    A table of unknown columns has no rows, so it is as good as one with that column.
    """
    if not info.columns:
        return ColumnInfo(name=column, type="VARCHAR")
    for found in info.columns:
        if found.name == column:
            return found
    raise RunError(
        Reason.COLUMN_NOT_FOUND,
        f"{place}: table {table!r} has no column {column!r}; it has: {listed(known.name for known in info.columns)}",
    )
