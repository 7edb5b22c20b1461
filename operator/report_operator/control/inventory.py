"""Compares the ScheduledReports that are known with those that there are.

kopf tells nobody when it has listed them all, nor, when it has to list them anew, which went while it did not watch.
"""

import asyncio
import contextlib
import logging

from report_operator.api.report import key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import ClusterError
from report_operator.control.controller import Key
from report_operator.control.manifests import Manifests
from report_operator.control.queue import WorkQueue

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
COMPARE_SECONDS = 3600.0
"""A watch tells of everything; should it ever not, this is how long that lasts."""
SETTLE_SECONDS = 5.0
"""A new listing comes page by page."""


class Inventory:
    """Has those looked at that have gone, or changed, unseen."""

    def __init__(self, cluster: Cluster, known: Manifests, queue: WorkQueue[Key]) -> None:
        self._cluster = cluster
        self._known = known
        self._queue = queue
        self._relisted = asyncio.Event()
        self.listed = asyncio.Event()
        """Set when as many are known as there are."""

    def see_relisted(self) -> None:
        """Note that kopf has listed one anew that was known."""
        if self.listed.is_set():
            self._relisted.set()

    async def follow(self) -> None:
        """Compare for ever: each hour, and after each new listing."""
        await self._wait_for_all()
        self.listed.set()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._relisted.wait(), COMPARE_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)
            self._relisted.clear()
            try:
                await self._compare()
            except ClusterError as error:
                logger.warning("the ScheduledReports cannot be listed: %s", error)
                self._relisted.set()

    async def _wait_for_all(self) -> None:
        while True:
            try:
                if len(self._known) >= await self._cluster.count_scheduled_reports():
                    return
            except ClusterError as error:
                logger.warning("the ScheduledReports cannot be counted: %s", error)
            await asyncio.sleep(POLL_SECONDS)

    async def _compare(self) -> None:
        unlisted = set(self._known.keys())
        async for page in self._cluster.scheduled_report_pages():
            for manifest in page["items"]:
                unlisted.discard(key_of(manifest))
                if self._known.put(manifest):
                    self._queue.add(key_of(manifest))
        for key in unlisted:
            self._known.drop(key)
            self._queue.add(key)
