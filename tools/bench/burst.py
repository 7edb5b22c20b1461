"""(b) Many reports at once: how much of the time is the operator's own."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tools.bench import figures
from tools.bench.api import JOBS, REPORTS, Api, Watch, exists, is_condition
from tools.bench.figures import Cell, Section, Table

REPORTS_AT_ONCE = 200
_LIMIT = 1800


def measure(api: Api, namespace: str, report: dict[str, Any]) -> Section:
    """Return the section of the page.

    The operator's share is the time from a Report to its Job, and from the Job's end to the Report's; in between, the
    scheduler, the kubelet and the run itself are at work.
    """
    reports = Watch(api, REPORTS.format(namespace), {"made": exists, "ready": is_condition("Ready")})
    jobs = Watch(api, JOBS.format(namespace), {"made": exists, "done": is_condition("Complete")})
    with reports.running(), jobs.running():
        began = time.monotonic()
        names = [f"burst-{number}" for number in range(REPORTS_AT_ONCE)]
        with ThreadPoolExecutor(16) as pool:
            made = pool.map(lambda name: _create(api, namespace, report, name), names)
            for answer in made:
                answer.raise_for_status()
        reports.wait("ready", names, _LIMIT)
        took = time.monotonic() - began
    of_report = {name: job["metadata"]["labels"]["report-operator.io/report"] for name, job in jobs.objects.items()}
    started = {of_report[name]: at for name, at in jobs.seen["made"].items()}
    ended = {of_report[name]: at for name, at in jobs.seen["done"].items()}
    before = [started[name] - reports.seen["made"][name] for name in names]
    after = [reports.seen["ready"][name] - ended[name] for name in names]
    share = [sum(pair) for pair in zip(before, after, strict=True)]
    rows: tuple[tuple[Cell, ...], ...] = (
        ("Report created → its Job created", *figures.tail(before)),
        ("Job complete → Report Succeeded with links", *figures.tail(after)),
        ("the operator's share, both together", *figures.tail(share)),
    )
    return Section(
        "(b) Many reports at once",
        "A JSON document from inline rows, created by 16 clients.",
        (Table((f"{REPORTS_AT_ONCE} Reports, seconds", "p50", "p99", "greatest"), rows),),
        f"All of them were done after {took:.0f} s, bound by the node's cores.",
    )


def _create(api: Api, namespace: str, report: dict[str, Any], name: str) -> httpx.Response:
    return api.post(REPORTS.format(namespace), json={**report, "metadata": {"name": name}})
