"""(d) Many schedules due in the same minute, beside as many CronJobs: how late their Reports and Jobs are made."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.server.process import Operator
from tools.bench import figures
from tools.bench.figures import Cell, Section, Table
from tools.bench.page import say
from tools.bench.schedule import objects
from tools.bench.schedule.bench import CRON_JOBS, JOBS, JOBS_OF_CRON_JOBS, REPORTS, SCHEDULES, SECRETS, Bench
from tools.bench.schedule.client import Arrival, until
from tools.bench.schedule.objects import Json
from tools.bench.schedule.process import Usage

_GOALS = {(1_000, "Report"): "3", (1_000, "Job"): "10", (10_000, "Report"): "30"}
_MADE = (REPORTS, SECRETS, JOBS)
_MINUTE = 60
_EASE_SECONDS = 60.0
_EASE_SECONDS_PER_SCHEDULE, _EASE_SECONDS_PER_CRON_JOB = 0.03, 0.01
"""To make one, and for the operator to accept it."""
_LEAST_EASE_SECONDS = 5.0
_A_MOMENT = timedelta(seconds=1)
_LEAST_SHARE = 0.01
"""Requests for each run below which a kind of request is not worth a row."""
_INTRO = """\
ScheduledReports and CronJobs, daily and at the same minute, on the same real API server without nodes, one kind after
the other: etcd (without fsync), kube-apiserver, kube-controller-manager with its default flags (20 requests a second
for each of its controllers, 5 CronJobs at a time), and the operator as a process with the chart's rights and its
default settings, but with no limit on runs. A Report's Job is made suspended (`run.kueueQueueName`), and the CronJobs
have that same Job as their template. Beside its Job each Report gets a Secret with signed links, and a status. Times
are those at which a watch of the benchmark had the object, so that they hold what the watch takes; the API server's
own creationTimestamp, rounded down to whole seconds, stands beside them as a check. For a floor, the same Reports,
then the Secrets, then the Jobs are made once more by a client that has them ready and does nothing else, 32 at once:
these times are from its start."""


@dataclass(frozen=True)
class Slot:
    """What came of one slot."""

    time: float
    """Seconds since the epoch."""
    wanted: int
    """Schedules that were due."""
    arrivals: Mapping[str, Mapping[str, Arrival]]
    """By kind and name."""


async def measure(counts: Iterable[int], cronjob_seconds: float) -> Section:
    """Return the section of the page; CronJobs are waited for so many seconds after their slot at most."""
    tables = []
    for count in counts:
        say(f"(d) {count:,} ScheduledReports, then {count:,} CronJobs")
        async with Bench.set_up() as bench:
            ours, requests, made = await _scheduled_reports(bench, count)
            alone = await _alone(bench, count, made)
            theirs = await _cron_jobs(bench, count, made[JOBS], cronjob_seconds)
        tables += [_lateness(ours, alone, theirs), requests]
    notes = (
        f"The benchmark waits {cronjob_seconds:.0f} s for Jobs of CronJobs; figures are of those that were there. Most "
        "statuses and Events follow the last Job: with them a run costs six requests."
    )
    return Section("(d) Many schedules due at once", _INTRO, tuple(tables), notes)


async def _scheduled_reports(bench: Bench, count: int) -> tuple[Slot, Table, dict[str, Json]]:
    """Return what came of the slot, what it cost the operator, and an object of each kind. Leaves nothing behind."""
    with bench.operator() as operator:
        slot = _next_slot(count * _EASE_SECONDS_PER_SCHEDULE)
        line = objects.cron_line(slot)
        made = [objects.scheduled_report(name, line) for name in _names(count)]
        await bench.make("ScheduledReports", SCHEDULES, made)
        await bench.accepted(count)
        found, cost = await _through_slot(bench, slot, count, operator)
    made_by_operator = {path: await anext(bench.client.list(path)) for path in _MADE}
    for path in (SCHEDULES, *_MADE):
        await bench.client.send("DELETE", path, {"propagationPolicy": "Background"})
    return found, cost, made_by_operator


async def _alone(bench: Bench, count: int, made: Mapping[str, Json]) -> Slot:
    """Return how fast the API server takes as many objects as the operator has made. Leaves nothing behind."""
    begun = time.time()
    async with bench.client.arrivals(REPORTS) as reports, bench.client.arrivals(JOBS) as jobs:
        for path, sample in made.items():
            await bench.make("objects of the floor", path, [objects.copy_of(sample, name) for name in _names(count)])
        await bench.expect("Jobs of the floor seen", _count(jobs), count, pause=0.1)
    for path in made:
        await bench.client.send("DELETE", path, {"propagationPolicy": "Background"})
    return Slot(begun, count, {"Report": dict(reports), "Job": dict(jobs)})


async def _through_slot(bench: Bench, slot: datetime, count: int, operator: Operator) -> tuple[Slot, Table]:
    async with bench.client.arrivals(REPORTS) as reports, bench.client.arrivals(JOBS) as jobs:
        await _sleep_until(slot - _A_MOMENT)  # From the slot on nothing is to hold up the watches of this event loop.
        requests, usage = operator.requests(), Usage.of(operator.process.pid)
        for what, found in (("Reports", reports), ("Jobs", jobs)):
            await bench.expect(f"{what} made", _count(found), count, pause=0.1)
        cpu_seconds = Usage.of(operator.process.pid).cpu_seconds - usage.cpu_seconds
        after = await asyncio.to_thread(operator.requests)
    made = {name: (total - requests.get(name, 0)) / count for name, total in after.items()}
    rows = [(name, share) for name, share in sorted(made.items(), key=lambda item: -item[1]) if share >= _LEAST_SHARE]
    rows += [("all requests", sum(made.values())), ("CPU, milliseconds", cpu_seconds / count * 1000)]
    cost = Table((f"the operator, slot of {count:,} → last Job", "for each run"), tuple(rows))
    return Slot(slot.timestamp(), count, {"Report": dict(reports), "Job": dict(jobs)}), cost


async def _cron_jobs(bench: Bench, count: int, job: Json, seconds: float) -> Slot:
    slot = _next_slot(count * _EASE_SECONDS_PER_CRON_JOB)
    line = objects.cron_line(slot)
    await bench.make("CronJobs", CRON_JOBS, [objects.cron_job(name, line, job) for name in _names(count)])
    async with bench.client.arrivals(JOBS_OF_CRON_JOBS) as jobs:
        await _sleep_until(slot)
        await until("Jobs of CronJobs made", _count(jobs), count, seconds, pause=0.5)
    return Slot(slot.timestamp(), count, {"Job": dict(jobs)})


def _names(count: int) -> list[str]:
    return [f"schedule-{number:05}" for number in range(count)]


def _next_slot(seconds: float) -> datetime:
    """Return the first full minute that leaves so much time, and a minute to spare."""
    earliest = time.time() + _EASE_SECONDS + seconds
    return datetime.fromtimestamp((earliest // _MINUTE + 1) * _MINUTE, UTC)


async def _sleep_until(slot: datetime) -> None:
    left = slot.timestamp() - time.time()
    if left < _LEAST_EASE_SECONDS:
        raise RuntimeError(
            f"the schedules were ready only {left:.0f} s before their slot: this machine needs more time"
        )
    say(f"waiting {left:.0f} s for the slot")
    await asyncio.sleep(left)


def _count(found: Mapping[str, Arrival]) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(found)

    return count


def _lateness(ours: Slot, alone: Slot, theirs: Slot) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for what, slot, kind in (
        ("ScheduledReport → Report", ours, "Report"),
        ("ScheduledReport → Job", ours, "Job"),
        ("floor: Reports made by a client alone", alone, "Report"),
        ("floor: Jobs, after Reports and Secrets", alone, "Job"),
        ("CronJob → Job", theirs, "Job"),
    ):
        found = slot.arrivals[kind].values()
        seen = figures.tail([arrival.seen - slot.time for arrival in found])
        noted = figures.quantile([arrival.noted - slot.time for arrival in found], 0.99)
        goal = _GOALS.get((slot.wanted, kind), "") if slot is ours else ""
        rows.append((what, *seen, round(noted), len(found), goal))
    what = f"{ours.wanted:,} of each, seconds after the slot"
    return Table((what, "p50", "p99", "greatest", "p99 by creationTimestamp", "made", "goal: p99"), tuple(rows))
