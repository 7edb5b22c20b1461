"""The operator on a real API server and a real store, with the rights that the chart gives it."""

import base64
import itertools
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.run import Links, Outcome
from tests.server.process import Operator, kubeconfig, operator
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.ports import free_ports
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"team-{next(_numbers)}")


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


@pytest.mark.usefixtures("running")
class TestOneRun:
    def test_from_order_to_links(self, team: Team) -> None:
        team.create("weekly")
        assert team.wait("weekly", "Queued")["phase"] == "Queued"
        job = team.job_of("weekly")
        pod = team.start_pod(job)
        team.show(pod, objects.running(), objects.waiting(), objects.waiting())
        status = team.wait("weekly", "Running")
        assert (status["phase"], status["stage"]) == ("Running", "fetch")
        message = Outcome(result=team.upload(job, metrics={"Rows": "1"})).model_dump_json(
            by_alias=True, exclude_none=True
        )
        team.show(pod, objects.ended(), objects.ended(), objects.ended(0, message), phase="Succeeded")
        status = team.wait("weekly", "Succeeded")
        assert conditions(status) == {"Ready": ("True", "Succeeded")}
        assert status["metrics"] == {"Rows": "1"}
        assert [a["name"] for a in status["artifacts"]] == ["report.pdf", "sales.csv"]
        got = httpx.get(status["artifacts"][0]["downloadURL"])
        assert (got.content, got.headers["Content-Type"]) == (b"content", "application/pdf")
        assert got.headers["Content-Disposition"] == 'attachment; filename="weekly.pdf"'

    def test_what_is_left_of_it(self, team: Team) -> None:
        team.create("weekly")
        team.finish("weekly")
        status = team.wait("weekly", "Succeeded")
        job = eventually(
            lambda: job if "ttlSecondsAfterFinished" in (job := team.job_of("weekly"))["spec"] else None,
            PATIENCE,
            "the Job is sealed",
        )
        assert job["spec"]["ttlSecondsAfterFinished"] == 3600
        assert team.list("secrets") == []
        told = {(e["type"], e["involvedObject"]["name"]) for e in team.told("Queued", "Succeeded")}
        assert told == {("Normal", "weekly")}
        assert status["runID"] == job["metadata"]["labels"]["report-operator.io/run-id"]

    def test_only_the_status_is_written(self, team: Team) -> None:
        before = team.create("weekly")
        team.patch("reports", "weekly", {"metadata": {"labels": {"mine": "1"}, "annotations": {"mine": "2"}}})
        team.finish("weekly")
        team.wait("weekly", "Succeeded")
        after = team.get("reports", "weekly")
        assert after["spec"] == before["spec"]
        assert after["metadata"]["labels"] == {"mine": "1"}
        assert after["metadata"]["annotations"] == {"mine": "2"}
        assert "finalizers" not in after["metadata"]
        written = {m["subresource"] for m in after["metadata"]["managedFields"] if m["manager"] == "report-operator"}
        assert written == {"status"}

    def test_the_links_are_in_the_secret_before_the_job_is_there(self, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        secret = team.get("secrets", job["metadata"]["name"])
        assert secret["metadata"]["creationTimestamp"] <= job["metadata"]["creationTimestamp"]
        assert secret["metadata"]["ownerReferences"] == job["metadata"]["ownerReferences"]
        request = json.loads(base64.b64decode(secret["data"]["request.json"]))
        assert request["runID"] == team.status("weekly")["runID"]
        assert set(Links.unpacked(base64.b64decode(secret["data"]["links.json.gz"])).uploads) == {
            "report.pdf",
            "sales.csv",
            "result.json",
        }

    def test_the_store_tells_what_a_lost_pod_cannot(self, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        team.upload(job)
        team.end_job(job["metadata"]["name"], "Complete")
        assert len(team.wait("weekly", "Succeeded")["artifacts"]) == 2

    def test_a_failed_run_leaves_nothing_in_the_store(self, team: Team, store: SeaweedFS) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        team.upload(job)
        pod = team.start_pod(job)
        team.show(pod, objects.ended(), objects.ended(137, reason="OOMKilled"), phase="Failed")
        team.end_job(job["metadata"]["name"], "Failed", "PodFailurePolicy", failed=1)
        status = team.wait("weekly", "OutOfMemory")
        assert conditions(status) == {"Ready": ("False", "OutOfMemory"), "Stalled": ("True", "OutOfMemory")}
        assert status["stage"] == "render"

        def empty() -> bool | None:
            listed = store.client().list_objects_v2(Bucket="reports", Prefix=f"{team.namespace}/")
            return True if listed["KeyCount"] == 0 else None

        assert eventually(empty, PATIENCE, "the store is empty")

    def test_writes(self, team: Team, running: Operator) -> None:
        before = running.requests_at_rest()
        team.create("weekly")
        job = team.job_of("weekly")
        pod = team.start_pod(job)
        done, going, later = objects.ended(), objects.running(), objects.waiting()
        for stage, states in {
            "fetch": (going, later, later),
            "render": (done, going, later),
            "publish": (done, done, going),
        }.items():
            team.show(pod, *states)
            eventually(
                lambda stage=stage: True if team.status("weekly").get("stage") == stage else None,  # type: ignore[misc]
                PATIENCE,
                stage,
            )
        message = Outcome(result=team.upload(job)).model_dump_json(by_alias=True, exclude_none=True)
        team.show(pod, done, done, objects.ended(0, message), phase="Succeeded")
        team.end_job(job["metadata"]["name"], "Complete")
        team.wait("weekly", "Succeeded")
        eventually(
            lambda: True if "ttlSecondsAfterFinished" in team.job_of("weekly")["spec"] else None, PATIENCE, "sealed"
        )
        team.told("Queued", "Succeeded")
        made = {name: count - before.get(name, 0) for name, count in running.requests().items()}
        assert {name: count for name, count in made.items() if count and not name.startswith("GET")} == {
            "POST secrets": 1,
            "POST jobs": 1,
            "POST events": 2,
            "PUT reports/status": 5,
            "DELETE secrets": 1,
            "PATCH jobs": 1,
        }


@pytest.mark.usefixtures("running")
class TestWaiting:
    def test_a_missing_secret_is_named_until_it_is_there(self, team: Team) -> None:
        sql = {"urlFrom": {"secretKeyRef": {"name": "warehouse", "key": "url"}}, "query": "select 1"}
        team.create("weekly", sources=[{"name": "sales", "sql": sql}])
        job = team.job_of("weekly")
        pod = team.get("pods", team.start_pod(job))
        event = {
            "metadata": {"name": "mount"},
            "involvedObject": {
                "kind": "Pod",
                "namespace": team.namespace,
                "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
            },
            "reason": "FailedMount",
            "type": "Warning",
            "message": 'MountVolume.SetUp failed for volume "secret-0" : secret "warehouse" not found',
            "lastTimestamp": objects.text(datetime.now(UTC)),
        }
        team.post("events", event)
        scheduled = {"type": "PodScheduled", "status": "True"}
        waiting = [objects.waiting()] * 3
        team.show(pod["metadata"]["name"], *waiting, phase="Pending", conditions=[scheduled])
        status = team.wait("weekly", "SecretNotFound")
        assert "Secret warehouse does not exist" in status["message"]
        assert conditions(status)["Stalled"] == ("True", "SecretNotFound")
        team.show(pod["metadata"]["name"], objects.running(), objects.waiting(), objects.waiting())
        assert set(conditions(team.wait("weekly", "Running"))) == {"Ready", "Reconciling"}

    def test_a_refused_job_is_stalled_and_leaves_no_secret(self, team: Team) -> None:
        # Quota is enforced by the API server; its controller, which counts, does not run here: the test counts.
        spec = {"hard": {"count/jobs.batch": "0"}}
        team.post("resourcequotas", {"metadata": {"name": "none"}, "spec": spec})
        team.patch("resourcequotas", "none/status", {"status": spec | {"used": {"count/jobs.batch": "0"}}})
        team.create("weekly")
        status = team.wait("weekly", "JobRefused")
        assert "exceeded quota: none" in status["message"]
        assert "jobName" not in status
        assert team.list("secrets") == []

    def test_a_job_of_somebody_else_is_not_touched(self, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        team.delete("reports", "weekly")
        again = team.create("weekly")
        # No garbage collector runs here: the first Report's Job stays, under another name.
        assert team.job_of("weekly")["metadata"]["ownerReferences"][0]["uid"] == again["metadata"]["uid"]
        assert team.get("jobs", job["metadata"]["name"])["metadata"]["uid"] == job["metadata"]["uid"]


@pytest.mark.usefixtures("running")
class TestEdits:
    def test_an_edit_during_a_run_ends_it_first(self, team: Team) -> None:
        team.create("weekly")
        first = team.job_of("weekly")["metadata"]["name"]
        team.patch("reports", "weekly", {"spec": {"title": "Edited"}})
        status = team.wait("weekly", "Replacing", generation=2)
        assert status["jobName"] == first
        # Foreground deletion waits for the garbage collector, which is played here.
        assert team.get("jobs", first)["metadata"]["finalizers"] == ["foregroundDeletion"]
        team.patch("jobs", first, {"metadata": {"finalizers": None}})
        assert team.wait("weekly", "Queued", generation=2)["jobName"] != first
        team.finish("weekly")
        assert team.wait("weekly", "Succeeded")["runID"].endswith("-2")
        assert len(team.list("jobs")) == 1

    def test_an_edit_after_a_run_makes_another(self, team: Team) -> None:
        team.create("weekly")
        team.finish("weekly")
        team.wait("weekly", "Succeeded")
        team.patch("reports", "weekly", {"spec": {"title": "Edited"}})
        team.wait("weekly", "Queued", generation=2)
        assert len(team.list("jobs")) == 2

    def test_labels_make_no_run(self, team: Team) -> None:
        team.create("weekly")
        team.finish("weekly")
        team.wait("weekly", "Succeeded")
        team.patch("reports", "weekly", {"metadata": {"labels": {"a": "b"}}})
        team.create("other")
        team.job_of("other")
        assert len(team.list("jobs")) == 2

    def test_writers_of_metadata_do_not_hold_the_status_up(self, team: Team) -> None:
        team.create("weekly")
        for number in range(30):
            team.patch("reports", "weekly", {"metadata": {"labels": {"n": str(number)}}})
        team.finish("weekly")
        team.wait("weekly", "Succeeded")
        assert team.get("reports", "weekly")["metadata"]["labels"] == {"n": "29"}

    def test_a_deleted_job_is_not_made_again(self, team: Team) -> None:
        team.create("weekly")
        team.delete("jobs", team.job_of("weekly")["metadata"]["name"])
        team.wait("weekly", "JobDeleted")
        assert team.list("jobs") == []


class TestProcesses:
    @pytest.mark.usefixtures("running")
    def test_two_operators_make_one_job_for_each_report(
        self, team: Team, access: Path, store: SeaweedFS, tmp_path: Path
    ) -> None:
        with operator(access, store, tmp_path / "log") as second:
            second.wait_ready()
            names = [f"report-{number}" for number in range(10)]
            for name in names:
                team.create(name)
            for name in names:
                team.finish(name)
            for name in names:
                assert team.wait(name, "Succeeded")["phase"] == "Succeeded"
            eventually(lambda: True if not team.list("secrets") else None, PATIENCE, "no Secret is left")
        assert len(team.list("jobs")) == len(names)

    def test_a_process_ends_in_good_order(self, team: Team, access: Path, store: SeaweedFS, tmp_path: Path) -> None:
        with operator(access, store, tmp_path / "log") as process:
            process.wait_ready()
            team.create("weekly")
            team.job_of("weekly")
            process.process.send_signal(signal.SIGTERM)
            assert process.process.wait(timeout=60) == 0
        assert '"level": "error"' not in (tmp_path / "log").read_text()

    def test_probes_without_an_api_server(self, store: SeaweedFS, tmp_path: Path) -> None:
        (port,) = free_ports(1)
        nowhere = kubeconfig(f"https://127.0.0.1:{port}", "token", tmp_path)
        with operator(nowhere, store, tmp_path / "log") as process:
            eventually(lambda: process.probe("/healthz"), 60, "the probes answer")
            assert process.probe("/healthz") == 200
            assert process.probe("/readyz") == 503
            assert "have not been listed" in process.http.get("/readyz").text

    def test_wrong_settings_are_named(self, access: Path, store: SeaweedFS, tmp_path: Path) -> None:
        with operator(access, store, tmp_path / "log", REPORT_OPERATOR_WORKERS="many") as process:
            assert process.process.wait(timeout=30) == 78
        assert "REPORT_OPERATOR_WORKERS='many': Input should be a valid integer" in (tmp_path / "log").read_text()


def test_a_spec_of_a_newer_crd_stops_nobody_else(api: httpx.Client, team: Team, running: Operator) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/reports.report-operator.io"
    crd = api.get(path).json()
    newer = json.loads(json.dumps(crd))
    spec = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["outputs"]["items"]["properties"]["format"]["enum"].append("docx")
    api.put(path, json=newer).raise_for_status()
    try:

        def create() -> Json | None:
            body = {
                "apiVersion": "report-operator.io/v1alpha1",
                "kind": "Report",
                "metadata": {"name": "newer"},
                "spec": objects.SPEC | {"outputs": [{"format": "docx", "table": "sales"}]},
            }
            answer = team.api.post(team.path("reports"), json=body)
            return answer.json() if answer.is_success else None

        eventually(create, PATIENCE, "the newer CRD is in force")
        status = team.wait("newer", "InvalidSpec")
        assert "spec.outputs[0].format" in status["message"]
        assert conditions(status)["Stalled"] == ("True", "InvalidSpec")
        team.create("weekly")
        team.finish("weekly")
        team.wait("weekly", "Succeeded")
        team.delete("reports", "newer")
    finally:
        crd["metadata"].pop("resourceVersion")
        version = api.get(path).json()["metadata"]["resourceVersion"]
        crd["metadata"]["resourceVersion"] = version
        api.put(path, json=crd).raise_for_status()
    assert running.probe("/healthz") == 200
