"""The operator as a process with the rights that the chart gives it, against the API server of these tests."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import yaml

from tests.support import chart
from tests.support.apiserver import ApiServer
from tests.support.cluster import eventually
from tests.support.ports import free_ports
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS

NAMESPACE = "reporting"


class Operator:
    """A running operator process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5)

    def probe(self, path: str) -> int | None:
        """Return the HTTP status of a probe; None when nobody answers."""
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return None

    def is_ready(self) -> bool | None:
        """Return True when the operator is ready, otherwise None."""
        assert self.process.poll() is None, self.log.read_text()
        return True if self.probe("/readyz") == httpx.codes.OK else None

    def wait_ready(self) -> "Operator":
        """Wait until it is ready."""
        eventually(self.is_ready, 60, f"operator ready; see {self.log}")
        return self

    def requests(self) -> dict[str, int]:
        """Return the requests to the API server so far, by method and resource."""
        found: dict[str, int] = {}
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith("report_operator_api_requests_total"):
                labels = dict(part.split("=") for part in line[line.index("{") + 1 : line.index("}")].split(","))
                name = f"{labels['method']} {labels['resource']}".replace('"', "")
                found[name] = found.get(name, 0) + int(float(line.split()[-1]))
        return found

    def requests_at_rest(self) -> dict[str, int]:
        """Return the requests so far, once a second has passed without any."""

        def look() -> dict[str, int] | None:
            before = self.requests()
            time.sleep(1)
            return before if self.requests() == before else None

        return eventually(look, 60, "the operator rests")


def service_account(server: ApiServer, folder: Path) -> Path:
    """Make the operator's service account with the chart's roles; return a kubeconfig that uses it."""
    name = "report-operator"
    rendered = chart.render(namespace=NAMESPACE)
    role = chart.one(rendered, "ClusterRole", name)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    with server.client() as api:
        for path, manifest in (
            ("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}),
            (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}}),
            (f"{rbac}/clusterroles", role),
            (f"{rbac}/clusterrolebindings", binding),
            (f"{rbac}/namespaces/{NAMESPACE}/roles", chart.one(rendered, "Role", f"{name}-policies")),
            (f"{rbac}/namespaces/{NAMESPACE}/rolebindings", chart.one(rendered, "RoleBinding", f"{name}-policies")),
        ):
            api.post(path, json=manifest).raise_for_status()
        token_path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token"
        answer = api.post(token_path, json={"spec": {"expirationSeconds": 7200}}).raise_for_status()
    return kubeconfig(server.url, answer.json()["status"]["token"], folder)


def kubeconfig(url: str, token: str, folder: Path) -> Path:
    """Write a kubeconfig."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
        "current-context": "test",
    }
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@contextlib.contextmanager
def operator(access: Path, store: SeaweedFS, log: Path, **settings: str) -> Iterator[Operator]:
    """Start an operator; kill it afterwards."""
    (port,) = free_ports(1)
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(access),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "REPORT_OPERATOR_IMAGE": "example/report-operator:1",
        "REPORT_OPERATOR_NAMESPACE": NAMESPACE,
        "REPORT_OPERATOR_STORE_BUCKET": "reports",
        "REPORT_OPERATOR_STORE_ENDPOINT": store.endpoint,
        "REPORT_OPERATOR_STORE_PATH_STYLE": "true",
        "REPORT_OPERATOR_HTTP_HOST": "127.0.0.1",
        "REPORT_OPERATOR_HTTP_PORT": str(port),
        # Jobs that other tests have left would hold their places for ever.
        "REPORT_OPERATOR_RUN_LIMIT_TOTAL": "0",
        "REPORT_OPERATOR_RUN_LIMIT_PER_NAMESPACE": "0",
        **settings,
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "report_operator", "operator"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    running = Operator(process, port, log)
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        running.http.close()
