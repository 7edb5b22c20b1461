"""Says how far a long step is, now and then."""

import logging
import time
from collections.abc import Callable

INTERVAL = 5.0
"""Seconds between two lines."""


class Progress:
    """Counts what is done and logs the count, at most every INTERVAL seconds; thread-safe enough for a count."""

    def __init__(self, logger: logging.Logger, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at 0; `what` is a text with a place for the count, such as `source 'x': {:,} rows so far`."""
        self._logger = logger
        self._what = what
        self._clock = clock
        self._next = clock() + INTERVAL
        self.count = 0

    def add(self, number: int) -> None:
        """Count `number` more."""
        self.count += number
        now = self._clock()
        if now >= self._next:
            self._next = now + INTERVAL
            self._logger.info("%s", self._what.format(self.count))
