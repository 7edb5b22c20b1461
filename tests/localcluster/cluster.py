"""Creates, lists and deletes clusters."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import api, archive, cache, certificates, cgroup, network, packages, programs
from .addresses import CLUSTERS_AT_MOST, Addresses
from .command import PATH, run
from .errors import LocalClusterError
from .layout import CLUSTERS, Layout, folder_of, recorded
from .progress import step

PROGRAMS = ("conntrack", "containerd", "ip", "iptables", "nft", "openssl", "runc", "unshare")
VOLUMES = 20
CONFIGURATIONS = ("containerd.toml", "kubelet.yaml", "Corefile", "resolv.conf")
FOLDERS = ("config/cni", "pki", "log/containers", "log/pods", "kubelet", "cni", "volumes")


def alive() -> list[str]:
    """Names of the clusters that were created to the end and run."""
    found = CLUSTERS.glob("*/complete")
    return sorted(mark.parent.name for mark in found if cgroup.populated(mark.parent.name))


def create(name: str, patience: float) -> Layout:
    """Create cluster `name` and return when its node takes pods and its DNS answers.

    What an earlier, killed creation of that name left behind is removed first. Raises LocalClusterError when the
    cluster exists, or when a step takes longer than `patience` seconds.
    """
    packages.require(*PROGRAMS, str(packages.CNI_PLUGINS / "bridge"))
    kubernetes = programs.kubernetes()
    pause, kubectl = archive.pause(), programs.kubectl()
    with _locked(name):
        if name in alive():
            raise LocalClusterError(f'node(s) already exist for a cluster with the name "{name}"')
        _remove(name)
        layout = _reserve(name)
        with step(f"preparing cluster {name}: network, certificates, configuration"):
            cgroup.create(name)
            network.connect(layout.namespace, layout.addresses)
            _write_certificates(layout)
            _write_configuration(layout)
        _start(layout, kubernetes)
        _wait(layout, kubectl, pause, patience)
        (layout.folder / "complete").touch()
    return layout


def delete(name: str) -> None:
    """Remove cluster `name` with all that belongs to it; no error when there is none."""
    with _locked(name):
        _remove(name)


def existing(name: str) -> Layout:
    """The running cluster of that name. Raises LocalClusterError when there is none."""
    layout = recorded(name)
    if layout is None or name not in alive():
        raise LocalClusterError(f'no nodes found for cluster "{name}"')
    return layout


def load(layout: Layout, file: Path) -> None:
    """Import the images of a docker-archive or OCI archive."""
    run("ctr", "--address", layout.containerd_socket, "--namespace", "k8s.io", "images", "import", file)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    folder_of(name)  # refuses a bad name before a file is made of it
    with cache.locked(CLUSTERS / f".{name}.lock"):
        yield


def _reserve(name: str) -> Layout:
    """Make the cluster's folder and give it the lowest number that no other cluster has."""
    with cache.locked(CLUSTERS / ".lock"):
        others = {layout.addresses.number for path in CLUSTERS.iterdir() if (layout := _at(path))}
        for number in range(CLUSTERS_AT_MOST):
            addresses = Addresses(number)
            if number not in others and not network.taken(addresses):
                layout = Layout(name, addresses)
                for folder in FOLDERS:
                    (layout.folder / folder).mkdir(parents=True)
                (layout.folder / "number").write_text(str(number))
                return layout
    raise LocalClusterError(f"there are {CLUSTERS_AT_MOST} clusters already; delete one of {', '.join(alive())}")


def _at(path: Path) -> Layout | None:
    return recorded(path.name) if path.is_dir() else None


def _remove(name: str) -> None:
    cgroup.kill(name)
    layout = recorded(name)
    if layout:
        network.disconnect(layout.namespace, layout.addresses)
    if folder_of(name).exists():
        shutil.rmtree(folder_of(name))


