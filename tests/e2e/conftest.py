"""A real cluster with the chart installed, PostgreSQL with the flights, and a web server: made once for all tests.

`pytest --keep-cluster` leaves the cluster running and uses it again next time; `--cluster-name` gives it another name
than that of the checkout.
"""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from pytest_kind import KindCluster

from tests.e2e.failures import FAST, QUOTAS, SLOW, http, inputs, spec
from tests.e2e.reports import TEAM, Team, report
from tests.support import flights
from tests.support.apiserver import ROOT
from tests.support.cluster import KIND, OPERATOR_NAMESPACE, STORE_PORT, Cluster, checkout_name, image, program

UNNAMED = "pytest-kind"
"""What pytest-kind calls a cluster unless `--cluster-name` is given."""
IMAGES = ("report-operator", "seaweedfs", "postgres")
SCRATCH = "64Mi"
"""Small, so that a test can fill it; the flights need 45 MiB."""

RELAY = {
    "enabled": True,
    "from": "reports@platform.example",
    "server": {"host": "mail", "port": 2525, "encryption": "None"},
}
"""To the mail server of test_relay.py, which is not there before."""


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """An empty cluster."""
    keep, asked = request.config.getoption("keep_cluster"), request.config.getoption("cluster_name")
    name = checkout_name("report-operator-e2e") if asked == UNNAMED else asked
    kind = KindCluster(name, kind_path=KIND, kubectl_path=Path(program("kubectl")))
    if not keep:
        kind.delete()  # what a killed session has left
    kind.create()
    try:
        yield Cluster(name, kind.kubeconfig_path.resolve())
    finally:
        if not keep:
            kind.delete()


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with the chart in it; operator and users have namespaces that enforce the restricted standard."""
    archives = [image(name) for name in IMAGES]
    cluster.load(archives)
    cluster.make_namespace(OPERATOR_NAMESPACE)
    # The Reports of all causes of failure run at once in one namespace, and some of them wait for minutes.
    values = {"run": {"scratchSize": SCRATCH, "limits": {"perNamespace": 0}}, "mail": {"relay": RELAY}}
    cluster.install(cluster.values(archives) | values)
    return cluster


@pytest.fixture(scope="session")
def team(installed: Cluster) -> Team:
    """A team's namespace with a database and a web server."""
    installed.make_namespace(TEAM)
    installed.kubectl(
        "delete", "reports", "--all", "--all-namespaces"
    )  # of an earlier session, if the cluster was kept
    script = (Path(__file__).parent / "web.py").read_text()
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"web.py": script}}
    web = yaml.safe_load_all((Path(__file__).parent / "web.yaml").read_text())
    installed.apply([config_map, *web], TEAM)
    url = flights.run_postgres(installed, TEAM)
    flights.load(installed, TEAM)
    installed.kubectl("rollout", "status", "deployment/web", f"--namespace={TEAM}", "--timeout=120s")
    return Team(installed, url)


@pytest.fixture(scope="session")
def failing(team: Team) -> Team:
    """The team after Reports for all causes of failure were made at once, with two good ones among them."""
    team.cluster.apply(inputs(team), team.namespace)
    for namespace, hard in QUOTAS.items():
        team.cluster.make_namespace(namespace)
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": hard}}
        team.cluster.apply([quota], namespace)
        team.cluster.apply([report(c.name, c.spec) for c in FAST if c.namespace == namespace], namespace)
    causes = [cause for cause in (*SLOW, *FAST) if not cause.namespace]
    good = [report("good", spec()), report("flaky", spec(http("/flaky")))]
    team.cluster.apply([*(report(cause.name, cause.spec) for cause in causes), *good], team.namespace)
    return team


@pytest.fixture(scope="session")
def bucket(installed: Cluster) -> Any:
    """The bucket of the artifacts, with the operator's own credentials."""
    stored = installed.get("secret", "report-operator-store", OPERATOR_NAMESPACE)
    assert stored is not None
    keys = {name.lower(): b64decode(value).decode() for name, value in stored["data"].items()}
    endpoint = f"http://{installed.node_address()}:{STORE_PORT}"
    return boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).Bucket("reports")


@pytest.fixture(scope="session")
def sample_flights() -> Path:
    """The manifest of the demo."""
    return ROOT / "manifests/samples/flights.yaml"
