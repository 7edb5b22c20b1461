"""A real cluster with the chart in it: what the end-to-end tests and the demo share."""

import functools
import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.apiserver import ROOT, tool
from tests.support.chart import CHART, Object

KIND = ROOT / "tests/localcluster/kind"
OPERATOR_NAMESPACE = "report-operator"
RELEASE = "report-operator"
STORE_PORT = 30333
"""Port of the store on the node, for links that work outside the cluster."""

Answer = TypeVar("Answer")


class CommandError(Exception):
    """A program ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster and its administrator."""

    name: str
    kubeconfig: Path

    def kubectl(self, *arguments: object, stdin: str | None = None) -> str:
        """Return what kubectl prints. Raises CommandError."""
        return run(self.kubectl_command(*arguments), stdin)

    def kubectl_command(self, *arguments: object) -> list[str]:
        """Return the command line of kubectl for this cluster."""
        return [program("kubectl"), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]

    def helm(self, *arguments: object, values: Mapping[str, Any] | None = None) -> str:
        """Return what Helm prints. Raises CommandError."""
        command = [program("helm"), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        return run([*command, "--values=-"], json.dumps(values)) if values is not None else run(command)

    def apply(self, objects: Iterable[Object], namespace: str) -> None:
        """Create or change objects, as `kubectl apply --server-side` does."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", f"--namespace={namespace}", "-f", "-", stdin=json.dumps(listed))

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """Return an object, or None when there is none of that name."""
        text = self.kubectl("get", kind, name, f"--namespace={namespace}", "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """Return the objects of a kind that a label selector chooses."""
        text = self.kubectl("get", kind, f"--namespace={namespace}", f"--selector={selector}", "--output=json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def make_namespace(self, name: str) -> None:
        """Make a namespace that enforces the restricted Pod Security Standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))

    def load(self, archives: Sequence[Path]) -> None:
        """Put images into the node, unless they are there; a ConfigMap keeps record of them."""
        wanted = {path.stem: path.parent.name for path in archives}
        record = self.get("configmap", "loaded-images", "kube-system") or {"data": {}}
        missing = [path for path in archives if record["data"].get(path.stem) != wanted[path.stem]]
        if missing:
            run_visibly([KIND, "load", "image-archive", f"--name={self.name}", *missing])
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "loaded-images"}}
        self.apply([config_map | {"data": record["data"] | wanted}], "kube-system")

    def node_address(self) -> str:
        """Return the address at which this machine reaches NodePorts."""
        return self.kubectl(
            "get", "nodes", '--output=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        )

    def install(self, values: Mapping[str, Any]) -> str:
        """Install or upgrade the chart, wait until everything is ready, return what Helm says."""
        options = (f"--namespace={OPERATOR_NAMESPACE}", "--wait", "--timeout=3m")
        return self.helm("upgrade", "--install", RELEASE, CHART, *options, values=values)

    def values(self, archives: Sequence[Path]) -> dict[str, Any]:
        """Return the chart's values for images of our own and for links that work on this machine."""
        return {
            "image": {"tag": "dev"},
            # The tag stays the same; with it a pod of an older build is replaced.
            "podAnnotations": {"images": " ".join(sorted(path.parent.name for path in archives))},
            # The web servers of the tests are within the cluster.
            "policy": {"webhookNetworks": ["10.0.0.0/8"]},
            "store": {
                "publicEndpoint": f"http://{self.node_address()}:{STORE_PORT}",
                "embedded": {
                    "image": "localhost/seaweedfs:dev",
                    "service": {"type": "NodePort", "nodePort": STORE_PORT},
                },
            },
        }


def condition(report: Object, kind: str) -> str | None:
    """Return the status of a condition; None when it is not there."""
    found = report.get("status", {}).get("conditions", [])
    return next((each["status"] for each in found if each["type"] == kind), None)


def checkout_name(purpose: str) -> str:
    """Return a cluster's name that no other checkout on this machine has, and this one every time.

    So what a killed session has left is found by the next one of the same checkout, and by no other.
    """
    return f"{purpose}-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"


@functools.cache
def program(name: str) -> str:
    """Return the path of a program of tests/localcluster."""
    return tool(name)


def image(name: str) -> Path:
    """Return the archive of an image, built first when its sources changed. Its progress goes to stderr."""
    return Path(run_visibly([ROOT / "tests/localcluster/image", name]).strip())


def run(command: Iterable[object], stdin: str | None = None) -> str:
    """Return what a program prints. Raises CommandError with its messages."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin or "", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(words[:6])} … ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def run_visibly(command: Iterable[object]) -> str:
    """Return what a program prints; its messages go on to stderr as they come. Raises CommandError."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"{' '.join(words)} ended with {done.returncode}; its messages are above")
    return done.stdout


def eventually(ask: Callable[[], Answer | None], seconds: float, what: str) -> Answer:
    """Return the first answer that is not None. Raises TimeoutError after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"{what}: not within {seconds} s")
