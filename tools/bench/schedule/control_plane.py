"""etcd, kube-apiserver and kube-controller-manager as they come, on loopback. No node: a Job's pods would not start."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.apiserver import ApiServer, install_crds, running, tool


@contextlib.contextmanager
def control_plane(folder: Path) -> Iterator[ApiServer]:
    """Start all three with their data in `folder` and make our CRDs; end all of it afterwards."""
    with running(folder) as server, _controller_manager(server):
        with server.client() as client:
            install_crds(client)
        yield server


@contextlib.contextmanager
def _controller_manager(server: ApiServer) -> Iterator[None]:
    """Start kube-controller-manager. Controllers and their limits are the default ones; it serves no port."""
    command = [
        "setpriv", "--pdeathsig", "KILL",  # The kernel ends it when the benchmark is killed and can no longer do so.
        tool("kubernetes"), "kube-controller-manager", f"--kubeconfig={server.kubeconfig}", "--leader-elect=false",
        f"--service-account-private-key-file={server.folder / 'sa.key'}", "--secure-port=0",
        f"--flex-volume-plugin-dir={server.folder / 'volume-plugins'}",
    ]  # fmt: skip
    with (server.folder / "kube-controller-manager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()
