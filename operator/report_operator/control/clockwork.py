"""When to look at what: one heap of times, and one task that waits for the first of them."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from report_operator.control.controller import Key

LONGEST_SLEEP = timedelta(seconds=30)
"""The event loop's clock does not follow when that of the machine is set, or when the machine sleeps."""


class Clockwork:
    """Rings for each key at its time, by the clock on the wall; set anew after every start, so never stored."""

    def __init__(self, ring: Callable[[Key], None], now: Callable[[], datetime]) -> None:
        self._ring = ring
        self._now = now
        self._times: dict[Key, datetime] = {}
        self._heap: list[tuple[datetime, Key]] = []
        self._sooner = asyncio.Event()

    def set(self, key: Key, at: datetime | None) -> None:
        """Ring for the key at this time instead of any time set before; never when it is None."""
        if at is None:
            self._times.pop(key, None)
        elif self._times.get(key) != at:
            self._times[key] = at
            heapq.heappush(self._heap, (at, key))
            if self._heap[0][1] == key:
                self._sooner.set()

    async def run(self) -> None:
        """Ring for ever."""
        while True:
            wait = self.ring_due()
            self._sooner.clear()
            try:
                async with asyncio.timeout(wait.total_seconds()):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    def ring_due(self) -> timedelta:
        """Ring for all whose time has come; return how long there is nothing to do."""
        now = self._now()
        while self._heap and (self._heap[0][0] <= now or not self._is_valid(*self._heap[0])):
            at, key = heapq.heappop(self._heap)
            if self._is_valid(at, key):
                del self._times[key]
                self._ring(key)
        return min(self._heap[0][0] - now, LONGEST_SLEEP) if self._heap else LONGEST_SLEEP

    def _is_valid(self, at: datetime, key: Key) -> bool:
        """Return whether this is still the key's time: it may have been set anew since."""
        return self._times.get(key) == at
