"""Deletes files from the store that nobody keeps: those of Reports that are gone, and of earlier runs at their time.

Nobody tells the operator of what is deleted while it is down.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from report_operator.api.report import key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import ClusterError
from report_operator.plan import policy
from report_operator.plan.orphans import Orphans
from report_operator.plan.policy import Rules
from report_operator.store.errors import StoreError
from report_operator.store.store import Store

logger = logging.getLogger(__name__)

OWNER_KEY = ".report-operator"
"""The object that says whose Reports the files beside it are of."""
_OWNER_LIMIT = 1024
SOON = timedelta(minutes=5)
"""From the start to the first sweep, at most: an operator that is often started anew sweeps too, and one that fails
again and again does not list the store each time."""


def waits(interval: timedelta) -> Iterator[timedelta]:
    """Yield how long to wait at most before each sweep, for ever."""
    return itertools.chain([min(SOON, interval)], itertools.repeat(interval))


@dataclass(frozen=True)
class Sweep:
    """Goes through the store now and again."""

    cluster: Cluster
    store: Store
    interval: timedelta
    """From the end of one sweep to the next, at most."""
    grace: timedelta
    """Files younger than this are left alone."""
    now: Callable[[], datetime]
    rules: Callable[[str], Rules]
    """Returns the policy of a namespace."""

    async def run(self) -> None:
        """Sweep for ever."""
        for longest in waits(self.interval):
            await asyncio.sleep(longest.total_seconds() * random.uniform(0.5, 1))  # noqa: S311 - no secret
            try:
                await self.sweep()
            except (ClusterError, StoreError) as error:
                logger.warning("the store could not be swept: %s", error)

    async def sweep(self) -> None:
        """Go through the store once. Raises ClusterError, StoreError."""
        if not await self._is_ours():
            return
        orphans = Orphans(self.now(), self.grace)
        async for page in self.store.pages():
            for each in page:
                orphans.see(each.key, each.modified)
        async for reports in self.cluster.report_pages():
            for report in reports["items"]:
                orphans.keep(report, policy.longest_kept(self.rules(key_of(report)[0])))
        for folder in orphans.folders:
            await self.store.delete(folder)
            logger.info("files that nobody keeps are deleted", extra={"folder": folder})

    async def _is_ours(self) -> bool:
        """Return whether the files are of this cluster's Reports: those of others would all look like orphans.

        The first operator that sweeps a folder makes it its own.
        """
        await self.store.ensure_bucket()
        ours = (await self.cluster.reports_uid()).encode()
        owner = await self.store.get(OWNER_KEY, _OWNER_LIMIT)
        if owner is None:
            await self.store.put(OWNER_KEY, ours)
            return True
        if owner != ours:
            logger.warning(
                "%s belongs to another cluster, or to this one before its CRDs were made anew: nothing is swept there."
                " Set store.prefix to a folder that only this cluster uses, or delete that object to take it over:"
                " the files of all Reports that are not in this cluster are deleted then.",
                self.store.uri(OWNER_KEY),
            )
        return owner == ours
