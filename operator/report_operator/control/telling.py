"""Statuses and Events that can wait: of many things to be done at once, each is done before any is told of."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from report_operator.cluster.errors import ClusterError
from report_operator.control.controller import Controller, Key, Next
from report_operator.control.queue import WorkQueue

logger = logging.getLogger(__name__)


class Telling:
    """What was done to objects of one kind and is still to be written to them.

    It is kept in memory only. What is lost with the process is found again by the next, as after any other end between
    a deed and its record: names are deterministic, so that nothing is made twice. Before an object is looked at again
    it is told, so that no deed is based on another one that is not on record.
    """

    def __init__(
        self, kind: str, objects: WorkQueue[Key], after: Sequence[WorkQueue[Key]], most: float = float("inf")
    ) -> None:
        """Tell of a kind whose objects are looked at by way of `objects`, when nothing waits in the queues `after`.

        At most so many wait, as far as it is asked `has_to_wait`.
        """
        self.controller = Controller(f"{kind}_status", self._tell, WorkQueue(after))
        self._objects = objects
        self._after = after
        self._most = most
        self._put_off: dict[Key, Callable[[], Awaitable[None]]] = {}

    @property
    def has_to_wait(self) -> bool:
        """Return whether something more urgent is to be done first, and there is room to remember what to tell."""
        return len(self._put_off) < self._most and any(len(queue) for queue in self._after)

    def put_off(self, key: Key, tell: Callable[[], Awaitable[None]]) -> None:
        """Have `tell` called when there is nothing more urgent. Where it fails the object is looked at again."""
        self._put_off[key] = tell
        self.controller.queue.add(key)

    async def catch_up(self, key: Key) -> None:
        """Tell now what was put off; raises what `tell` raises."""
        tell = self._put_off.pop(key, None)
        if tell is not None:
            await tell()

    async def stop(self, patience: float) -> None:
        """Tell all of it now, as far as `patience` seconds allow."""
        await self.controller.stop(patience)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for key in list(self._put_off):
                    await self._tell(key)

    async def _tell(self, key: Key) -> Next:
        try:
            await self.catch_up(key)
        except ClusterError as error:
            logger.debug("%s; looking again", error)
            self._objects.add(key)
        return Next()
