"""Install the chart into the cluster, measure (a), (b) and (c), write docs/benchmarks.md."""

import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from tests.support.apiserver import ROOT
from tests.support.cluster import KIND, Cluster, image, run_visibly
from tests.support.manifests import load
from tools.bench import burst, figures, footprint, latency
from tools.bench.api import Api

PAGE = ROOT / "docs/benchmarks.md"
NAMESPACE = "bench"
CLUSTER = "report-operator-bench"
INTRO = """\
# Benchmarks

`make bench` writes this page. Figures move from machine to machine; both sides of a comparison are measured in the same
run, in turn.

Measured on {day} on {machine}; the API server, the scheduler, the kubelet, the operator, the store and the runs share
these cores.
"""


def main() -> None:
    """Run everything. Takes about a quarter of an hour on two cores, besides building the images."""
    kubeconfig = Path("/tmp") / f"{CLUSTER}.kubeconfig"
    archives = [image(name) for name in ("report-operator", "seaweedfs")]
    run_visibly([KIND, "create", "cluster", f"--name={CLUSTER}", f"--kubeconfig={kubeconfig}"])
    try:
        page = _measure(Cluster(CLUSTER, kubeconfig), archives)
    finally:
        run_visibly([KIND, "delete", "cluster", f"--name={CLUSTER}"])
    PAGE.write_text(page)
    print(page)


def _measure(cluster: Cluster, archives: list[Path]) -> str:
    _say("installing the chart")
    cluster.load(archives)
    for namespace in ("report-operator", NAMESPACE):
        cluster.make_namespace(namespace)
    cluster.install(cluster.values(archives))
    page, small = (load(ROOT / f"tests/data/input/bench-{name}.yaml") for name in ("page", "small"))
    with Api(cluster) as api:
        _say("(a) one report at a time, beside a Job that does nothing")
        one = latency.measure(api, NAMESPACE, page)
        _say("(b) 200 reports at once")
        many = burst.measure(api, NAMESPACE, small)
        _say("(c) footprint")
        size = footprint.measure(api, NAMESPACE, small, _unpacked(archives[0]))
    day = datetime.now(UTC).date().isoformat()
    return (
        "\n\n".join(
            [
                INTRO.format(day=day, machine=figures.machine()).rstrip(),
                "## (a) One report\n\nA one-page PDF with a chart and a table from inline rows.",
                one,
                "## (b) Many reports at once\n\nA JSON document from inline rows, created by 16 clients.",
                many,
                "## (c) Footprint",
                size,
            ]
        )
        + "\n"
    )


def _unpacked(archive: Path) -> int:
    """Return the bytes of all files in the layers of a docker-archive."""
    with tarfile.open(archive) as outer:
        layers = [member for member in outer.getmembers() if member.isfile() and member.name.endswith(".tar")]
        total = 0
        for layer in layers:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                total += sum(member.size for member in inner)
        return total


def _say(what: str) -> None:
    print(f"--> {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
