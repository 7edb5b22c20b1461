"""The API server as a benchmark sees it: plain requests, and watches that note when each event arrived."""

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx
import yaml

from tests.support.cluster import Cluster

REPORTS = "/apis/report-operator.io/v1alpha1/namespaces/{}/reports"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"


class Api(httpx.Client):
    """A client with the administrator's rights."""

    def __init__(self, cluster: Cluster) -> None:
        url, trust = _access(cluster.kubeconfig)
        super().__init__(base_url=url, verify=trust, timeout=30)
        self.cluster = cluster


def _access(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with NamedTemporaryFile("wb") as certificate:
        certificate.write(base64.b64decode(user["client-certificate-data"]))
        certificate.write(base64.b64decode(user["client-key-data"]))
        certificate.flush()
        trust.load_cert_chain(certificate.name)
    return cluster["server"], trust


class Watch:
    """Watches a collection in the background and notes, for each object, when a mark was first true."""

    def __init__(self, api: "Api", path: str, marks: Mapping[str, Callable[[Any], bool]]) -> None:
        self._api, self._path, self._marks = api, path, marks
        self._condition = threading.Condition()
        # Monotonic seconds at which a mark was first true, by name of the object.
        self.seen: dict[str, dict[str, float]] = {mark: {} for mark in marks}
        self.objects: dict[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None

    def wait(self, mark: str, names: Collection[str], seconds: float) -> None:
        """Wait until the objects of these names have the mark. Raises TimeoutError."""
        with self._condition:
            if not self._condition.wait_for(lambda: self.seen[mark].keys() >= set(names), seconds):
                missing = set(names) - self.seen[mark].keys()
                raise TimeoutError(
                    f"{self._path}: not {mark} after {seconds:.0f} s: {', '.join(sorted(missing)[:5])} …"
                )

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        """Watch from now on."""
        listed = self._api.get(self._path, params={"limit": 1}).raise_for_status().json()["metadata"]
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(listed["resourceVersion"], over))
        thread.start()
        try:
            yield self
        finally:
            over.set()
            while thread.is_alive():
                if self._process is not None:
                    self._process.terminate()
                thread.join(timeout=0.5)

    def _follow(self, version: str, over: threading.Event) -> None:
        """Watch again and again: on a machine that is short of CPU the API server ends watches that do not keep up."""
        while not over.is_set():
            path = f"{self._path}?watch=true&resourceVersion={version}"
            # A process of its own: a stream of this one could not be closed while a thread reads it.
            command = self._api.cluster.kubectl_command("get", "--raw", path)
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as self._process:
                for line in self._process.stdout or ():
                    item = json.loads(line)["object"]
                    version = item["metadata"]["resourceVersion"]
                    self._note(item, time.monotonic())

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
