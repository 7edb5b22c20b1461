"""The operator process: starts everything, and ends it in good order."""

import asyncio
import contextlib
import logging
import os
import platform
import sys
from typing import Any

import kopf

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import ClusterError, ConflictError, UnavailableError
from report_operator.control import handlers, health, logs, metrics, watching
from report_operator.control.actions import Actor
from report_operator.control.config import Config, ConfigError
from report_operator.control.queue import Workers, WorkQueue
from report_operator.control.reconcile import Reconciler, ReportKey
from report_operator.plan import interest
from report_operator.store.errors import StoreError
from report_operator.store.s3 import S3Store

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
"""Between own listings of all Reports: kopf does not notice what was deleted or changed during a gap in a watch."""
LISTING_RETRY_SECONDS = 5.0
LOOK_SECONDS = 120.0
"""A look takes a dozen requests; one that takes longer than this is given up and tried again."""
CONFLICT_SECONDS = 0.1
"""After somebody else was faster: soon, but no busy loop."""
STOP_SECONDS = 60.0
"""For everything at the end; the pod's terminationGracePeriodSeconds is longer."""
_WATCHED = ("reports", "jobs", "pods")


class Operator:
    """One operator process."""

    def __init__(self, cluster: Cluster, reconciler: Reconciler, workers: int) -> None:
        self._cluster = cluster
        self._reconciler = reconciler
        self._listed = False
        self.queue: WorkQueue[ReportKey] = WorkQueue()
        self.workers = Workers(self.queue, self.look, workers)
        self._resync = asyncio.create_task(self._list_for_ever(), name="resync")

    async def look(self, key: ReportKey) -> None:
        """Look at one Report; whatever goes wrong stays with it."""
        report = "/".join(key)
        with metrics.LOOK_SECONDS.time():
            result = await self._look(key, report)
        metrics.LOOKS.labels(result=result).inc()

    async def _look(self, key: ReportKey, report: str) -> str:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                then = await self._reconciler.reconcile(key)
        except ConflictError as error:
            logger.debug("%s; looking again", error, extra={"report": report})
            self.queue.add(key, CONFLICT_SECONDS)
            return "conflict"
        except (ClusterError, StoreError, TimeoutError) as error:
            wait = self.queue.retry(key, getattr(error, "retry_after", None) or 0.0)
            logger.warning("%s; trying again in %.0f s", error, wait, extra={"report": report})
            return "unavailable"
        except Exception:
            wait = self.queue.retry(key)
            logger.exception("a fault of the operator; trying again in %.0f s", wait, extra={"report": report})
            return "error"
        if then.retry:
            self.queue.retry(key)
            return "unavailable"
        self.queue.forget(key)
        if then.after is not None:
            self.queue.add(key, then.after.total_seconds())
        return "ok"

    async def stop(self) -> None:
        """Take no further work and finish what is at hand."""
        self._resync.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._resync
        await self.workers.stop(patience=STOP_SECONDS - 10)

    def not_alive(self) -> str:
        """Return why the process is to be restarted, or an empty text."""
        if not self.workers.alive or self._resync.done():
            return "a task that never ends has ended"
        if self.queue.longest_work > health.STUCK_SECONDS:
            return f"a worker has been busy with one Report for {self.queue.longest_work:.0f} s"
        return ""

    def not_ready(self) -> str:
        """Return what is still missing, or an empty text."""
        if not self._listed:
            return "the Reports have not been listed yet"
        running = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
        missing = [kind for kind in _WATCHED if not any(name.startswith(f"watcher for {kind}.") for name in running)]
        return f"not watching: {', '.join(missing)}" if missing else ""

    def collect(self) -> None:
        """Bring the gauges up to date."""
        metrics.QUEUE_LENGTH.set(len(self.queue))
        metrics.QUEUE_WAIT.set(self.queue.longest_wait)

    async def _list_for_ever(self) -> None:
        while True:
            try:
                async for manifest in self._cluster.reports():
                    if interest.in_report(manifest, listed=True):
                        self.queue.add((manifest["metadata"]["namespace"], manifest["metadata"]["name"]))
            except ClusterError as error:
                logger.warning("the Reports cannot be listed: %s", error)
                await asyncio.sleep(LISTING_RETRY_SECONDS)
            else:
                self._listed = True
                await asyncio.sleep(RESYNC_SECONDS)


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT, or until a watch ends for good."""
    asyncio.get_running_loop().set_exception_handler(_log_unless_kopf_ends)
    instance = os.environ.get("HOSTNAME") or platform.node()
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    watching.configure(settings, instance, STOP_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        operator, cluster = await _start(config, instance, stack)
        watching.log_in(registry, cluster)
        handlers.register(registry, operator.queue)

        @kopf.on.cleanup(registry=registry)
        async def stop(**_: object) -> None:
            # Here and not later: kopf cancels every task that it finds running after its own have ended.
            await stack.aclose()

        await kopf.operator(registry=registry, settings=settings, clusterwide=True)


async def _start(config: Config, instance: str, stack: contextlib.AsyncExitStack) -> tuple[Operator, Cluster]:
    store = S3Store(config.store)
    stack.callback(store.close)
    cluster = await Cluster.connect(config.workers, metrics.observe_request)
    stack.push_async_callback(cluster.close)
    actor = Actor(cluster, store, config.defaults, config.job_ttl_time)
    operator = Operator(cluster, Reconciler(cluster, actor, instance), config.workers)
    stack.push_async_callback(operator.stop)
    probes = health.Health(operator.not_alive, operator.not_ready, operator.collect)
    server = await health.serve(probes, config.http_host, config.http_port)
    stack.push_async_callback(server.cleanup)
    return operator, cluster


def _log_unless_kopf_ends(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught, except that kopf leaves generators of cancelled watches to the end of the event loop."""
    if "asyncgen" in context:
        logger.debug("%s", context["message"])
    else:
        loop.default_exception_handler(context)


def main() -> None:
    """Run the operator with the settings in the environment; exits with 78 (sysexits EX_CONFIG) when they are wrong."""
    try:
        config = Config.from_env(os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(os.EX_CONFIG)
    logs.configure(config.log_level)
    try:
        asyncio.run(serve(config))
    except UnavailableError as error:
        logger.critical("%s", error)
        sys.exit(os.EX_UNAVAILABLE)
