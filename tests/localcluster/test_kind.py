"""The local cluster from outside: through pytest-kind, kubectl and plain sockets."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_kind.cluster import KindCluster

from tests.support.cluster import checkout_name

pytestmark = pytest.mark.cluster

HERE = Path(__file__).resolve().parent
KIND = HERE / "kind"
FIRST, SECOND = checkout_name("selftest-one"), checkout_name("selftest-two")
IMAGE = "localhost/postgres:dev"
NODE_PORT = 30432

DATABASE: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "strict"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "database", "namespace": "strict", "labels": {"app": "database"}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "database",
                    "image": IMAGE,
                    "env": [{"name": "POSTGRES_PASSWORD", "value": "local"}],
                    "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
                    "resources": {"limits": {"memory": "256Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/var/lib/postgresql/data"},
                        {"name": "temporary", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "temporary", "emptyDir": {}},
            ],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "reports", "namespace": "strict"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "database"},
            "ports": [{"port": 5432, "nodePort": NODE_PORT}],
        },
    },
]


def tool(name: str) -> Path:
    return Path(subprocess.check_output([HERE / "tool", name], text=True).strip())


def cluster_named(name: str, folder: Path) -> KindCluster:
    return KindCluster(name, kubeconfig=folder / f"{name}.kubeconfig", kind_path=KIND, kubectl_path=tool("kubectl"))


def kind(*arguments: str) -> str:
    return subprocess.check_output([KIND, *arguments], text=True)


def node_address(cluster: KindCluster) -> str:
    (node,) = json.loads(cluster.kubectl("get", "nodes", "--output=json"))["items"]
    addresses: dict[str, str] = {entry["type"]: entry["address"] for entry in node["status"]["addresses"]}
    return addresses["InternalIP"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty working folder: pytest-kind writes into the present one."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("localcluster")
        patch.chdir(place)
        yield place


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[KindCluster]:
    first = cluster_named(FIRST, folder)
    first.create()
    yield first
    first.delete()


@pytest.fixture(scope="module")
def database(cluster: KindCluster) -> KindCluster:
    """The cluster with a PostgreSQL in namespace `strict`."""
    cluster.load_docker_image(IMAGE)
    objects = {"apiVersion": "v1", "kind": "List", "items": DATABASE}
    cluster.kubectl("apply", "--filename=-", input=json.dumps(objects))
    cluster.kubectl("wait", "--namespace=strict", "--for=condition=Ready", "pod/database", "--timeout=90s")
    return cluster


def in_pod(cluster: KindCluster, *command: str) -> str:
    return str(cluster.kubectl("exec", "--namespace=strict", "database", "--", *command))


def test_a_restricted_pod_writes_to_its_volume(database: KindCluster) -> None:
    counted = in_pod(
        database, "psql", "--username=postgres", "--tuples-only", "--command=select count(*) from pg_class"
    )
    assert int(counted) > 0


def test_pod_security_is_enforced(database: KindCluster) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        database.kubectl("run", "lax", "--namespace=strict", f"--image={IMAGE}", stderr=subprocess.PIPE)
    assert "violates PodSecurity" in refused.value.stderr


def test_services_have_names_and_the_world_has_none(database: KindCluster) -> None:
    address = database.kubectl("get", "service", "reports", "--namespace=strict", "--output=jsonpath={.spec.clusterIP}")
    assert in_pod(database, "getent", "hosts", "reports").split()[0] == address
    with pytest.raises(subprocess.CalledProcessError) as unknown:
        in_pod(database, "getent", "hosts", "example.org")
    assert unknown.value.returncode == 2  # getent's "key not found", not a time-out


def test_node_port_answers_on_the_machine(database: KindCluster) -> None:
    ask_for_tls = struct.pack("!II", 8, 80877103)  # PostgreSQL's SSLRequest
    with socket.create_connection((node_address(database), NODE_PORT), timeout=10) as connection:
        connection.sendall(ask_for_tls)
        assert connection.recv(1) == b"N"


def test_a_killed_creation_is_cleaned_up_and_two_clusters_stand_side_by_side(
    database: KindCluster, folder: Path
) -> None:
    kill_after_line("waiting for the API server", folder)
    assert SECOND not in kind("get", "clusters").split()
    assert traces_of(SECOND)

    second = cluster_named(SECOND, folder)
    second.create()
    assert {FIRST, SECOND} <= set(kind("get", "clusters").split())
    assert node_address(second) != node_address(database)
    assert "strict" not in second.kubectl("get", "namespaces", "--output=name")

    second.delete()
    assert not traces_of(SECOND)
    assert SECOND not in second.kubeconfig_path.read_text()
    assert "ready" in database.kubectl("get", "--raw=/readyz?verbose")
    in_pod(database, "true")


def test_a_cluster_is_created_once(cluster: KindCluster) -> None:
    command = [KIND, "create", "cluster", "--name", FIRST, "--kubeconfig", cluster.kubeconfig_path]
    again = subprocess.run(command, check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "already exist" in again.stderr


def kill_after_line(text: str, folder: Path) -> None:
    """Start creating the second cluster and kill the program when it says `text`."""
    kubeconfig = folder / "killed.kubeconfig"
    command = [str(KIND), "create", "cluster", "--name", SECOND, f"--kubeconfig={kubeconfig}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as creation:
        assert creation.stderr
        for line in creation.stderr:
            if text in line:
                creation.send_signal(signal.SIGKILL)
                break
        assert creation.wait(timeout=60) == -signal.SIGKILL


def traces_of(name: str) -> list[str]:
    """What a cluster is made of on this machine: processes, mounts, namespaces, groups and files."""
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    processes = [line.decode() for line in commands if f"/var/lib/localcluster/{name}/".encode() in line]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
    places = (
        Path("/var/lib/localcluster", name),
        Path("/run/netns", f"localcluster-{name}"),
        *Path("/sys/fs/cgroup").glob(f"*/localcluster/{name}"),
        Path("/sys/fs/cgroup/localcluster", name),
    )
    return processes + mounts + [str(place) for place in places if place.exists()]
