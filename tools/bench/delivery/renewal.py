"""(h) Links of kept Reports: the status writes of an operator at rest, beside the links that come due meanwhile."""

import asyncio
from datetime import UTC, datetime

from tools.bench.figures import Section, Table
from tools.bench.page import say
from tools.bench.schedule import objects
from tools.bench.schedule.bench import REPORTS, Bench
from tools.bench.schedule.client import each
from tools.bench.schedule.process import Usage

_WRITE = "PUT reports/status"
_SETTLE_SECONDS = 30.0
_INTRO = """\
Reports that have succeeded and list two files with links, signed at different times within a day, on the API server of
(d), with the operator as a process with its default settings. A Report's links are due at its `status.linksRenewAt`,
which the benchmark reads from all of them before."""


async def measure(reports: int, seconds: float) -> Section:
    """Return the section of the page."""
    say(f"(h) {reports:,} kept Reports")
    async with Bench.set_up() as bench:
        await _fill(bench, reports)
        with bench.operator() as operator:
            await bench.ready(operator)
            await asyncio.sleep(_SETTLE_SECONDS)
            times = [_renewal_time(report) async for report in bench.client.list(REPORTS)]
            begun, writes, usage = datetime.now(UTC), operator.requests(), Usage.of(operator.process.pid)
            say(f"leaving the operator alone for {seconds:.0f} s")
            await asyncio.sleep(seconds)
            ended, after = datetime.now(UTC), await asyncio.to_thread(operator.requests)
            cpu = Usage.of(operator.process.pid).cpu_seconds - usage.cpu_seconds
    due = sum(begun <= at < ended for at in times)
    rows = (
        ("Reports whose links came due", due),
        ("status writes", after.get(_WRITE, 0) - writes.get(_WRITE, 0)),
        ("all requests to the API server", sum(after.values()) - sum(writes.values())),
        ("CPU, % of a core", cpu / seconds * 100),
    )
    head = (f"{reports:,} kept Reports, {seconds:.0f} s at rest", "")
    return Section("(h) Renewal of links", _INTRO, (Table(head, rows),))


def _renewal_time(report: objects.Json) -> datetime:
    return datetime.fromisoformat(report["status"]["linksRenewAt"])


async def _fill(bench: Bench, reports: int) -> None:
    """Make the Reports while no operator runs."""
    finished = objects.FinishedReports.signed_by(bench.store, datetime.now(UTC).replace(microsecond=0))

    async def finish(number: int) -> None:
        await bench.finish(objects.report(f"kept-{number:05}"), finished, age=number / reports)

    await each("finished Reports made", range(reports), finish)
