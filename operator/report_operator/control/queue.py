"""Keys that need a look: each at most once at a time, some later, those that fail ever later."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
LONGEST_WAY_GIVEN_SECONDS = 60.0


def backoff(failures: int, chance: float) -> float:
    """Return the seconds to wait after so many failures in a row (from 1): doubling, capped, 50 to 100 % by `chance`.

    `chance` is in [0, 1): without it, all that failed in one outage would come back at once.
    """
    longest = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30), LONGEST_RETRY_SECONDS)
    return longest * (0.5 + chance / 2)


class WorkQueue(Generic[Key]):
    """A queue for one event loop. A key that is added while it is being worked on is worked on again.

    It gives way to the queues `after` which it comes: as long as keys wait in one of them, its own do.
    """

    def __init__(self, after: Sequence["WorkQueue[Any]"] = ()) -> None:
        self._after = after
        self._idle = asyncio.Event()
        self._idle.set()
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._ready_since: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._working_since: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._ready_since) + len(self._again)

    @property
    def longest_wait(self) -> float:
        """Return the seconds that the oldest key has waited for a worker."""
        return _age(self._ready_since.values())

    @property
    def longest_work(self) -> float:
        """Return the seconds that a key has been in a worker's hands at most."""
        return _age(self._working_since.values())

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have the key looked at after `delay` seconds at the latest; an earlier time that is set already stays."""
        loop = asyncio.get_running_loop()
        if key in self._ready_since or key in self._again:
            return
        timer = self._timers.get(key)
        if delay > 0:
            if timer is None or loop.time() + delay < timer.when():
                self._drop_timer(key)
                self._timers[key] = loop.call_later(delay, self.add, key)
            return
        self._drop_timer(key)
        if key in self._working_since:
            self._again.add(key)
        else:
            self._ready_since[key] = loop.time()
            self._idle.clear()
            self._ready.put_nowait(key)

    def retry(self, key: Key, at_least: float = 0.0) -> float:
        """Have the key looked at after a delay that grows with every call since `forget`; return it in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(backoff(self._failures[key], random.random()), at_least)  # noqa: S311 - spreads load, no secret
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Let the next retry start from the shortest delay."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Return the next key, which is the caller's until it calls `done`."""
        key = await self._ready.get()
        await self._give_way()
        del self._ready_since[key]
        if not self._ready_since:
            self._idle.set()
        self._drop_timer(key)  # What it was set for is about to happen.
        self._working_since[key] = asyncio.get_running_loop().time()
        return key

    def done(self, key: Key) -> None:
        """Give the key back."""
        del self._working_since[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def _give_way(self) -> None:
        """Wait until no key waits in the queues before this one, but not for ever: there may always be one."""
        if all(queue._idle.is_set() for queue in self._after):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAY_GIVEN_SECONDS):
                for queue in self._after:
                    await queue._idle.wait()

    def _drop_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


def _age(times: Iterable[float]) -> float:
    now = asyncio.get_running_loop().time()
    return now - min(times, default=now)


class Workers(Generic[Key]):
    """A bounded number of tasks that take keys from a queue and work on them."""

    def __init__(self, queue: WorkQueue[Key], work: Callable[[Key], Awaitable[None]], count: int) -> None:
        self._queue = queue
        self._work = work
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._tasks = [asyncio.create_task(self._run(), name=f"worker {n}") for n in range(count)]

    @property
    def alive(self) -> bool:
        """Return whether every worker is there."""
        return not any(task.done() for task in self._tasks)

    async def stop(self, patience: float) -> None:
        """Take no further key, let the current ones be finished for `patience` seconds, then end."""
        self._stopping = True
        for task in self._tasks:
            if task not in self._busy:
                task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        me = asyncio.current_task()
        while me is not None and not self._stopping:
            key = await self._queue.get()
            self._busy.add(me)
            try:
                await self._work(key)
            finally:
                self._busy.discard(me)
                self._queue.done(key)
