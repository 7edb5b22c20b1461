"""(c) Image size, start of the operator, and its memory with many finished Reports."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.support.cluster import OPERATOR_NAMESPACE
from tools.bench.api import PODS, REPORTS, Api, Watch, is_condition
from tools.bench.figures import Cell, Section, Table

FINISHED = 5000
STARTS = 5
_SETTLE_SECONDS = 60
_LIMIT = 300
_DEPLOYMENT = "deployment/report-operator"


def measure(api: Api, namespace: str, report: dict[str, Any], image_bytes: int) -> Section:
    """Return the section of the page. Leaves the operator running and the finished Reports there."""
    idle = _memory(api)
    starts = [_start(api) for _ in range(STARTS)]
    api.cluster.kubectl("scale", _DEPLOYMENT, "--replicas=0", f"--namespace={OPERATOR_NAMESPACE}")
    api.cluster.kubectl("wait", "--for=delete", "pod", f"--namespace={OPERATOR_NAMESPACE}", f"--selector={_SELECTOR}")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: _finished(api, namespace, report, f"finished-{number}"), range(FINISHED)))
    loaded_start = _start(api, scale=True)
    time.sleep(_SETTLE_SECONDS)
    loaded = _memory(api)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("image, unpacked, MB", round(image_bytes / 1e6), "at most 400"),
        (f"container started → pod Ready, seconds, median of {STARTS}", statistics.median(starts), "at most 5"),
        (f"the same with {FINISHED:,} finished Reports", loaded_start, ""),
        ("memory (working set), MiB", idle >> 20, ""),
        (f"the same with {FINISHED:,} finished Reports, {_SETTLE_SECONDS} s after the start", loaded >> 20, ""),
    )
    return Section("(c) Footprint", "", (Table(("the operator", "", "goal"), rows),))


_SELECTOR = "app.kubernetes.io/component=operator"


def _start(api: Api, *, scale: bool = False) -> float:
    """Return the seconds from the start of a new operator's container to its readiness."""
    marks = {"running": _is_running, "ready": is_condition("Ready")}
    with Watch(api, PODS.format(OPERATOR_NAMESPACE), marks).running() as watch:
        before = {pod["metadata"]["name"] for pod in api.cluster.list("pods", OPERATOR_NAMESPACE, _SELECTOR)}
        if scale:
            api.cluster.kubectl("scale", _DEPLOYMENT, "--replicas=1", f"--namespace={OPERATOR_NAMESPACE}")
        else:
            api.cluster.kubectl("rollout", "restart", _DEPLOYMENT, f"--namespace={OPERATOR_NAMESPACE}")
        until = time.monotonic() + _LIMIT
        while time.monotonic() < until:
            if new := set(watch.seen["ready"]) - before:
                name = new.pop()
                return watch.seen["ready"][name] - watch.seen["running"][name]
            time.sleep(0.1)
    raise TimeoutError(f"no new operator is Ready after {_LIMIT} s")


def _is_running(pod: Any) -> bool:
    return any("running" in status["state"] for status in pod["status"].get("containerStatuses", ()))


def _memory(api: Api) -> int:
    """Return the working set of the operator's pod in bytes, as the kubelet reports it."""
    node = api.cluster.kubectl("get", "nodes", "--output=jsonpath={.items[0].metadata.name}")
    name = api.cluster.list("pods", OPERATOR_NAMESPACE, _SELECTOR)[0]["metadata"]["name"]
    with_summary = httpx.Response(
        200, text=api.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary")
    )
    pods = {pod["podRef"]["name"]: pod for pod in with_summary.json()["pods"]}
    return int(pods[name]["memory"]["workingSetBytes"])


def _finished(api: Api, namespace: str, report: dict[str, Any], name: str) -> None:
    """Make a Report and its final status, while no operator runs."""
    path = REPORTS.format(namespace)
    made = api.post(path, json={**report, "metadata": {"name": name}}).raise_for_status().json()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    made["status"] = {
        "observedGeneration": made["metadata"]["generation"],
        "phase": "Succeeded",
        "reason": "Succeeded",
        "runID": f"{made['metadata']['uid']}-1",
        "completionTime": now,
        "artifacts": [
            {
                "name": "report.json",
                "format": "json",
                "mediaType": "application/json",
                "size": 1000,
                "sha256": "0" * 64,
                "uri": "s3://reports/report.json",
                "downloadURL": "http://store.example/" + "x" * 600,
                "viewURL": "http://store.example/" + "x" * 600,
                "urlExpiresAt": now,
            }
        ],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Succeeded",
                "message": "1 file in the store.",
                "lastTransitionTime": now,
                "observedGeneration": made["metadata"]["generation"],
            }
        ],
    }
    api.put(f"{path}/{name}/status", json=made).raise_for_status()
