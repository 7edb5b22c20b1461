"""The operator killed, doubled, misconfigured and upgraded: still one run per Report, and the right status."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.failures import spec
from tests.e2e.operator_process import OperatorProcess
from tests.e2e.reports import Team, download, outcome
from tests.support.chart import Object
from tests.support.cluster import OPERATOR_NAMESPACE, RELEASE, eventually

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def alone(team: Team) -> Iterator[Team]:
    """The team without the operator of the chart."""
    deployment = (f"deployment/{RELEASE}", f"--namespace={OPERATOR_NAMESPACE}")
    team.cluster.kubectl("scale", *deployment, "--replicas=0")
    pods = ("pod", "--selector=app.kubernetes.io/component=operator", f"--namespace={OPERATOR_NAMESPACE}")
    team.cluster.kubectl("wait", "--for=delete", *pods, "--timeout=90s")
    yield team
    team.cluster.kubectl("scale", *deployment, "--replicas=1")
    team.cluster.kubectl("rollout", "status", *deployment, "--timeout=90s")


@pytest.fixture
def operator(alone: Team, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that runs on this machine."""
    process = OperatorProcess(alone.cluster, tmp_path / "operator.log")
    process.start()
    yield process
    process.kill()


BEGUN = ("running", "terminated")
"""States of a stage that may be over before anybody looks."""


def stage(name: str, *states: str) -> Callable[[Team, str], bool]:
    """Return the test whether a stage of a Report is in one of these states, as its pod shows it."""

    def test(team: Team, report: str) -> bool:
        for pod in team.owned("pods", report):
            known = pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", [])
            return any(each["name"] == name and each["state"].keys() & states for each in known)
        return False

    return test


def ended(team: Team, report: str) -> bool:
    """Return whether the Job has ended well."""
    return any(job["status"].get("succeeded") for job in team.owned("jobs", report))


def phase(name: str) -> Callable[[Team, str], bool]:
    """Return the test whether a Report is in a phase."""
    return lambda team, report: team.get(report)["status"].get("phase") == name


MOMENTS: dict[str, Callable[[Team, str], bool]] = {
    "created": lambda _team, _report: True,
    "secret": lambda team, report: bool(team.owned("secrets", report)),
    "job": lambda team, report: bool(team.owned("jobs", report)),
    "queued": phase("Queued"),
    "pod": lambda team, report: bool(team.owned("pods", report)),
    "fetching": stage("fetch", *BEGUN),
    "rendering": stage("render", *BEGUN),
    "publishing": stage("publish", *BEGUN),
    "ended": ended,
    "succeeded": phase("Succeeded"),
}


def check_one_run(team: Team, name: str) -> None:
    """Look for the traces that a second run would leave."""
    found = team.wait(name)
    assert outcome(found) == ("Succeeded", "Succeeded")
    [job] = team.owned("jobs", name)
    assert job["metadata"]["name"] == found["status"]["jobName"]
    [_] = team.owned("pods", name)
    assert found["status"]["attempt"] == 1
    assert json.loads(download(found, "report.json"))["id"] == found["status"]["runID"]
    assert found["metadata"]["generation"] == found["status"]["observedGeneration"] == 1


def sealed(team: Team, name: str) -> bool | None:
    """Return True when nothing is left to do: the Secret is gone and the Job may expire."""
    jobs: list[Object] = team.owned("jobs", name)
    kept = team.owned("secrets", name) or not all("ttlSecondsAfterFinished" in job["spec"] for job in jobs)
    return None if kept else True


@pytest.mark.requirement("N1")
def test_killed_at_any_moment_there_is_one_run_and_the_right_status(alone: Team, operator: OperatorProcess) -> None:
    for moment, has_come in MOMENTS.items():
        name = f"killed-{moment}"
        alone.create(name, spec())
        eventually(lambda name=name, has_come=has_come: has_come(alone, name) or None, 120, moment)  # type: ignore[misc]
        operator.kill()
        operator.start()
    for moment in MOMENTS:
        check_one_run(alone, f"killed-{moment}")
        eventually(lambda moment=moment: sealed(alone, f"killed-{moment}"), 60, "it is tidied up")  # type: ignore[misc]


@pytest.mark.requirement("N1")
def test_job_that_ends_while_the_operator_is_down_counts(alone: Team, operator: OperatorProcess) -> None:
    alone.create("unwatched", spec())
    eventually(lambda: stage("fetch", "running")(alone, "unwatched") or None, 120, "fetching")
    operator.kill()
    eventually(lambda: ended(alone, "unwatched") or None, 120, "the Job ends")
    assert alone.get("unwatched")["status"]["phase"] != "Succeeded"
    operator.start()
    check_one_run(alone, "unwatched")


@pytest.mark.requirement("N1")
def test_two_operators_make_one_run(alone: Team, operator: OperatorProcess, tmp_path: Path) -> None:
    second = OperatorProcess(alone.cluster, tmp_path / "second.log")
    second.start()
    try:
        for number in range(4):
            alone.create(f"doubled-{number}", spec())
        for number in range(4):
            check_one_run(alone, f"doubled-{number}")
    finally:
        second.kill()


def test_operator_stops_in_good_order(alone: Team, tmp_path: Path) -> None:
    process = OperatorProcess(alone.cluster, tmp_path / "operator.log")
    process.start()
    assert process.stop() == 0, process.log.read_text()


def test_image_that_cannot_be_pulled(alone: Team, tmp_path: Path) -> None:
    process = OperatorProcess(alone.cluster, tmp_path / "operator.log", image="localhost/nothing:here")
    process.start()
    try:
        alone.create("imageless", spec())
        found = alone.wait_for("imageless", "ImagePullFailed")
        assert "localhost/nothing:here" in found["status"]["message"]
        alone.delete("imageless")
    finally:
        process.kill()
