"""How long runs take, from those that have ended."""

from collections import OrderedDict
from datetime import timedelta

_WEIGHT = 0.3
"""Of the latest run; the others weigh less the longer ago they were."""
_MOST = 1000

Kind = tuple[str, str]
"""The runs that take alike: namespace, and UID of the ScheduledReport, empty for all that no schedule has made."""


class Durations:
    """A mean for each kind of runs, for as many as had one lately, and one for all runs."""

    def __init__(self) -> None:
        self._of_all: timedelta | None = None
        self._of: OrderedDict[Kind, timedelta] = OrderedDict()

    def add(self, kind: Kind, duration: timedelta) -> None:
        """Take a run into account."""
        self._of_all = _next(self._of_all, duration)
        self._of[kind] = _next(self._of.get(kind), duration)
        self._of.move_to_end(kind)
        if len(self._of) > _MOST:
            self._of.popitem(last=False)

    def mean(self, kind: Kind) -> timedelta | None:
        """Return the mean of a kind of runs, that of all when there was none of it; None when there was none at all."""
        return self._of.get(kind, self._of_all)


def _next(mean: timedelta | None, duration: timedelta) -> timedelta:
    return duration if mean is None else mean + _WEIGHT * (duration - mean)