def _write_certificates(layout: Layout) -> None:
    pki, addresses = layout.pki, layout.addresses
    certificates.authority(pki)
    certificates.key_pair(pki, "service-accounts")
    certificates.server(
        pki,
        "kube-apiserver",
        [
            "DNS:kubernetes.default.svc",
            "DNS:kubernetes.default.svc.cluster.local",
            "DNS:kubernetes",
            f"IP:{addresses.node}",
            f"IP:{addresses.kubernetes_service}",
            "IP:127.0.0.1",
        ],
    )
    certificates.client(pki, "kubelet-client", "kube-apiserver", "system:masters")
    for part, user, group in (
        ("admin", "kubernetes-admin", "system:masters"),
        ("kubelet", f"system:node:{layout.node_name}", "system:nodes"),
        # One identity for all its controllers: an account for each would add 3 s to the start.
        ("kube-controller-manager", "system:kube-controller-manager", "system:masters"),
        ("kube-scheduler", "system:kube-scheduler", ""),
        ("kube-proxy", "system:kube-proxy", ""),
        ("coredns", "system:coredns", ""),
    ):
        certificates.client(pki, part, user, group)
        _write_kubeconfig(layout, part)


def _write_kubeconfig(layout: Layout, part: str) -> None:
    def encoded(file: str) -> str:
        return base64.b64encode((layout.pki / file).read_bytes()).decode()

    text = layout.rendered(
        "kubeconfig.yaml",
        ca=encoded("ca.crt"),
        certificate=encoded(f"{part}.crt"),
        key=encoded(f"{part}.key"),
    )
    file = layout.folder / f"{part}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(text)


def _write_configuration(layout: Layout) -> None:
    values = {
        "cgroup": cgroup.path_of(layout.name),
        "cni_plugins": packages.CNI_PLUGINS,
        "pause_image": archive.PAUSE_REFERENCE,
    }
    for template in CONFIGURATIONS:
        (layout.folder / "config" / template).write_text(layout.rendered(template, **values))
    (layout.folder / "config/cni/localcluster.conflist").write_text(layout.rendered("cni.conflist"))
    objects = [layout.rendered("objects.yaml")]
    for number in range(1, VOLUMES + 1):
        volume = f"volume-{number:02d}"
        place = layout.folder / "volumes" / volume
        place.mkdir()
        place.chmod(0o777)  # as kind's provisioner does: pods of any user write there
        objects.append(layout.rendered("volume.yaml", volume=volume))
    (layout.folder / "config/objects.yaml").write_text("".join(objects))


def _start(layout: Layout, kubernetes: Path) -> None:
    """Start the node's first process, born into the cluster's control groups and network."""
    # Not `ip netns exec`: it mounts a new /sys, in which kubelet finds no control groups.
    network_namespace = ["nsenter", f"--net=/run/netns/{layout.namespace}"]
    others = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    node = [sys.executable, "-m", f"{__package__}.node", layout.name, str(kubernetes)]
    with (layout.log / "node.log").open("w") as log:
        subprocess.Popen(
            cgroup.inside(layout.name, network_namespace + others + node),
            cwd=Path(__file__).resolve().parents[1],
            env={"PATH": PATH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(layout: Layout, kubectl: Path, pause: Path, patience: float) -> None:
    with step("waiting for the API server"):
        api.wait_until_ready(layout, patience)
    with step("adding roles, storage class and volumes"):
        objects = layout.folder / "config/objects.yaml"
        run(kubectl, "--kubeconfig", layout.kubeconfig, "apply", "--server-side", "--filename", objects)
        load(layout, pause)
    with step("waiting for the node"):
        node = layout.addresses.node
        api.wait(layout, "kubelet", patience, lambda: api.node_ready(layout))
        api.wait(layout, "kube-proxy", patience, lambda: api.answers(f"http://{node}:10256/healthz"))
        api.wait(layout, "coredns", patience, lambda: api.answers(f"http://{node}:8181/ready"))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        api.wait(layout, "kube-controller-manager", patience, lambda: bool(api.object_at(layout, account)))
