"""The operator process: starts everything, and ends it in good order."""

import asyncio
import contextlib
import gc
import logging
import os
import platform
import sys
from typing import Any

import kopf

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import UnavailableError
from report_operator.control import handlers, health, logs, metrics, watching
from report_operator.control.actions import Actor
from report_operator.control.admission import Admission
from report_operator.control.children import Children
from report_operator.control.clockwork import Clockwork
from report_operator.control.config import Config, ConfigError
from report_operator.control.controller import Controller, Key
from report_operator.control.inventory import Inventory
from report_operator.control.keys import Keys
from report_operator.control.links import LinkMaker
from report_operator.control.manifests import Manifests
from report_operator.control.policies import Policies
from report_operator.control.queue import WorkQueue
from report_operator.control.reconcile import Reconciler, utc_now
from report_operator.control.reports import Reports
from report_operator.control.schedules import ScheduleReconciler
from report_operator.control.sweep import Sweep
from report_operator.control.telling import Telling
from report_operator.control.upkeep import Upkeep
from report_operator.store.errors import StoreError
from report_operator.store.open import open_store
from report_operator.store.store import Store

logger = logging.getLogger(__name__)

STOP_SECONDS = 60.0
"""For everything at the end; the pod's terminationGracePeriodSeconds is longer."""
STATUSES_PUT_OFF = 1000
"""Statuses of Reports that are kept in memory, some 50 KiB for each, while runs are started."""
GARBAGE = 50_000
"""New objects after which Python looks for cycles among them. With its own limit, of 700 or 2,000, it does so for each
watch event or more often, and their JSON has none: a tenth of the operator's CPU time."""
_WATCHED_BY_KOPF = ("scheduledreports", "jobs", "pods")


