"""The operator as a process of this machine, which a test can kill at the moment that it chooses."""

import os
import signal
import subprocess
import sys
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.cluster import OPERATOR_NAMESPACE, STORE_PORT, Cluster, eventually
from tests.support.ports import free_ports

READY_SECONDS = 60


@dataclass
class OperatorProcess:
    """`report-operator operator` against a cluster."""

    cluster: Cluster
    log: Path
    image: str = "localhost/report-operator:dev"
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _port: int = field(default_factory=lambda: free_ports(1)[0], init=False)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "report_operator", "operator"]
            self._process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log)
        eventually(self._ready, READY_SECONDS, "the operator is ready")

    def kill(self) -> None:
        """End it at once: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it in good order; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=90)

    def _ready(self) -> bool | None:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._port}/readyz")
        except httpx.TransportError:
            return None
        return True if answer.status_code == httpx.codes.OK else None

    def _environment(self) -> dict[str, str]:
        stored = self.cluster.get("secret", "report-operator-store", OPERATOR_NAMESPACE)
        assert stored is not None
        store = f"http://{self.cluster.node_address()}:{STORE_PORT}"
        settings = {
            "IMAGE": self.image,
            "STORE_ENDPOINT": store,
            "NAMESPACE": OPERATOR_NAMESPACE,
            "STORE_BUCKET": "reports",
            "STORE_PATH_STYLE": "true",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self._port),
            "RUN_SCRATCH_SIZE": "64Mi",
        }
        return (
            {"PATH": os.environ["PATH"], "KUBECONFIG": str(self.cluster.kubeconfig)}
            | {f"REPORT_OPERATOR_{name}": value for name, value in settings.items()}
            | {name: b64decode(value).decode() for name, value in stored["data"].items()}
        )
