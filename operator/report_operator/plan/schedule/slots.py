"""The slots of a schedule: the instants, in UTC, at which it is due.

Days are walked by the clock of the schedule's zone. On a plain day its times are added to midnight; on the few days
around a clock change each time is looked up:

* a fixed time (`0 9 * * MON`, every frequency) has exactly one slot: one that the clock leaves out is due at the first
  moment after the gap, one that it shows twice at the first of the two;
* an interval (`CronLine.is_interval`, such as `*/30 * * * *`) has a slot at each moment at which the clock shows it.

Times of several lines that fall on one instant are one slot.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from report_operator.plan.schedule.cron import CronLine
from report_operator.plan.schedule.zone import first_instant, instants, is_plain, midnight, wall

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Slots:
    """Lines that are followed in a zone; without lines there are no slots."""

    lines: tuple[CronLine, ...]
    zone: ZoneInfo

    def __contains__(self, instant: datetime) -> bool:
        """Return whether an instant is a slot."""
        return next(self.until(instant), None) == instant

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the slots later than an instant, earliest first, without end."""
        for block in self._blocks(instant, _DAY):
            start, seconds = block
            first = bisect_right(seconds, (instant - start).total_seconds())
            yield from (start + timedelta(seconds=second) for second in seconds[first:])

    def until(self, instant: datetime) -> Iterator[datetime]:
        """Yield the slots not later than an instant, latest first, without end."""
        for start, seconds in self._blocks(instant, -_DAY):
            end = bisect_right(seconds, (instant - start).total_seconds())
            yield from (start + timedelta(seconds=second) for second in reversed(seconds[:end]))

    def next(self, instant: datetime) -> datetime | None:
        """Return the first slot later than an instant; None without lines."""
        return next(self.after(instant), None)

    def previous(self, instant: datetime) -> datetime | None:
        """Return the last slot earlier than an instant; None without lines."""
        return next(self.until(instant - timedelta.resolution), None)

    def latest(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Return the slots later than `after` and not later than `until`, earliest first, at most the last `most`."""
        return list(islice(takewhile(lambda slot: slot > after, self.until(until)), most))[::-1]

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are later than `after` and not later than `until`; cheap for years of minutes."""
        total = 0
        for start, seconds in self._blocks(after, _DAY):
            if start > until:
                break
            first = bisect_right(seconds, (after - start).total_seconds())
            total += max(0, bisect_right(seconds, (until - start).total_seconds()) - first)
        return total

    def _blocks(self, instant: datetime, step: timedelta) -> Iterator[tuple[datetime, Sequence[int]]]:
        """Yield (instant, seconds after it) of the slots of one or more days, from the instant's day on or back.

        Clocks that go back over midnight mix the slots of two days, so days around a change are one block.
        """
        if not self.lines:
            return
        day = wall(instant, self.zone).date()
        while not is_plain(day, self.zone):
            day -= step
        while True:
            lines = tuple(line for line in self.lines if line.matches(day))
            if lines and is_plain(day, self.zone):
                yield midnight(day, self.zone), _times(lines)
            elif lines:
                days = [day]
                while not is_plain(day + step, self.zone):
                    day += step
                    days.append(day)
                yield self._changing(days)
            day += step

    def _changing(self, days: Sequence[date]) -> tuple[datetime, Sequence[int]]:
        found = sorted({slot for line in self.lines for day in days for slot in _of_line(line, day, self.zone)})
        start = found[0] if found else midnight(days[0], self.zone)
        return start, [int((slot - start).total_seconds()) for slot in found]


@lru_cache(maxsize=1024)
def _times(lines: tuple[CronLine, ...]) -> tuple[int, ...]:
    """Return the times of day of several lines, in order."""
    return lines[0].seconds if len(lines) == 1 else tuple(sorted({second for line in lines for second in line.seconds}))


@lru_cache(maxsize=256)
def _of_line(line: CronLine, day: date, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the slots that a line has on a day around a clock change."""
    if not line.matches(day):
        return ()
    times = [datetime.combine(day, time()) + timedelta(seconds=second) for second in line.seconds]
    if line.is_interval:
        return tuple(slot for each in times for slot in instants(each, zone))
    return tuple(first_instant(each, zone) for each in times)
