"""The API server as a benchmark sees it: plain requests, and watches that note when each event arrived."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx
import yaml

REPORTS = "/apis/report-operator.io/v1alpha1/namespaces/{}/reports"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"

Seen = Mapping[str, float]
"""Monotonic seconds at which a mark was first true, by name of the object."""


def client(kubeconfig: Path) -> httpx.Client:
    """Return a client with the administrator's rights."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with NamedTemporaryFile("wb") as certificate:
        certificate.write(base64.b64decode(user["client-certificate-data"]))
        certificate.write(base64.b64decode(user["client-key-data"]))
        certificate.flush()
        trust.load_cert_chain(certificate.name)
    return httpx.Client(base_url=cluster["server"], verify=trust, timeout=httpx.Timeout(30, read=900))


class Watch:
    """Watches a collection in the background and notes, for each object, when a mark was first true."""

    def __init__(self, api: httpx.Client, path: str, marks: Mapping[str, Callable[[Any], bool]]) -> None:
        self._api, self._path, self._marks = api, path, marks
        self._condition = threading.Condition()
        self.seen: dict[str, dict[str, float]] = {mark: {} for mark in marks}
        self.objects: dict[str, Any] = {}

    def wait(self, mark: str, count: int, seconds: float) -> None:
        """Wait until `count` objects have the mark. Raises TimeoutError."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self.seen[mark]) >= count, seconds):
                raise TimeoutError(f"{self._path}: {len(self.seen[mark])} of {count} are {mark} after {seconds:.0f} s")

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        """Watch from now on."""
        version = self._api.get(self._path, params={"limit": 1}).raise_for_status().json()["metadata"]
        params = {"watch": "true", "resourceVersion": version["resourceVersion"]}
        with self._api.stream("GET", self._path, params=params) as stream:
            thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
            thread.start()
            yield self

    def _read(self, stream: httpx.Response) -> None:
        try:
            for line in stream.iter_lines():
                self._note(json.loads(line)["object"], time.monotonic())
        except (httpx.HTTPError, httpx.StreamError):
            return  # the benchmark has what it waited for and closed the stream

    def _note(self, item: Any, now: float) -> None:
        name = item["metadata"]["name"]
        with self._condition:
            self.objects[name] = item
            for mark, holds in self._marks.items():
                if holds(item):
                    self.seen[mark].setdefault(name, now)
            self._condition.notify_all()


def is_condition(kind: str) -> Callable[[Any], bool]:
    """Return the mark that a condition of this type is True."""

    def holds(item: Any) -> bool:
        conditions = item.get("status", {}).get("conditions", ())
        return any(each["type"] == kind and each["status"] == "True" for each in conditions)

    return holds


def exists(_: Any) -> bool:
    """Is the mark that the object is there."""
    return True
