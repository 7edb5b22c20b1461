"""How long runs take, from those that have ended."""

from collections import OrderedDict
from datetime import timedelta

_WEIGHT = 0.3
"""Of the latest run; the others weigh less the longer ago they were."""
_MOST_SCHEDULES = 1000


class Durations:
    """A mean for each schedule, for as many as had a run lately, and one for all runs."""

    def __init__(self) -> None:
        self._of_all: timedelta | None = None
        self._of: OrderedDict[str, timedelta] = OrderedDict()

    def add(self, schedule: str, duration: timedelta) -> None:
        """Take a run into account; `schedule` is the UID of its ScheduledReport, empty when it has none."""
        self._of_all = _next(self._of_all, duration)
        if schedule:
            self._of[schedule] = _next(self._of.get(schedule), duration)
            self._of.move_to_end(schedule)
            if len(self._of) > _MOST_SCHEDULES:
                self._of.popitem(last=False)

    def mean(self, schedule: str) -> timedelta | None:
        """Return the mean of a schedule's runs, that of all when it has had none; None when there was none at all."""
        return self._of.get(schedule, self._of_all)


def _next(mean: timedelta | None, duration: timedelta) -> timedelta:
    return duration if mean is None else mean + _WEIGHT * (duration - mean)
