"""(a) One report at a time, beside a Job of the same image and shape whose containers do nothing."""

import copy
import time
from typing import Any

from tools.bench import figures
from tools.bench.api import JOBS, REPORTS, Api, Watch, is_condition
from tools.bench.figures import Cell, Section, Table

PAIRS = 8
_LIMIT = 120


def measure(api: Api, namespace: str, report: dict[str, Any]) -> Section:
    """Return the section of the page. The two sides take turns, so that both meet the same machine."""
    job = _idle_job(api, namespace, report)
    made, idle = [], []
    for turn in range(PAIRS):
        made.append(_timed(api, REPORTS.format(namespace), _named(report, f"latency-{turn}"), "Ready"))
        idle.append(_timed(api, JOBS.format(namespace), _named(job, f"idle-{turn}"), "Complete"))
    ratios = [ours / theirs for ours, theirs in zip(made, idle, strict=True)]
    rows: tuple[tuple[Cell, ...], ...] = (
        ("Report: created → Succeeded with links", *figures.spread(made), ""),
        ("Job: created → Complete", *figures.spread(idle), ""),
        ("ratio, pair by pair", *figures.spread(ratios), "median at most 1.5"),
    )
    return Section(
        "(a) One report",
        "A one-page PDF with a chart and a table from inline rows. In turn with it a Job of the same image and shape, "
        "whose three containers do nothing.",
        (Table((f"{PAIRS} pairs, seconds", "median", "least", "greatest", "goal"), rows),),
    )


def _timed(api: Api, path: str, item: dict[str, Any], condition: str) -> float:
    with Watch(api, path, {"done": is_condition(condition)}).running() as watch:
        began = time.monotonic()
        api.post(path, json=item).raise_for_status()
        watch.wait("done", [item["metadata"]["name"]], _LIMIT)
        return watch.seen["done"][item["metadata"]["name"]] - began


def _idle_job(api: Api, namespace: str, report: dict[str, Any]) -> dict[str, Any]:
    """Return the Job that the operator makes for the report, with commands that do nothing."""
    first = _named(report, "latency-first")
    _timed(api, REPORTS.format(namespace), first, "Ready")
    selector = {"labelSelector": "report-operator.io/report=latency-first"}
    made = api.get(JOBS.format(namespace), params=selector).raise_for_status().json()["items"][0]
    spec = copy.deepcopy(made["spec"])
    for key in ("selector", "manualSelector"):
        spec.pop(key, None)
    template = spec["template"]
    template["metadata"] = {}
    pod = template["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        container["command"] = ["/usr/bin/true"]
    for volume in pod["volumes"]:
        if "secret" in volume:
            del volume["secret"]  # the operator deletes it when the run has ended
            volume["emptyDir"] = {}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": spec}


def _named(item: dict[str, Any], name: str) -> dict[str, Any]:
    return {**item, "metadata": {"name": name}}
