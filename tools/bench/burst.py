"""(b) Many reports at once: how much of the time is the operator's own."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.support.chart import CHART
from tests.support.cluster import eventually
from tests.support.manifests import load
from tools.bench import figures
from tools.bench.api import JOBS, REPORTS, Api, Watch, exists, is_condition
from tools.bench.figures import Section, Table

REPORTS_AT_ONCE = 200
_PATIENCE_SECONDS = 1800
_INTRO = """\
A JSON document from inline rows, made by 16 clients in one namespace, where the chart's default lets {limit} runs be
under way. The operator's share is the wait of a Report for one of its workers and the worker's time: from the Report to
its Job, and from the Job's end to the Report's. Not in it is the wait for a turn: it is a Report's turn when so many
Jobs have ended that the limit leaves room for one more."""


def measure(api: Api, namespace: str, report: dict[str, Any]) -> Section:
    """Return the section of the page."""
    limit = load(CHART / "values.yaml")["run"]["limits"]["perNamespace"]
    began = time.monotonic()
    reports, jobs = _run(api, namespace, report)
    took = time.monotonic() - began
    return Section(
        "(b) Many reports at once",
        _INTRO.format(limit=limit),
        (_table(reports.seen["made"], reports.seen["ready"], jobs["made"], jobs["done"], limit),),
        f"All of them were done after {took:.0f} s, bound by the node's cores.",
    )


def _run(api: Api, namespace: str, report: dict[str, Any]) -> tuple[Watch, dict[str, dict[str, float]]]:
    """Have all Reports made; return when they were seen, and by mark and name of the Report when their Jobs were."""
    names = [f"burst-{number}" for number in range(REPORTS_AT_ONCE)]
    reports = Watch(api, REPORTS.format(namespace), {"made": exists, "ready": is_condition("Ready")})
    jobs = Watch(api, JOBS.format(namespace), {"made": exists, "done": is_condition("Complete")})
    with reports.running(), jobs.running():
        with ThreadPoolExecutor(16) as pool:
            for answer in pool.map(lambda name: _create(api, namespace, report, name), names):
                answer.raise_for_status()
        reports.wait("ready", names, _PATIENCE_SECONDS)
        # The two watches are apart: that of the Jobs may be behind.
        eventually(lambda: len(jobs.seen["done"]) >= len(names) or None, _PATIENCE_SECONDS, "all Jobs complete")
    of_report = {name: job["metadata"]["labels"]["report-operator.io/report"] for name, job in jobs.objects.items()}
    return reports, {mark: {of_report[name]: at for name, at in seen.items()} for mark, seen in jobs.seen.items()}


def _table(
    made: Mapping[str, float],
    ready: Mapping[str, float],
    started: Mapping[str, float],
    ended: Mapping[str, float],
    limit: int,
) -> Table:
    turns = _turns(started, ended, limit)
    waits = {name: max(turns[name] - made[name], 0.0) for name in started}
    before = {name: started[name] - made[name] - waits[name] for name in started}
    after = {name: ready[name] - ended[name] for name in started}
    rows = (
        ("Report made, and its turn → its Job made", *figures.tail(before.values())),
        ("Job complete → Report Succeeded with links", *figures.tail(after.values())),
        ("the operator's share, both together", *figures.tail([before[name] + after[name] for name in started])),
        ("not in it: Report made → its turn", *figures.tail(waits.values())),
    )
    return Table((f"{len(started)} Reports, seconds", "p50", "p99", "greatest"), rows)


def _turns(started: Mapping[str, float], ended: Mapping[str, float], limit: int) -> dict[str, float]:
    """Return since when there was room for each Job: the limit less one were under way of those before it."""
    ends = [float("-inf")] * limit + sorted(ended.values())
    return {name: ends[place] for place, name in enumerate(sorted(started, key=lambda name: started[name]))}


def _create(api: Api, namespace: str, report: dict[str, Any], name: str) -> httpx.Response:
    return api.post(REPORTS.format(namespace), json={**report, "metadata": {"name": name}})
