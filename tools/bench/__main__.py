"""Install the chart into the cluster and measure (a), (b) and (c)."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.apiserver import ROOT
from tests.support.cluster import KIND, Cluster, image, run_visibly
from tests.support.manifests import load
from tools.bench import burst, footprint, latency, page
from tools.bench.api import Api
from tools.bench.figures import Section
from tools.bench.page import say

NAMESPACE = "bench"
CLUSTER = "report-operator-bench"


def main() -> None:
    """Run everything. Takes about a quarter of an hour on two cores, besides building the images."""
    options = page.arguments("Runs on a cluster of one node, beside Jobs that do nothing.").parse_args()
    kubeconfig = Path("/tmp") / f"{CLUSTER}.kubeconfig"
    archives = [image(name) for name in ("report-operator", "seaweedfs")]
    run_visibly([KIND, "create", "cluster", f"--name={CLUSTER}", f"--kubeconfig={kubeconfig}"])
    try:
        page.publish(_measure(Cluster(CLUSTER, kubeconfig), archives), options.page, options.output)
    finally:
        run_visibly([KIND, "delete", "cluster", f"--name={CLUSTER}"])


def _measure(cluster: Cluster, archives: list[Path]) -> Iterator[Section]:
    say("installing the chart")
    cluster.load(archives)
    for namespace in ("report-operator", NAMESPACE):
        cluster.make_namespace(namespace)
    cluster.install(cluster.values(archives))
    one_page, small = (load(ROOT / f"tests/data/input/bench-{name}.yaml") for name in ("page", "small"))
    with Api(cluster) as api:
        say("(a) one report at a time, beside a Job that does nothing")
        yield latency.measure(api, NAMESPACE, one_page)
        say("(b) 200 reports at once")
        yield burst.measure(api, NAMESPACE, small)
        say("(c) footprint")
        yield footprint.measure(api, NAMESPACE, small, _unpacked(archives[0]))


def _unpacked(archive: Path) -> int:
    """Return the bytes of all files in the layers of a docker-archive."""
    with tarfile.open(archive) as outer:
        layers = [member for member in outer.getmembers() if member.isfile() and member.name.endswith(".tar")]
        total = 0
        for layer in layers:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                total += sum(member.size for member in inner)
        return total


if __name__ == "__main__":
    main()
