"""The first listing of the ScheduledReports, whose end kopf tells nobody."""

import asyncio
import logging

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import ClusterError
from report_operator.control.manifests import Manifests

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0


async def schedules_listed(cluster: Cluster, known: Manifests) -> None:
    """Wait until as many ScheduledReports are known as there are."""
    while True:
        try:
            if len(known) >= await cluster.count_scheduled_reports():
                return
        except ClusterError as error:
            logger.warning("the ScheduledReports cannot be counted: %s", error)
        await asyncio.sleep(POLL_SECONDS)
