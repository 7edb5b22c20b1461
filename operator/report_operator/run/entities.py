"""The entities of a table, found by DuckDB: rows stay there, of entities only a few come out.

Names in the statements are quoted, values bound. Ids and labels are compared as texts. The same rows give the same
answers, in whatever order they come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from report_operator.api.conditions import Reason
from report_operator.api.entity import EntitySelector
from report_operator.run import sqltypes
from report_operator.run.columns import column_of
from report_operator.run.database import quoted
from report_operator.run.failure import RunError
from report_operator.run.time_window import TimeWindow
from report_operator.run.workspace import TableInfo

_CONTAINED = 0.9
"""Likeness of a text that has the other one in it, however long it is; 1 is that of equal ones."""
_BY_TOTAL = "total DESC, id"


@dataclass(frozen=True)
class Found:
    """An entity of the data."""

    id: str
    label: str | None
    """None where the data has none."""
    likeness: float = 0.0
    """How like its label or id is to the text that was searched for, 0 to 1."""


class Entities:
    """The entities of the table that a selector names. Every method may raise duckdb.Error."""

    def __init__(self, database: duckdb.DuckDBPyConnection, selector: EntitySelector, info: TableInfo) -> None:
        """Find the columns of the table, which the database knows by its name.

        Raises RunError: ColumnNotFound, DataInvalid.
        """
        self._database, self._selector, self._info = database, selector, info
        self._table = quoted(selector.table)
        self._id = self._text("idColumn", selector.id_column)
        self._label = self._text("labelColumn", selector.label_column) if selector.label_column else "NULL::VARCHAR"
        self._total = self._sum("measureColumn", selector.measure_column) if selector.measure_column else "count(*)"

    def _text(self, field: str, column: str) -> str:
        return f"CAST({quoted(self._find(field, column)[0])} AS VARCHAR)"

    def _sum(self, field: str, column: str) -> str:
        """Return the sum of a column of numbers; no value counts as 0, and neither does NaN.

        A sum of floating-point numbers depends in its last digits on the order of the rows, which threads change: of
        its 15 digits 12 count.
        """
        name, type_ = self._find(field, column)
        if not sqltypes.is_number(type_):
            raise RunError(
                Reason.DATA_INVALID,
                f"spec.subject.{field}: column {name!r} of table {self._selector.table!r} ({type_}) holds no numbers:"
                " cast it in spec.tables",
            )
        if sqltypes.is_floating(type_):
            total = f"fsum({quoted(name)}) FILTER (NOT isnan({quoted(name)}))"
            return f"CAST(printf('%.11e', coalesce({total}, 0)) AS DOUBLE)"
        return f"coalesce(sum({quoted(name)}), 0)"

    def _find(self, field: str, column: str) -> tuple[str, str]:
        found = column_of(self._info, self._selector.table, column, f"spec.subject.{field}")
        return found.name, found.type

    def count(self) -> int:
        """Return how many there are."""
        rows = self._query(f"{self._grouped()} SELECT count(*) FROM entities", {})  # noqa: S608 - names are quoted
        return int(rows[0][0])

    def dominant(self, window: TimeWindow | None = None) -> Found | None:
        """Return the one with the largest total, of all rows or of those in a window; None when there is none."""
        return self._first(window.condition, window.bounds) if window is not None else self._first("true", {})

    def with_id(self, id_: str) -> Found | None:
        """Return the one with exactly this id; None when there is none."""
        return self._first(f"{self._id} = $asked", {"asked": id_})

    def _first(self, condition: str, values: Mapping[str, Any]) -> Found | None:
        rows = self._query(
            f"{self._grouped(condition)} SELECT id, label FROM entities ORDER BY {_BY_TOTAL} LIMIT 1",  # noqa: S608
            values,
        )
        return Found(*rows[0]) if rows else None

    def like(self, text: str, count: int) -> list[Found]:
        """Return those whose label or id is most like a text, the likest first.

        Letter case, accents and the width of blanks do not matter. A text in which the other one stands is like it by
        0.9 and more, the larger the part is; any other by the similarity of Jaro and Winkler.
        """
        likeness = f"greatest({_likeness('label')}, {_likeness('id')})"
        rows = self._query(
            f"{self._grouped()}, search AS (SELECT {_folded('$text')} AS folded)"  # noqa: S608
            f" SELECT id, label, {likeness} AS likeness FROM entities, search"
            f" ORDER BY likeness DESC, {_BY_TOTAL} LIMIT {count}",
            {"text": text},
        )
        return [Found(*row) for row in rows]

    def extent(self, window: TimeWindow) -> tuple[float, float] | None:
        """Return the first and the last time of the rows of entities, in the window's seconds; None without any."""
        first, last = self._query(
            f"SELECT min({window.time}), max({window.time}) FROM {self._table} WHERE {self._id} <> ''",  # noqa: S608
            {},
        )[0]
        return None if first is None else (window.seconds(first), window.seconds(last))

    def _grouped(self, condition: str = "true") -> str:
        """Return the table expression `entities` (id, label, total) of the rows for which a condition holds."""
        return (
            f"WITH entities AS (SELECT {self._id} AS id, min(nullif(trim({self._label}), '')) AS label,"  # noqa: S608
            f" {self._total} AS total FROM {self._table} WHERE {self._id} <> '' AND ({condition}) GROUP BY 1)"
        )

    def _query(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, dict(values)).fetchall()


def _folded(text: str) -> str:
    return f"lower(strip_accents(trim(regexp_replace({text}, '\\s+', ' ', 'g'))))"


def _likeness(column: str) -> str:
    """Return the likeness of a column's text to `search.folded`; nothing is like an empty text."""
    text = _folded(f"coalesce({column}, '')")
    contained = f"{_CONTAINED} + {1 - _CONTAINED:.1f} * length(folded) / length({text})"
    similar = f"jaro_winkler_similarity({text}, folded)"
    return f"CASE WHEN folded = '' THEN 0 WHEN contains({text}, folded) THEN {contained} ELSE {similar} END"
