"""From a bare machine to a PDF about 336,776 flights, made by a Report on a real Kubernetes.

Running it again uses the same cluster, and makes the Report anew.
"""

import os
import shlex
import sys
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import httpx

from tests.demo.story import Story
from tests.support import flights
from tests.support.apiserver import ROOT
from tests.support.cluster import (
    KIND,
    OPERATOR_NAMESPACE,
    Cluster,
    CommandError,
    condition,
    image,
    program,
    run_visibly,
)

CLUSTER = "report-operator"
NAMESPACE = "demo"
SAMPLE = ROOT / "manifests/samples/flights.yaml"
OUT = ROOT / "out"
RUN_SECONDS = 300


class ReportError(Exception):
    """The Report did not get its files; the text is what its status says."""


def main() -> int:
    """Run the demo; return the exit code."""
    story = Story(steps=8)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kubeconfig = cache / f"report-operator/{CLUSTER}.kubeconfig"  # where `make cluster` puts it too
    story.console.print("[bold]report-operator demo[/bold]: 336,776 flights become a PDF on a real Kubernetes\n")
    try:
        _tell(story, kubeconfig)
    except (CommandError, ReportError, TimeoutError, httpx.HTTPError) as error:
        story.console.print(f"\n[bold red]The demo stopped:[/bold red] {error}", markup=True)
        _where_to_look(story, kubeconfig)
        return 1
    return 0


def _tell(story: Story, kubeconfig: Path) -> None:
    with story.step("A Kubernetes cluster with one node"):
        cluster = _cluster(story, kubeconfig)
    with story.step("Images of the operator, the store and PostgreSQL"):
        archives = [image(name) for name in ("report-operator", "seaweedfs", "postgres")]
        cluster.load(archives)
    with story.step("Namespaces that enforce the restricted Pod Security Standard"):
        for name in (OPERATOR_NAMESPACE, NAMESPACE):
            cluster.make_namespace(name)
            story.say(name)
    with story.step("The operator and its store, by `helm install --wait`"):
        cluster.install(cluster.values(archives))
    with story.step("PostgreSQL with the flights of 2013"):
        flights.run_postgres(cluster, NAMESPACE)
        with story.amount("loading") as progress:
            filled = flights.load(cluster, NAMESPACE, progress)
        story.say(f"{flights.FLIGHTS:,} rows {'loaded' if filled else 'are there already'}")
    with story.step(f"The Report: kubectl apply -f {SAMPLE.relative_to(ROOT)}"):
        cluster.kubectl("delete", "report", "flights", f"--namespace={NAMESPACE}", "--ignore-not-found")
        cluster.kubectl("apply", f"--namespace={NAMESPACE}", "-f", SAMPLE)
    with story.step("The run, until the Report is Ready"), story.waiting() as show:
        status = _wait(cluster, show)
    with story.step("The files, by the signed links in the status"):
        for artifact in status["artifacts"]:
            path = _download(artifact)
            story.say(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    _sum_up(story, cluster, status)


def _cluster(story: Story, kubeconfig: Path) -> Cluster:
    """Return the cluster, created if it is not there; its kubeconfig is written either way."""
    if CLUSTER in run_visibly([KIND, "get", "clusters"]).split():
        story.say(f"{CLUSTER} is running already")
    else:
        run_visibly([KIND, "create", "cluster", f"--name={CLUSTER}", f"--kubeconfig={kubeconfig}"])
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(run_visibly([KIND, "get", "kubeconfig", f"--name={CLUSTER}"]))
    return Cluster(CLUSTER, kubeconfig)


def _wait(cluster: Cluster, show: Callable[[str], None]) -> dict[str, Any]:
    """Return the status of the Report when it is Ready. Raises ReportError and TimeoutError."""
    began = time.monotonic()
    while time.monotonic() < began + RUN_SECONDS:
        report = cluster.get("report", "flights", NAMESPACE) or {}
        status: dict[str, Any] = report.get("status", {})
        if condition(report, "Ready") == "True":
            return status
        if condition(report, "Stalled") == "True":
            raise ReportError(f"{status['reason']}: {status['message']}")
        show(" ".join(filter(None, (status.get("phase", "created"), status.get("stage")))))
        time.sleep(0.3)
    raise TimeoutError(f"Report {NAMESPACE}/flights is not Ready after {RUN_SECONDS} s")


def _download(artifact: dict[str, Any]) -> Path:
    """Save a file under the name that the store sends, as a browser does; return where it is."""
    OUT.mkdir(exist_ok=True)
    with httpx.stream("GET", artifact["downloadURL"]) as answer:
        answer.raise_for_status()
        header = Message()
        header["Content-Disposition"] = answer.headers["content-disposition"]
        path = OUT / (header.get_filename() or str(artifact["name"]))
        with path.open("wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
    return path


def _sum_up(story: Story, cluster: Cluster, status: dict[str, Any]) -> None:
    kubectl = f"kubectl --kubeconfig {shlex.quote(str(cluster.kubeconfig))}"
    say = story.console.print
    say(f"\n$ kubectl get reports --namespace {NAMESPACE}", style="bold")
    say(cluster.kubectl("get", "reports", f"--namespace={NAMESPACE}"), markup=False)
    say("  ".join(f"{title}: [bold]{value}[/bold]" for title, value in status["metrics"].items()), "\n")
    say(story.times(), markup=False)
    say("\nThe PDF is [bold]out/flights.pdf[/bold]; out/flights.html opens in a browser.")
    say("\nTo go on:", style="bold")
    for command, what in (
        (f"{kubectl} describe report flights --namespace {NAMESPACE}", "status, links, Events"),
        (f"{kubectl} edit report flights --namespace {NAMESPACE}", "an edited spec makes a new run"),
        (f"{kubectl} apply --namespace {NAMESPACE} -f manifests/samples/hello.yaml", "a Report without a database"),
        (f"{kubectl} explain report.spec", "what else a Report can be"),
        (f"alias kubectl={program('kubectl')}", "if there is no kubectl here"),
        ("make demo", "again, in a fraction of the time"),
        (f"{KIND.relative_to(ROOT)} delete cluster --name {CLUSTER}", "the end of the cluster"),
    ):
        say(f"  {command}\n      [dim]{what}[/dim]")


def _where_to_look(story: Story, kubeconfig: Path) -> None:
    kubectl = f"{program('kubectl')} --kubeconfig {shlex.quote(str(kubeconfig))}"
    story.console.print("\nWhere to look:", style="bold")
    for command in (
        f"{kubectl} describe report flights --namespace {NAMESPACE}",
        f"{kubectl} get pods,events --all-namespaces",
        f"{kubectl} logs deployment/report-operator --namespace {OPERATOR_NAMESPACE}",
        f"{kubectl} logs --selector report-operator.io/report=flights --all-containers --namespace {NAMESPACE}",
    ):
        story.console.print(f"  {command}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
