"""(e) Many schedules and finished Reports with nothing due: memory, idle CPU, the first decision after a start."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tools.bench.figures import Cell, Section, Table
from tools.bench.page import say
from tools.bench.schedule import objects
from tools.bench.schedule.bench import REPORTS, SCHEDULES, Bench
from tools.bench.schedule.client import each
from tools.bench.schedule.process import Usage

_STARTS = 3
_SETTLE_SECONDS = 60.0
_MINUTE = 60
_INTRO = """\
On an API server as in (d), with the operator as a process with its default settings. Each ScheduledReport has its
share of the Reports, which have succeeded and list two files with links, some of them due for renewal at any time. A
start is that of a killed operator; meanwhile one more ScheduledReport has come due, and the time is until the watch of
the benchmark has its Report."""


@dataclass(frozen=True)
class Start:
    """How a start of the operator went, in seconds since it."""

    decided: float
    """Until the Report of the schedule that was due."""
    ready: float
    """Until /readyz said so."""


async def measure(schedules: int, reports: int, idle_seconds: float) -> Section:
    """Return the section of the page."""
    say(f"(e) {schedules:,} ScheduledReports and {reports:,} finished Reports at rest")
    async with Bench.set_up() as bench:
        await _fill(bench, schedules, reports)
        began = time.monotonic()
        with bench.operator():
            await bench.accepted(schedules)
            accepted = time.monotonic() - began
        starts = [await _start(bench, f"due-{number}") for number in range(_STARTS)]
        with bench.operator() as operator:
            await bench.ready(operator)
            await asyncio.sleep(_SETTLE_SECONDS)
            before = Usage.of(operator.process.pid)
            say(f"leaving the operator alone for {idle_seconds:.0f} s")
            await asyncio.sleep(idle_seconds)
            after = Usage.of(operator.process.pid)
    share = (after.cpu_seconds - before.cpu_seconds) / idle_seconds * 100
    rows: tuple[tuple[Cell, ...], ...] = (
        ("memory (resident) at rest, MiB", after.memory_mib, "at most 300"),
        ("memory (resident), the most since the start, MiB", after.peak_mib, "at most 300"),
        (f"CPU over {idle_seconds:.0f} s at rest, % of a core", share, "at most 2"),
        (
            "start → Report of the schedule that was due, seconds",
            statistics.median(s.decided for s in starts),
            "at most 20",
        ),
        ("start → ready, seconds", statistics.median(s.ready for s in starts), ""),
        (f"CPU from the start until {_SETTLE_SECONDS:.0f} s after ready, seconds", before.cpu_seconds, ""),
        ("first start of all, none of the ScheduledReports seen before → all have a status, seconds", accepted, ""),
    )
    head = (f"{schedules:,} ScheduledReports, {reports:,} finished Reports", "", "goal")
    return Section("(e) Many schedules at rest", _INTRO, (Table(head, rows),), f"Starts: median of {_STARTS}.")


async def _fill(bench: Bench, schedules: int, reports: int) -> None:
    """Make the objects while no operator runs."""
    now = datetime.now(UTC).replace(microsecond=0)
    line = objects.cron_line(now - timedelta(hours=1))  # Due again when all of this is long over.
    made = [objects.scheduled_report(f"schedule-{number:05}", line) for number in range(schedules)]
    await bench.make("ScheduledReports", SCHEDULES, made)
    finished = objects.FinishedReports.signed_by(bench.store, now)
    owners = [schedule async for schedule in bench.client.list(SCHEDULES)]

    async def finish(number: int) -> None:
        days_ago, owner = divmod(number, schedules)
        await bench.finish(finished.report(owners[owner], days_ago + 1), finished, age=number / reports)

    await each("finished Reports made", range(reports), finish)


async def _start(bench: Bench, name: str) -> Start:
    """Start the operator at a slot of a new, minutely ScheduledReport; remove it and its Report afterwards."""
    await bench.client.send("POST", SCHEDULES, objects.scheduled_report(name, "* * * * *"))
    async with bench.client.arrivals(REPORTS) as reports:
        await asyncio.sleep(_MINUTE - time.time() % _MINUTE)
        began = time.time()
        with bench.operator() as operator:
            ready = asyncio.create_task(bench.ready(operator))

            async def made() -> int:
                return len(reports)

            await bench.expect(f"Report of {name} made", made, 1, pause=0.1)
            start = Start(min(r.seen for r in reports.values()) - began, await ready - began)
    for path in (f"{SCHEDULES}/{name}", *(f"{REPORTS}/{report}" for report in reports)):
        await bench.client.send("DELETE", path)
    return start