class Operator:
    """One operator process: a controller for each kind, and what feeds their queues."""

    def __init__(self, cluster: Cluster, store: Store, config: Config, instance: str) -> None:
        self.known_schedules = Manifests()
        children, pending, keys = Children(), Manifests(), Keys()
        self.clockwork = Clockwork(self._ring, utc_now)
        self.admission = Admission(config.run_limits, self._call)
        link_maker = LinkMaker(store, config.links)
        actor = Actor(cluster, store, config.defaults, config.job_ttl_time, self.admission, link_maker)
        self.policies = Policies(cluster, config.namespace, config.policy, self._look_again, relay=config.relay)
        rules = self.policies.of
        schedules: WorkQueue[Key] = WorkQueue()
        reports: WorkQueue[Key] = WorkQueue(after=[schedules])
        told_last = (schedules, reports)
        self._tellings = (
            Telling("scheduled_report", schedules, told_last),
            Telling("report", reports, told_last, most=STATUSES_PUT_OFF),
        )
        tell_of_schedules, tell_of_reports = self._tellings
        of_reports = Reconciler(cluster, actor, pending, rules, instance, tell_of_reports, keys=keys)
        of_schedules = ScheduleReconciler(
            cluster,
            self.known_schedules,
            children,
            self.clockwork,
            rules,
            instance,
            utc_now,
            config.defaults,
            tell_of_schedules,
        )
        self.reports = Controller("report", of_reports.reconcile, reports)
        self.schedules = Controller("scheduled_report", of_schedules.reconcile, schedules)
        sweep = Sweep(cluster, store, config.sweep_interval_time, config.sweep_grace_time, utc_now, rules)
        self.upkeep = Upkeep(cluster, link_maker, children, keys, rules, instance=instance, now=utc_now)
        self._working = (self.reports, self.schedules, self.upkeep.controller)
        self._controllers = (*self._working, *(telling.controller for telling in self._tellings))
        self.inventory = Inventory(cluster, self.known_schedules, schedules)
        self._followed = Reports(
            cluster, children, self.upkeep, self.policies, pending, keys=keys, queue=reports, schedules=schedules
        )
        self._endless = [
            asyncio.create_task(self._followed.follow(), name="reports"),
            asyncio.create_task(self.inventory.follow(), name="inventory"),
            asyncio.create_task(self.policies.follow(), name="policies"),
            asyncio.create_task(self.clockwork.run(), name="clockwork"),
            asyncio.create_task(self.upkeep.clockwork.run(), name="upkeep"),
            asyncio.create_task(self._sweep(sweep), name="sweep"),
            asyncio.create_task(self.admission.follow(cluster.all_jobs), name="admission"),
        ]
        self._starting = asyncio.create_task(self._start(config.workers), name="start")

    def _ring(self, key: Key) -> None:
        self.schedules.queue.add(key)

    def _call(self, key: Key) -> None:
        self.reports.queue.add(key)

    def _look_again(self, namespace: str) -> None:
        """Have all looked at again that another policy may let run, or stop."""
        for report in self.policies.refused(namespace):
            self.reports.queue.add(report)
        for schedule in self.known_schedules.keys(namespace):
            self.schedules.queue.add(schedule)

    async def _start(self, workers: int) -> None:
        await self.policies.listed.wait()
        self.reports.start(workers)
        # Before all Reports are known, a slot would seem to have none.
        await self._followed.listed.wait()
        self.schedules.start(workers)
        for telling in self._tellings:
            telling.controller.start(workers)
        self.upkeep.start()
        await self.inventory.listed.wait()

    async def _sweep(self, sweep: Sweep) -> None:
        await self.policies.listed.wait()  # They say how long files may be kept.
        await sweep.run()

    async def stop(self) -> None:
        """Take no further work and finish what is at hand."""
        tasks = [self._starting, *self._endless]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(controller.stop(patience=STOP_SECONDS - 20) for controller in self._working))
        await asyncio.gather(*(telling.stop(patience=5) for telling in self._tellings))

    def not_alive(self) -> str:
        """Return why the process is to be restarted, or an empty text."""
        if any(task.done() for task in self._endless) or not all(each.alive for each in self._controllers):
            return "a task that never ends has ended"
        longest = max(controller.queue.longest_work for controller in self._controllers)
        if longest > health.STUCK_SECONDS:
            return f"a worker has been busy with one object for {longest:.0f} s"
        return ""

    def not_ready(self) -> str:
        """Return what is still missing, or an empty text."""
        if not self._followed.listed.is_set():
            return "the Reports have not been listed yet"
        if not self.policies.listed.is_set():
            return "the policies of namespaces have not been listed yet"
        if not self.admission.is_open:
            return "the Jobs have not been listed yet"
        if not self._starting.done():
            return "the ScheduledReports have not been listed yet"
        running = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
        missing = [k for k in _WATCHED_BY_KOPF if not any(name.startswith(f"watcher for {k}.") for name in running)]
        return f"not watching: {', '.join(missing)}" if missing else ""

    def collect(self) -> None:
        """Bring the gauges up to date."""
        for controller in self._controllers:
            metrics.QUEUE_LENGTH.labels(kind=controller.kind).set(len(controller.queue))
            metrics.QUEUE_WAIT.labels(kind=controller.kind).set(controller.queue.longest_wait)
        metrics.POLICIES_BROKEN.set(self.policies.broken)
        metrics.RUNS_WAITING.set(self.admission.waiting)
        metrics.RUNS_WORKING.set(self.admission.working)


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT, or until a watch ends for good."""
    asyncio.get_running_loop().set_exception_handler(_log_unless_kopf_ends)
    instance = os.environ.get("HOSTNAME") or platform.node()
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    watching.configure(settings, instance, STOP_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        operator, cluster = await _start(config, instance, stack)
        watching.log_in(registry, cluster)
        handlers.register(
            registry,
            reports=operator.reports.queue,
            schedules=operator.schedules.queue,
            known_schedules=operator.known_schedules,
            inventory=operator.inventory,
            admission=operator.admission,
            clockwork=operator.clockwork,
        )

        @kopf.on.cleanup(registry=registry)
        async def stop(**_: object) -> None:
            # Here and not later: kopf cancels every task that it finds running after its own have ended.
            await stack.aclose()

        await kopf.operator(registry=registry, settings=settings, clusterwide=True)


async def _start(config: Config, instance: str, stack: contextlib.AsyncExitStack) -> tuple[Operator, Cluster]:
    store = open_store(config.store)
    stack.callback(store.close)
    cluster = await Cluster.connect(4 * config.workers, metrics.observe_request)
    stack.push_async_callback(cluster.close)
    operator = Operator(cluster, store, config, instance)
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
        gc.set_threshold(GARBAGE, 20, 20)
        asyncio.run(serve(config))
    except StoreError as error:  # There are no credentials for it; an outage of the store ends nothing.
        logger.critical("%s", error)
        sys.exit(os.EX_CONFIG)
    except UnavailableError as error:
        logger.critical("%s", error)
        sys.exit(os.EX_UNAVAILABLE)
