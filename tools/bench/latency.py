"""(a) One report at a time, beside a Job of the same image and shape whose containers do nothing."""

import copy
import statistics
import time
from typing import Any

from tools.bench import figures
from tools.bench.api import JOBS, REPORTS, Api, Watch, is_condition

PAIRS = 8
_LIMIT = 120


def measure(api: Api, namespace: str, report: dict[str, Any]) -> str:
    """Return the section of the page. The two sides take turns, so that both meet the same machine."""
    job = _idle_job(api, namespace, report)
    made, idle = [], []
    for turn in range(PAIRS):
        made.append(_timed(api, REPORTS.format(namespace), _named(report, f"latency-{turn}"), "Ready"))
        idle.append(_timed(api, JOBS.format(namespace), _named(job, f"idle-{turn}"), "Complete"))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(made, idle, strict=True))
    rows = [
        ["Report: created → Succeeded with links", figures.seconds(made)],
        [
            "Job of the same image and shape, three containers that do nothing: created → Complete",
            figures.seconds(idle),
        ],
        ["ratio, pair by pair, median", f"{ratio:.2f} (goal: at most 1.5)"],
    ]
    return figures.table([f"{PAIRS} pairs in turn", "seconds: median (range)"], rows)


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
