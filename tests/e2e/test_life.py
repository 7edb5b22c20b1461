"""A Report's life on a real cluster: edited, deleted, applied by two, its Job taken away."""

import json

import pytest

from tests.e2e.failures import spec, sql
from tests.e2e.reports import Team, outcome, report
from tests.support.cluster import eventually

pytestmark = pytest.mark.cluster

ENDLESS = spec(sql("select 1 as one from pg_sleep(600)"))


def running(team: Team, name: str) -> str:
    """Make a Report whose run does not end; return the name of its Job when it fetches."""
    team.create(name, ENDLESS)
    eventually(lambda: team.get(name)["status"].get("stage"), 120, "the run fetches")
    return str(team.get(name)["status"]["jobName"])


def gone(team: Team, kind: str, name: str) -> None:
    """Wait until a Report has none of these objects any more."""
    eventually(lambda: True if not team.owned(kind, name) else None, 120, f"the {kind} of {name} are gone")


def test_deleting_a_running_report_ends_its_job_and_pods(team: Team) -> None:
    running(team, "deleted")
    team.delete("deleted")
    for kind in ("pods", "jobs", "secrets"):
        gone(team, kind, "deleted")


def test_edit_during_a_run_replaces_it(team: Team) -> None:
    first = running(team, "edited")
    team.create("edited", spec(sql("select name from airlines")))
    found = team.wait("edited")
    assert outcome(found) == ("Succeeded", "Succeeded")
    assert found["status"]["runID"] == f"{found['metadata']['uid']}-2"
    assert [job["metadata"]["name"] for job in team.owned("jobs", "edited")] == [found["status"]["jobName"]]
    assert found["status"]["jobName"] != first


def test_a_cancelled_run_leaves_nothing_and_runs_again_when_that_is_taken_back(team: Team) -> None:
    running(team, "called-off")
    team.create("called-off", ENDLESS | {"cancel": True})
    found = team.wait("called-off")
    assert outcome(found) == ("Cancelled", "Cancelled")
    for kind in ("pods", "jobs", "secrets"):
        assert team.owned(kind, "called-off") == []
    team.create("called-off", spec(sql("select name from airlines")))
    assert outcome(team.wait("called-off")) == ("Succeeded", "Succeeded")
    before = team.get("called-off")["status"]["artifacts"]
    team.create("called-off", spec(sql("select name from airlines")) | {"cancel": True})
    eventually(lambda: True if team.get("called-off")["status"]["observedGeneration"] == 4 else None, 120, "it is seen")
    assert outcome(team.get("called-off")) == ("Succeeded", "Succeeded")
    assert team.get("called-off")["status"]["artifacts"] == before


def test_edit_of_a_finished_report_makes_a_new_run_and_nothing_else_does(team: Team) -> None:
    team.create("again", spec(title="First"))
    uid, first = team.wait("again")["metadata"]["uid"], team.get("again")["status"]
    team.cluster.kubectl("label", "report/again", f"--namespace={team.namespace}", "team=a")
    team.cluster.kubectl("annotate", "report/again", f"--namespace={team.namespace}", "note=b")
    team.create("again", spec(title="First"))
    assert first["runID"] == f"{uid}-1"
    assert team.get("again")["status"] == first
    assert [job["metadata"]["name"] for job in team.owned("jobs", "again")] == [first["jobName"]]
    team.create("again", spec(title="Second"))
    assert team.wait("again")["status"]["runID"] == f"{uid}-2"


def test_edit_right_after_the_end_leaves_the_job_that_has_ended_with_its_logs(team: Team) -> None:
    """The Job controller marks the Job about a second after its run is on record."""
    team.create("hasty", spec(title="First"))
    first = team.wait("hasty")["status"]["jobName"]
    team.create("hasty", spec(title="Second"))
    second = team.wait("hasty")["status"]["jobName"]
    assert {job["metadata"]["name"] for job in team.owned("jobs", "hasty")} == {first, second}
    logs = team.cluster.kubectl("logs", f"job/{first}", "--container=publish", f"--namespace={team.namespace}")
    assert "bytes stored" in logs


@pytest.mark.requirement("B8")
def test_job_that_somebody_deletes_fails_the_report(team: Team) -> None:
    job = running(team, "jobless")
    team.cluster.kubectl("delete", "job", job, f"--namespace={team.namespace}")
    found = team.wait("jobless")
    assert outcome(found) == ("Failed", "JobDeleted")
    assert team.owned("jobs", "jobless") == []


@pytest.mark.requirement("N14")
def test_two_managers_apply_and_the_operator_owns_only_the_status(team: Team) -> None:
    def apply(manager: str, manifest: object) -> None:
        options = ("--server-side", f"--field-manager={manager}", f"--namespace={team.namespace}", "-f", "-")
        team.cluster.kubectl("apply", *options, stdin=json.dumps(manifest))

    mine = report("shared", spec(title="Ours"))
    labels = {"apiVersion": mine["apiVersion"], "kind": "Report"}
    labels["metadata"] = {"name": "shared", "labels": {"team": "a"}}
    apply("git", mine)
    apply("platform", labels)
    done = team.wait("shared")
    apply("git", mine)
    apply("platform", labels)
    found = json.loads(
        team.cluster.kubectl(
            "get", "report", "shared", f"--namespace={team.namespace}", "--show-managed-fields", "-ojson"
        )
    )
    assert found["metadata"]["resourceVersion"] == done["metadata"]["resourceVersion"]
    assert found["metadata"]["labels"] == {"team": "a"}
    assert "annotations" not in found["metadata"]
    assert "finalizers" not in found["metadata"]
    parts = {entry["manager"]: set(entry["fieldsV1"]) for entry in found["metadata"]["managedFields"]}
    assert parts == {"git": {"f:spec"}, "platform": {"f:metadata"}, "report-operator": {"f:status"}}


def test_run_s_secret_goes_when_the_run_has_ended(team: Team) -> None:
    team.create("tidy", spec())
    team.wait("tidy")
    gone(team, "secrets", "tidy")
    [job] = team.owned("jobs", "tidy")
    eventually(lambda: team.owned("jobs", "tidy")[0]["spec"].get("ttlSecondsAfterFinished"), 60, "the Job may expire")
    assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
