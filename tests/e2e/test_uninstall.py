"""Upgrading, and taking away: last, as nothing works after it."""

import pytest

from tests.e2e.conftest import IMAGES, SCRATCH
from tests.e2e.failures import spec
from tests.e2e.reports import Team, outcome
from tests.e2e.test_life import gone, running
from tests.support.cluster import OPERATOR_NAMESPACE, RELEASE, image

pytestmark = pytest.mark.cluster


def test_upgrade_waits_for_the_new_operator_and_leaves_runs_alone(team: Team) -> None:
    job = running(team, "upgraded")
    values = team.cluster.values([image(name) for name in IMAGES]) | {"run": {"scratchSize": SCRATCH}}
    team.cluster.install(values | {"logLevel": "DEBUG"})
    pods = team.cluster.list("pods", OPERATOR_NAMESPACE, "app.kubernetes.io/component=operator")
    [ready] = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    environment = ready["spec"]["containers"][0]["env"]
    assert {"name": "REPORT_OPERATOR_LOG_LEVEL", "value": "DEBUG"} in environment
    assert team.get("upgraded")["status"]["jobName"] == job
    assert [each["metadata"]["name"] for each in team.owned("jobs", "upgraded")] == [job]
    team.create("after-upgrade", spec())
    assert outcome(team.wait("after-upgrade")) == ("Succeeded", "Succeeded")


def test_operator_goes_first_and_nothing_is_stuck(team: Team) -> None:
    """The operator's release and namespace are deleted with Reports there and one running, then the Reports."""
    cluster = team.cluster
    team.create("orphan", spec())
    running(team, "orphan-running")
    cluster.helm("uninstall", RELEASE, f"--namespace={OPERATOR_NAMESPACE}")
    cluster.kubectl("delete", "namespace", OPERATOR_NAMESPACE, "--wait=false")
    pods = ("pods", "--selector=app.kubernetes.io/component=operator", f"--namespace={OPERATOR_NAMESPACE}")
    cluster.kubectl("wait", "--for=delete", *pods, "--timeout=90s")
    assert team.get("orphan")["metadata"]["name"] == "orphan"
    cluster.kubectl("delete", "reports", "--all", f"--namespace={team.namespace}", "--timeout=60s")
    for kind in ("jobs", "pods"):
        gone(team, kind, "orphan-running")
    cluster.kubectl("delete", "crd", "reports.report-operator.io", "--timeout=60s")
    cluster.kubectl("wait", "--for=delete", f"namespace/{OPERATOR_NAMESPACE}", "--timeout=120s")
