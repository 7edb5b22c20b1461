"""A real kube-apiserver with etcd on loopback: validation, RBAC and watches, but no kubelet and no controllers."""

import contextlib
import os
import secrets
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
_START_LIMIT_SECONDS = 60


@dataclass(frozen=True)
class ApiServer:
    """A running API server and its administrator."""

    url: str
    token: str
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """Return the file with the administrator's access."""
        return self.folder / "kubeconfig"

    def client(self) -> httpx.Client:
        """Return an HTTP client that speaks as the administrator."""
        trust = ssl.create_default_context()
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, verify=trust, timeout=30
        )


def tool(name: str) -> str:
    """Return the path of a program of tests/localcluster, which builds or installs it on first use."""
    found = subprocess.run([ROOT / "tests/localcluster/tool", name], stdout=subprocess.PIPE, check=True, text=True)
    return found.stdout.strip()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Start etcd and kube-apiserver with all data in `folder`; end both afterwards."""
    etcd, peer, secure = _free_ports(3)
    token = secrets.token_urlsafe(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    server = ApiServer(url=f"https://127.0.0.1:{secure}", token=token, folder=folder)
    server.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(server)))
    with (
        _process(folder, "etcd", *_etcd_command(folder, etcd, peer)),
        _process(folder, "kube-apiserver", *_apiserver_command(folder, etcd, secure)),
    ):
        _wait_ready(server)
        yield server


def install_crds(client: httpx.Client) -> None:
    """Make our CRDs and wait until they are served. Raises ValueError when one is refused."""
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text())
        answer = client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=crd)
        if answer.is_error:
            raise ValueError(f"{path.name}: {answer.json()['message']}")
        _wait_served(client, f"/apis/{crd['spec']['group']}/v1alpha1/{crd['spec']['names']['plural']}")


def _wait_served(client: httpx.Client, path: str) -> None:
    until = time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < until:
        if client.get(path).status_code == httpx.codes.OK:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{path} is not served")


def _etcd_command(folder: Path, port: int, peer: int) -> list[str]:
    url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        tool("kubernetes"), "etcd", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync",
        f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peer_url}",
    ]  # fmt: skip


def _apiserver_command(folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "sa.key"
    return [
        tool("kubernetes"), "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder / 'certificates'}",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
    ]  # fmt: skip


def _kubeconfig(server: ApiServer) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server.url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "admin", "user": {"token": server.token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }


@contextlib.contextmanager
def _process(folder: Path, name: str, *command: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        # The kernel ends it when the tests are killed and can no longer do so.
        bound = ["setpriv", "--pdeathsig", "KILL", *command]
        process = subprocess.Popen(bound, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_ready(server: ApiServer) -> None:
    until = time.monotonic() + _START_LIMIT_SECONDS
    with server.client() as client:
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
    raise TimeoutError(f"kube-apiserver is not ready; see {server.folder}/kube-apiserver.log")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
