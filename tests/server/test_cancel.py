"""spec.cancel on a real API server and a real store."""

import itertools
from typing import Any

import httpx
import pytest

from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("running")
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"cancel-{next(_numbers)}")


def cancel(team: Team, value: bool = True) -> None:
    team.patch("reports", "weekly", {"spec": {"cancel": value}})


def cancelled(team: Team, generation: int) -> Json:
    """Cancel a run that is under way; play the garbage collector that deletes its Job."""
    job = team.job_of("weekly")["metadata"]["name"]
    cancel(team)
    team.wait("weekly", "Cancelling", generation)
    ended = eventually(
        lambda: found if "deletionTimestamp" in (found := team.get("jobs", job))["metadata"] else None,
        PATIENCE,
        "the Job is being deleted",
    )
    assert ended["metadata"]["finalizers"] == ["foregroundDeletion"]
    team.patch("jobs", job, {"metadata": {"finalizers": None}})
    return team.wait("weekly", "Cancelled", generation)


def stored(team: Team, store: SeaweedFS) -> int:
    count: int = store.client().list_objects_v2(Bucket="reports", Prefix=f"{team.namespace}/")["KeyCount"]
    return count


def conditions(status: Json) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


def test_nothing_is_left_of_a_run_that_is_cancelled(team: Team, store: SeaweedFS) -> None:
    team.create("weekly")
    job = team.job_of("weekly")
    team.show(team.start_pod(job), objects.ended(), objects.ended(), objects.running())
    team.wait("weekly", "Running")
    team.upload(job)
    status = cancelled(team, 2)
    assert (status["phase"], status["artifacts"]) == ("Cancelled", [])
    assert status["message"].startswith("The run was cancelled in stage publish;")
    assert conditions(status) == {"Ready": "False", "Stalled": "True"}
    assert (team.list("jobs"), team.list("secrets"), stored(team, store)) == ([], [], 0)
    assert {event["type"] for event in team.told("Cancelled", "Cancelling", "Queued")} == {"Normal"}


def test_it_runs_again_when_that_is_taken_back(team: Team) -> None:
    team.create("weekly")
    cancelled(team, 2)
    cancel(team, False)
    assert team.wait("weekly", "Queued", 3)["runID"].endswith("-3")
    team.finish("weekly")
    team.wait("weekly", "Succeeded", 3)


def test_a_report_that_has_succeeded_keeps_all_but_the_generation(team: Team) -> None:
    team.create("weekly")
    team.finish("weekly")
    before = team.wait("weekly", "Succeeded")
    cancel(team)
    after = team.wait("weekly", "Succeeded", 2)
    assert {c["observedGeneration"] for c in after["conditions"]} == {2}
    for each in (*before["conditions"], *after["conditions"]):
        del each["observedGeneration"]
    assert after == before | {"observedGeneration": 2}
    assert httpx.get(after["artifacts"][0]["downloadURL"]).content == b"content"
    assert len(team.list("jobs")) == 1


def test_a_report_that_is_made_cancelled_makes_no_job(team: Team) -> None:
    team.create("weekly", cancel=True)
    assert team.wait("weekly", "Cancelled")["phase"] == "Cancelled"
    assert (team.list("jobs"), team.list("secrets")) == ([], [])
