"""One kind of object: its queue, its workers, and what becomes of a look that fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from report_operator.cluster.errors import ClusterError, ConflictError
from report_operator.control import metrics
from report_operator.control.queue import Workers, WorkQueue
from report_operator.store.errors import StoreError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 120.0
"""A look takes a dozen requests; one that takes longer than this is given up and tried again."""
CONFLICT_SECONDS = 0.1
"""After somebody else was faster: soon, but no busy loop."""

Key = tuple[str, str]
"""Namespace and name of an object."""


@dataclass(frozen=True)
class Next:
    """When to look at the object again; never, unless something happens, when neither is set."""

    after: timedelta | None = None
    retry: bool = False


class Controller:
    """Has every object of a kind looked at that is put into its queue; whatever goes wrong stays with that object.

    `kind` is the name in logs and metrics.
    """

    def __init__(
        self, kind: str, reconcile: Callable[[Key], Awaitable[Next]], queue: WorkQueue[Key] | None = None
    ) -> None:
        self.kind = kind
        self.queue: WorkQueue[Key] = WorkQueue() if queue is None else queue
        self._reconcile = reconcile
        self._workers: Workers[Key] | None = None

    def start(self, workers: int) -> None:
        """Begin with the queue, so many objects at a time."""
        self._workers = Workers(self.queue, self.look, workers)

    async def stop(self, patience: float) -> None:
        """Take no further object, finish those at hand within `patience` seconds."""
        if self._workers is not None:
            await self._workers.stop(patience)

    @property
    def alive(self) -> bool:
        """Return whether every worker is there, as far as they have been started."""
        return self._workers is None or self._workers.alive

    async def look(self, key: Key) -> None:
        """Look at one object, and arrange for the next look."""
        with metrics.LOOK_SECONDS.labels(kind=self.kind).time():
            result = await self._look(key, {self.kind: "/".join(key)})
        metrics.LOOKS.labels(kind=self.kind, result=result).inc()

    async def _look(self, key: Key, about: dict[str, str]) -> str:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                then = await self._reconcile(key)
        except ConflictError as error:
            logger.debug("%s; looking again", error, extra=about)
            self.queue.add(key, CONFLICT_SECONDS)
            return "conflict"
        except (ClusterError, StoreError, TimeoutError) as error:
            wait = self.queue.retry(key, getattr(error, "retry_after", None) or 0.0)
            logger.warning("%s; trying again in %.0f s", error, wait, extra=about)
            return "unavailable"
        except Exception:
            wait = self.queue.retry(key)
            logger.exception("a fault of the operator; trying again in %.0f s", wait, extra=about)
            return "error"
        if then.retry:
            self.queue.retry(key)
            return "unavailable"
        self.queue.forget(key)
        if then.after is not None:
            self.queue.add(key, then.after.total_seconds())
        return "ok"
