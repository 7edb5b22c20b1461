"""As much of a Kubernetes client as it takes to see that a cluster is up."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from .errors import LocalClusterError
from .layout import Layout

POLL_SECONDS = 0.1
REQUEST_SECONDS = 5.0


def wait_until_ready(layout: Layout, patience: float) -> None:
    """Return when the API server is ready. Raises LocalClusterError after `patience` seconds."""
    wait(layout, "kube-apiserver", patience, lambda: fetched(layout, "/readyz") is not None)


def node_ready(layout: Layout) -> bool:
    """True when pods can be scheduled: the node is Ready and free of the taint that it starts with."""
    node = object_at(layout, f"/api/v1/nodes/{layout.node_name}")
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not node.get("spec", {}).get("taints")


def object_at(layout: Layout, path: str) -> dict[str, Any]:
    """The object at an API path, or an empty one when it is not there (yet)."""
    body = fetched(layout, path)
    found: dict[str, Any] = json.loads(body) if body else {}
    return found


def fetched(layout: Layout, path: str) -> bytes | None:
    """The body of GET `path` as the administrator, or None when there is no answer or not 200."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    return _body(f"https://{layout.addresses.node}:6443{path}", context)


def answers(url: str) -> bool:
    """True when plain HTTP GET `url` is answered with 200."""
    return _body(url, None) is not None


def _body(url: str, context: ssl.SSLContext | None) -> bytes | None:
    direct = urllib.request.ProxyHandler({})  # the machine's proxy does not know the node
    handlers = [direct, urllib.request.HTTPSHandler(context=context)] if context else [direct]
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=REQUEST_SECONDS) as response:
            body: bytes = response.read()
            return body
    except OSError:
        return None


def wait(layout: Layout, part: str, patience: float, reached: Callable[[], bool]) -> None:
    """Return when `reached()`. Raises LocalClusterError after `patience` seconds, naming the log of `part`."""
    deadline = time.monotonic() + patience
    while not reached():
        if time.monotonic() > deadline:
            log = layout.log / f"{part}.log"
            tail = "\n".join(log.read_text().splitlines()[-15:]) if log.exists() else "(no log)"
            raise LocalClusterError(f"{part} is not ready after {patience:.0f} s. The end of {log}:\n{tail}")
        time.sleep(POLL_SECONDS)
