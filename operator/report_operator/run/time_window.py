"""The window of time that `spec.subject.timeRange` asks for, in terms of the column that has the time of a row."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from report_operator.api.conditions import Reason
from report_operator.api.entity import TimeRange
from report_operator.api.report import Period
from report_operator.run import sqltypes
from report_operator.run.columns import column_of
from report_operator.run.database import quoted
from report_operator.run.failure import RunError
from report_operator.run.workspace import TableInfo

_PLACE = "spec.subject.timeRange"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeWindow:
    """A half-open window, as SQL."""

    asked: TimeRange
    time: str
    """Expression for the time of a row, in ticks; NULL, and so in no window, where it has none."""
    ticks: int
    """Ticks in a second."""
    origin: int
    """The tick that second 0 begins with."""

    @classmethod
    def of(cls, asked: TimeRange, info: TableInfo, table: str, period: Period | None) -> Self:
        """Return the window over a table; raises RunError: ColumnNotFound, DataInvalid, InvalidSpec.

        Numbers are seconds. Dates and timestamps are moments, in UTC where they have no zone, and are counted from the
        start of the period, in microseconds: DuckDB's own precision.
        """
        column = column_of(info, table, asked.column, f"{_PLACE}.column")
        name = quoted(column.name)
        if sqltypes.is_number(column.type):
            where_known = f"CASE WHEN NOT isnan({name}) THEN {name} END"
            return cls(asked, where_known if sqltypes.is_floating(column.type) else name, 1, 0)
        if not sqltypes.is_time(column.type):
            raise RunError(
                Reason.DATA_INVALID,
                f"{_PLACE}.column: column {column.name!r} of table {table!r} ({column.type}) holds neither seconds nor"
                " times: cast it in spec.tables",
            )
        if period is None:
            raise RunError(
                Reason.INVALID_SPEC,
                f"{_PLACE}.column: column {column.name!r} of table {table!r} ({column.type}) is counted from the start"
                " of the period, but spec.period is not set: set it",
            )
        return cls(asked, f"epoch_us({name})", 1_000_000, (period.start - _EPOCH) // timedelta(microseconds=1))

    @property
    def condition(self) -> str:
        """Return the condition for the rows in the window, with the names of `bounds`."""
        ends = [f"{self.time} >= $start"] if self.asked.start_seconds is not None else []
        ends += [f"{self.time} < $end"] if self.asked.end_seconds is not None else []
        return " AND ".join(ends)

    @property
    def bounds(self) -> dict[str, Any]:
        """Return the values of the condition."""
        ends = {"start": self.asked.start_seconds, "end": self.asked.end_seconds}
        return {name: self.origin + end * self.ticks for name, end in ends.items() if end is not None}

    @property
    def text(self) -> str:
        """Return the window in words."""
        start, end = self.asked.start_seconds, self.asked.end_seconds
        since = f"from second {start}" if start is not None else ""
        until = f"before second {end}" if end is not None else ""
        return " and ".join(filter(None, (since, until)))

    def seconds(self, tick: Any) -> float:
        """Return the second that a value of `time` is."""
        return float(tick - self.origin) / self.ticks
