"""spec.cancel on a real API server and a real store."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.stages import begin_to_deliver, order
from tests.server.team import PATIENCE, Team
from tests.support import mail_server, objects
from tests.support.cluster import eventually
from tests.support.mail_server import MailServer
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("running")
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"cancel-{next(_numbers)}")


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


def cancel(team: Team, value: bool = True) -> None:
    team.patch("reports", "weekly", {"spec": {"cancel": value}})


def cancelled(team: Team, generation: int) -> Json:
    """Cancel a run that is under way; play the garbage collector that deletes its Job."""
    job = team.job_of("weekly")["metadata"]["name"]
    cancel(team)
    team.wait("weekly", "Cancelling", generation)
    end(team, job)
    return team.wait("weekly", "Cancelled", generation)


def end(team: Team, job: str) -> None:
    """Play the garbage collector that deletes a Job, once it is asked to."""
    ended = eventually(
        lambda: found if "deletionTimestamp" in (found := team.get("jobs", job))["metadata"] else None,
        PATIENCE,
        "the Job is being deleted",
    )
    assert ended["metadata"]["finalizers"] == ["foregroundDeletion"]
    team.patch("jobs", job, {"metadata": {"finalizers": None}})


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


FOUND = {"sent": 1, "unknown": 1, "pending": 1, "failed": 0}
"""What became of three mails in the middle of which the run was ended."""


@pytest.mark.requirement("N1")
def test_who_has_got_it_of_a_run_that_is_cancelled_in_the_middle_of_its_delivery_keeps_the_files(
    *, team: Team, post: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(team, post, "ann@example.com", "bob@example.com", "eve@example.com")
    begin_to_deliver(team, team.job_of("weekly"), tmp_path, monkeypatch)
    status = cancelled(team, 2)
    assert status["phase"] == "Cancelled"
    [sent] = status["deliveries"]
    assert {name: sent[name] for name in FOUND} == FOUND
    assert "1 unknown, 1 not begun of 3" in status["message"]
    assert conditions(status) == {"Ready": "False", "Stalled": "True", "Rendered": "True", "Delivered": "False"}
    files = {each["name"]: httpx.get(each["downloadURL"]).content for each in status["artifacts"]}
    assert files.keys() == {"report.pdf", "sales.csv", "deliveries.json"}
    assert files["report.pdf"] == b"content of report.pdf"
    states = [entry["state"] for entry in json.loads(files["deliveries.json"])["entries"]]
    assert states == ["Sent", "Unknown", "Pending"]
    assert (team.list("jobs"), team.list("secrets")) == ([], [])


@pytest.mark.requirement("N1")
def test_who_has_got_it_of_a_run_that_is_edited_in_the_middle_of_its_delivery_keeps_the_files(
    *, team: Team, post: MailServer, store: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(team, post, "ann@example.com", "bob@example.com", "eve@example.com")
    job = team.job_of("weekly")
    begin_to_deliver(team, job, tmp_path, monkeypatch)
    before = stored(team, store)
    team.patch("reports", "weekly", {"spec": {"title": "Another"}})
    team.wait("weekly", "Replacing", 2)
    end(team, job["metadata"]["name"])
    assert team.wait("weekly", "Queued", 2)["runID"].endswith("-2")
    [told] = [event for event in team.list("events") if event["reason"] == "DeliveryUnknown"]
    run_id = job["metadata"]["labels"]["report-operator.io/run-id"]
    assert told["message"].startswith(f"Run {run_id}, before the spec was edited: ")
    assert "1 unknown, 1 not begun of 3" in told["message"]
    eventually(lambda: True if len(team.list("secrets")) == 1 else None, PATIENCE, "the old Secret is gone")
    assert stored(team, store) == before


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
