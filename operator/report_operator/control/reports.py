"""Follows all Reports: one listing, then a watch.

kopf does that for the other kinds. It remembers something of every object and gives each a task of its own for a while:
20,000 finished Reports, of which nothing is wanted any more, would cost 300 MB and half a minute at every start.
"""

import asyncio
import logging
import random

from report_operator.api.report import key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import ClusterError, ExpiredError
from report_operator.control.children import Children
from report_operator.control.controller import Key
from report_operator.control.keys import Keys
from report_operator.control.manifests import Manifests
from report_operator.control.policies import Policies
from report_operator.control.queue import WorkQueue
from report_operator.control.upkeep import Upkeep
from report_operator.plan import interest

logger = logging.getLogger(__name__)

RELIST_SECONDS = 3600.0
"""A watch tells of everything; should it ever not, this is how long that lasts."""
RETRY_SECONDS = 5.0


class Reports:
    """Feeds the queues with Reports that need a look, and with ScheduledReports whose Reports have ended or gone.

    The upkeep, the policies and the idempotency keys are told of every Report.
    """

    def __init__(
        self,
        cluster: Cluster,
        children: Children,
        upkeep: Upkeep,
        policies: Policies,
        pending: Manifests,
        *,
        keys: Keys,
        queue: WorkQueue[Key],
        schedules: WorkQueue[Key],
    ) -> None:
        self._cluster = cluster
        self._children = children
        self._upkeep = upkeep
        self._policies = policies
        self._pending = pending
        self._keys = keys
        self._queue = queue
        self._schedules = schedules
        self.listed = asyncio.Event()
        """Set when all Reports have been seen once."""

    async def follow(self) -> None:
        """Follow for ever."""
        while True:
            try:
                version = await self._list()
                self.listed.set()
                self._keys.is_complete = True
                await self._watch(version)
            except ExpiredError as error:
                logger.debug("the Reports are listed anew: %s", error)
            except ClusterError as error:
                logger.warning("the Reports cannot be listed: %s", error)
                await _pause()

    async def _list(self) -> str:
        """See every Report; return the version to watch from."""
        version = ""
        self._children.begin_listing()
        async for page in self._cluster.report_pages():
            version = page["metadata"]["resourceVersion"]
            for manifest in page["items"]:
                self._see(manifest, listed=True)
        self._children.end_listing()
        return version

    async def _watch(self, version: str) -> None:
        """See what happens to Reports, until it is time to list them anew; raises ExpiredError when it is before."""
        loop = asyncio.get_running_loop()
        relist_at = loop.time() + RELIST_SECONDS
        while loop.time() < relist_at:
            try:
                async for event in self._cluster.watch_reports(version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._learn(event["type"], event["object"])
            except ExpiredError:
                raise
            except ClusterError as error:
                logger.debug("the watch of the Reports has ended: %s", error)
                await _pause()

    def _learn(self, event: str, manifest: Json) -> None:
        if event == "DELETED":
            self._look_at(self._children.drop(manifest))
            self._upkeep.forget(key_of(manifest))
            self._policies.forget(key_of(manifest))
            for report in self._keys.forget(key_of(manifest)):
                self._queue.add(report)
        elif event != "BOOKMARK":
            self._see(manifest, listed=False)

    def _see(self, manifest: Json, *, listed: bool) -> None:
        self._look_at(self._children.put(manifest))
        self._upkeep.note(manifest)
        self._policies.note(manifest)
        for report in self._keys.note(manifest):
            self._queue.add(report)
        if interest.in_report(manifest, listed=listed):
            self._pending.put(manifest)
            self._queue.add(key_of(manifest))

    def _look_at(self, schedule: Key | None) -> None:
        """Have a ScheduledReport looked at; in the first listing its own status tells whether that is needed."""
        if schedule is not None and self.listed.is_set():
            self._schedules.add(schedule)


async def _pause() -> None:
    await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1))  # noqa: S311 - spreads load, no secret
