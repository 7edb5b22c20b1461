"""Runs that wait for their turn, or for Kueue, on a real API server.

The limit of a namespace is one run. That of the cluster is off: Jobs that other tests have left would count.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import Operator, operator
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
A_LOOK = 50.0
"""Seconds until a waiting Report has certainly been looked at again."""
_numbers = itertools.count()
Start = Callable[[], Operator]


@pytest.fixture
def start(access: Path, store: SeaweedFS, tmp_path: Path) -> Iterator[Start]:
    """Start operators, each with the limit."""
    with ExitStack() as stack:

        def begin() -> Operator:
            limit = {"REPORT_OPERATOR_RUN_LIMIT_PER_NAMESPACE": "1"}
            return stack.enter_context(operator(access, store, tmp_path / "log", **limit)).wait_ready()

        yield begin
    assert '"level": "error"' not in (tmp_path / "log").read_text()


@pytest.fixture
def running(start: Start) -> Operator:
    return start()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"queue-{next(_numbers)}")


def create(team: Team, name: str, trigger: str) -> None:
    """Create a Report as a schedule does."""
    metadata = {"name": name, "labels": {"report-operator.io/trigger": trigger}}
    meta = {"apiVersion": "report-operator.io/v1alpha1", "kind": "Report", "metadata": metadata}
    team.post("reports", meta | {"spec": objects.SPEC})


def waits(team: Team, name: str, position: int) -> Json:
    """Return the status of a Report once it waits at this position."""

    def look() -> Json | None:
        status = team.status(name)
        return status if status.get("queue", {}).get("position") == position else None

    return eventually(look, A_LOOK, f"{name} waits at position {position}")


def first_and_waiting(team: Team, *names: str) -> None:
    """Make Reports one after the other; all but the first wait."""
    team.create("run-1")
    team.job_of("run-1")
    for position, name in enumerate(names, 1):
        team.create(name)
        waits(team, name, position)


@pytest.mark.usefixtures("running")
@pytest.mark.requirement("B6", "E6")
class TestTurns:
    def test_one_starts_when_one_ends(self, team: Team) -> None:
        first_and_waiting(team, "run-2", "run-3")
        status = team.status("run-2")
        assert (status["phase"], status["reason"]) == ("Queued", "RunLimitReached")
        assert status["message"] == f"The run waits for its turn: namespace {team.namespace} may have 1 run at once."
        assert "estimatedWaitSeconds" not in status["queue"]
        team.finish("run-1")
        assert "queue" not in team.wait("run-2", "Queued")
        assert len(team.list("jobs")) == 2
        assert isinstance(waits(team, "run-3", 1)["queue"]["estimatedWaitSeconds"], int)
        team.finish("run-2")
        team.wait("run-3", "Queued")

    def test_no_two_of_many_at_once_are_let_in(self, team: Team) -> None:
        def reason(name: str) -> str | None:
            return team.status(name).get("reason")

        names = [f"report-{number}" for number in range(12)]
        for name in names:
            team.create(name)
        reasons = {eventually(partial(reason, name), PATIENCE, name) for name in names}
        assert reasons == {"Queued", "RunLimitReached"}
        assert len(team.list("jobs")) == 1
        done: set[str] = set()
        while len(done) < len(names):
            (job,) = [j for j in team.list("jobs") if j["metadata"]["name"] not in done]
            report = job["metadata"]["labels"]["report-operator.io/report"]
            team.wait(report, "Queued")
            team.finish(report)
            done.add(job["metadata"]["name"])
            if len(done) < len(names):
                eventually(lambda: True if len(team.list("jobs")) > len(done) else None, PATIENCE, "the next starts")

    def test_the_more_urgent_goes_first(self, team: Team) -> None:
        first_and_waiting(team)
        for trigger in ("backfill", "scheduled", "manual"):
            create(team, trigger, trigger)
            waits(team, trigger, 1)
        team.finish("run-1")
        team.finish("manual")
        team.finish("scheduled")
        team.wait("backfill", "Queued")

    def test_a_job_that_somebody_deletes_leaves_its_place(self, team: Team) -> None:
        first_and_waiting(team, "run-2")
        team.delete("jobs", team.job_of("run-1")["metadata"]["name"])
        team.wait("run-2", "Queued")

    def test_who_is_cancelled_or_deleted_waits_no_more(self, team: Team) -> None:
        first_and_waiting(team, "run-2", "run-3", "run-4")
        team.patch("reports", "run-2", {"spec": {"cancel": True}})
        assert "queue" not in team.wait("run-2", "Cancelled")
        team.delete("reports", "run-3")
        team.finish("run-1")
        team.wait("run-4", "Queued")
        assert len(team.list("jobs")) == 2

    def test_a_job_that_is_refused_holds_no_place(self, team: Team) -> None:
        first_and_waiting(team, "run-2")
        spec = {"hard": {"count/jobs.batch": "1"}}
        team.post("resourcequotas", {"metadata": {"name": "one"}, "spec": spec})
        team.patch("resourcequotas", "one/status", {"status": spec | {"used": {"count/jobs.batch": "1"}}})
        team.finish("run-1")
        team.wait("run-2", "JobRefused")
        team.delete("resourcequotas", "one")
        team.create("run-3")
        team.wait("run-3", "Queued")


def test_a_killed_operator_lets_in_nobody_again(team: Team, start: Start) -> None:
    process = start()
    first_and_waiting(team, "run-2")
    since = team.status("run-2")["queue"]["since"]
    process.process.kill()
    process.process.wait()
    team.create("run-3")
    start()
    assert waits(team, "run-3", 2)["reason"] == "RunLimitReached"
    assert team.status("run-2")["queue"]["since"] == since
    assert len(team.list("jobs")) == 1
    team.finish("run-1")
    team.wait("run-2", "Queued")


@pytest.mark.usefixtures("running")
def test_kueue_decides_about_its_own(team: Team) -> None:
    first_and_waiting(team, "run-2")
    team.create("weekly", run={"kueueQueueName": "reports"})
    status = team.wait("weekly", "Queued")
    job = team.job_of("weekly")
    name = job["metadata"]["name"]
    assert status["message"] == f"Job {name} is suspended; Kueue resumes it when queue reports has room."
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "reports"
    team.patch("jobs", name, {"spec": {"suspend": False}})
    team.finish("weekly")
    team.wait("weekly", "Succeeded")
    assert team.status("run-2")["reason"] == "RunLimitReached", "its Job held no place"
