"""`kubectl report` on a real API server and a real store, with the operator at work."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.kubectl import requests
from report_operator.kubectl.client import Kubectl
from report_operator.kubectl.errors import PluginError
from tests.server.process import kubeconfig
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.apiserver import ApiServer
from tests.support.cluster import eventually
from tests.support.plugin import Plugin

Json = dict[str, Any]
_numbers = itertools.count()
RUN_NOW, RUN_PERIOD = "report-operator.io/run-now", "report-operator.io/run-period"

pytestmark = pytest.mark.usefixtures("running")


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"plugin-{next(_numbers)}")


@pytest.fixture(scope="module")
def plugin(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    return Plugin.install(tmp_path_factory.mktemp("plugin"), api_server.kubeconfig)


def schedule(team: Team, name: str = "weekly", **spec: Any) -> Json:
    meta = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport", "metadata": {"name": name}}
    return team.post("scheduledreports", meta | {"spec": {"template": {"spec": objects.SPEC}} | spec})


def annotations(team: Team, name: str = "weekly") -> Json:
    found: Json = team.get("scheduledreports", name)["metadata"].get("annotations", {})
    return found


class TestRun:
    @pytest.mark.requirement("E4", "D1")
    def test_makes_a_report_and_prints_it_with_the_token(self, plugin: Plugin, team: Team) -> None:
        schedule(team)
        done = plugin.run("run", "weekly", "-n", team.namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        [made] = team.list("reports")
        assert [each["name"] for each in said["reports"]] == [made["metadata"]["name"]]
        assert made["metadata"]["annotations"][RUN_NOW] == said["token"] == annotations(team)[RUN_NOW]
        assert f"weekly: asked for a run, token {said['token']}" in done.stderr
        assert RUN_PERIOD not in annotations(team)

    @pytest.mark.requirement("N6")
    def test_for_a_period_and_then_without_one(self, plugin: Plugin, team: Team) -> None:
        schedule(team, timeZone="Europe/Berlin")
        done = plugin.run("run", "weekly", "--from", "2026-04-01", "--to", "2026-04-08", "-n", team.namespace)
        assert done.returncode == 0, done.stderr
        [report] = team.list("reports")
        period = [datetime.fromisoformat(report["spec"]["period"][end]) for end in ("start", "end")]
        assert period == [datetime(2026, 3, 31, 22, tzinfo=UTC), datetime(2026, 4, 7, 22, tzinfo=UTC)]
        assert report["metadata"]["name"] in done.stdout
        assert plugin.run("run", "weekly", "-n", team.namespace).returncode == 0
        assert RUN_PERIOD not in annotations(team)
        periods = ["period" in report["spec"] for report in team.list("reports")]
        assert sorted(periods) == [False, True]

    def test_waits_for_the_end_of_every_variant(self, plugin: Plugin, team: Team) -> None:
        schedule(team, variants=[{"name": "emea"}, {"name": "apac"}])
        with plugin.start("run", "weekly", "--wait", "-n", team.namespace) as waiting:
            reports = eventually(lambda: r if len(r := team.list("reports")) == 2 else None, PATIENCE, "Reports")
            first, second = (report["metadata"]["name"] for report in reports)
            team.finish(first)
            team.wait(first, "Succeeded")
            assert waiting.poll() is None
            job = team.job_of(second)["metadata"]["name"]
            team.end_job(job, "Failed", "DeadlineExceeded")
            out, err = waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 1
        assert f"{first}: Succeeded" in err.splitlines()
        lines = {line.split()[0]: line for line in out.splitlines()}
        assert "Succeeded" in lines[first]
        assert "The run was ended after spec.run.timeout" in lines[second]

    def test_ends_with_0_when_all_succeed(self, plugin: Plugin, team: Team) -> None:
        schedule(team)
        with plugin.start("run", "weekly", "--wait", "-n", team.namespace) as waiting:
            [report] = eventually(lambda: team.list("reports") or None, PATIENCE, "Report")
            team.finish(report["metadata"]["name"])
            assert waiting.wait(timeout=PATIENCE) == 0

    def test_a_request_that_was_not_taken_up_is_not_replaced(self, plugin: Plugin, team: Team) -> None:
        schedule(team, schedule=["0 0 31 2 *"])
        team.patch("scheduledreports", "weekly", {"metadata": {"annotations": {RUN_NOW: "before"}}})
        done = plugin.run("run", "weekly", "-n", team.namespace)
        assert (done.returncode, done.stdout) == (1, "")
        assert "has not yet taken up the run that was asked for before (before)" in done.stderr
        assert annotations(team)[RUN_NOW] == "before"

    def test_of_variants_that_are_all_suspended_says_so(self, plugin: Plugin, team: Team) -> None:
        schedule(team, variants=[{"name": "emea", "suspend": True}])
        done = plugin.run("run", "weekly", "-n", team.namespace)
        assert done.returncode == 1
        assert "error: no Report was made: " in done.stderr

    def test_only_annotations_are_written(self, plugin: Plugin, team: Team) -> None:
        before = schedule(team)
        plugin.run("run", "weekly", "-n", team.namespace)
        after = team.get("scheduledreports", "weekly")
        assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)


class TestCancel:
    @pytest.mark.requirement("A10")
    def test_ends_a_run_and_says_what_it_was(self, plugin: Plugin, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        done = plugin.run("cancel", "weekly", "-n", team.namespace)
        assert (done.returncode, done.stdout) == (0, "weekly: its run is asked to end; it was Queued\n"), done.stderr
        team.wait("weekly", "Cancelling")
        again = plugin.run("cancel", "weekly", "-n", team.namespace)
        assert again.stdout == "weekly: its run is being ended already\n"
        name = job["metadata"]["name"]
        eventually(lambda: team.get("jobs", name)["metadata"].get("deletionTimestamp"), PATIENCE, "it is being deleted")
        # The garbage collector ends a Job that is deleted in the foreground; there is none here.
        team.patch("jobs", name, {"metadata": {"finalizers": None}})
        team.wait("weekly", "Cancelled")

    def test_leaves_what_has_ended_as_it_is(self, plugin: Plugin, team: Team) -> None:
        for name in ("weekly", "monthly"):
            team.create(name)
            team.finish(name)
            team.wait(name, "Succeeded")
        before = team.get("reports", "weekly")
        done = plugin.run("cancel", "weekly", "monthly", "weekly", "-n", team.namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        said = [(each["name"], each["phase"], each["cancelled"]) for each in json.loads(done.stdout)["reports"]]
        assert said == [("weekly", "Succeeded", False), ("monthly", "Succeeded", False)]
        assert team.get("reports", "weekly")["metadata"]["generation"] == before["metadata"]["generation"]

    def test_one_that_is_not_there_does_not_keep_the_others(self, plugin: Plugin, team: Team) -> None:
        team.create("weekly")
        team.wait("weekly", "Queued")
        done = plugin.run("cancel", "weekl", "weekly", "-n", team.namespace)
        assert (done.returncode, done.stdout) == (1, "weekly: its run is asked to end; it was Queued\n")
        assert "there is no Report weekl " in done.stderr
        assert team.get("reports", "weekly")["spec"]["cancel"] is True

    def test_a_run_that_ends_between_the_look_and_the_write_is_left_as_it_is(
        self, plugin: Plugin, team: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", plugin.environment["PATH"])
        team.create("weekly")
        team.wait("weekly", "Queued")

        class Racing(Kubectl):
            def get(self, kind: str, name: str) -> Json:
                read = super().get(kind, name)
                if read["status"]["phase"] == "Queued":
                    team.finish(name)
                    team.wait(name, "Succeeded")
                return read

        found, changed = requests.cancel(Racing(team.namespace, kubeconfig=str(plugin.kubeconfig)), "weekly")
        assert (found.phase, changed) == ("Succeeded", False)
        assert team.get("reports", "weekly")["metadata"]["generation"] == 1


class TestSuspend:
    def test_and_resume_write_the_spec_once(self, plugin: Plugin, team: Team) -> None:
        schedule(team)
        said = [
            plugin.run(word, "weekly", "-n", team.namespace).stdout.strip()
            for word in ("resume", "suspend", "suspend", "resume")
        ]
        assert said == ["weekly: not suspended", "weekly: suspended", "weekly: suspended already", "weekly: resumed"]
        found = team.get("scheduledreports", "weekly")
        assert (found["spec"]["suspend"], found["metadata"]["generation"]) == (False, 3)


@pytest.fixture
def done(team: Team) -> Team:
    """A team with a Report `weekly` whose files are in the store."""
    team.create("weekly")
    team.finish("weekly")
    team.wait("weekly", "Succeeded")
    return team


class TestStatus:
    def test_for_people(self, plugin: Plugin, done: Team) -> None:
        shown = plugin.run("status", "weekly", "-n", done.namespace)
        assert shown.returncode == 0, shown.stderr
        lines = {line[:8].strip(): line[8:].strip() for line in shown.stdout.splitlines()}
        job = done.status("weekly")["jobName"]
        assert lines["Report"] == f"weekly in namespace {done.namespace}"
        assert (lines["Phase"], lines["Reason"], lines["Message"]) == (
            "Succeeded",
            "Succeeded",
            "2 files in the store.",
        )
        assert lines["Logs"] == f"kubectl logs --namespace={done.namespace} job/{job} --all-containers"
        assert "report.pdf" in lines["Files"]
        assert "7 bytes" in lines["Files"]
        assert "(23h left)" in lines["Files"]

    def test_for_programs(self, plugin: Plugin, done: Team) -> None:
        said = json.loads(plugin.run("status", "weekly", "-n", done.namespace, "-o", "json").stdout)
        status = done.status("weekly")
        assert (said["phase"], said["runID"], said["jobName"]) == ("Succeeded", status["runID"], status["jobName"])
        assert said["artifacts"] == status["artifacts"]


class TestDownload:
    def test_files_are_in_the_folder(self, plugin: Plugin, done: Team, tmp_path: Path) -> None:
        target = tmp_path / "deep" / "out"
        said = plugin.run("download", "weekly", "-o", target, "-n", done.namespace)
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout.split() == [f"{target}/report.pdf", f"{target}/sales.csv"]
        assert {path.name: path.read_bytes() for path in target.iterdir()} == {
            "report.pdf": b"content",
            "sales.csv": b"content",
        }
        assert [path.name for path in tmp_path.iterdir()] == ["deep"]

    @pytest.mark.requirement("A9")
    def test_by_new_links_where_the_old_ones_have_ended(self, plugin: Plugin, done: Team, tmp_path: Path) -> None:
        files = [each | {"urlExpiresAt": "2026-01-01T00:00:00Z"} for each in done.status("weekly")["artifacts"]]
        done.patch("reports", "weekly/status", {"status": {"artifacts": files}})
        said = plugin.run("download", "weekly", "report.pdf", "-o", tmp_path, "-n", done.namespace)
        assert (said.returncode, said.stdout) == (0, f"{tmp_path}/report.pdf\n"), said.stderr
        assert said.stderr == "weekly: its links have ended; asking for new ones\n"

    def test_says_why_there_are_no_new_links(self, plugin: Plugin, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", plugin.environment["PATH"])
        team.create("weekly", download={"refresh": "Never"})
        with pytest.raises(PluginError, match=r"there are no new links: spec\.download\.refresh is Never"):
            requests.new_links(Kubectl(team.namespace, kubeconfig=str(plugin.kubeconfig)), "weekly")

    def test_one_of_them(self, plugin: Plugin, done: Team, tmp_path: Path) -> None:
        said = plugin.run("download", "weekly", "sales.csv", "-o", tmp_path, "-n", done.namespace)
        assert said.stdout == f"{tmp_path}/sales.csv\n"

    def test_a_file_that_is_not_there(self, plugin: Plugin, done: Team, tmp_path: Path) -> None:
        said = plugin.run("download", "weekly", "sales.xlsx", "-o", tmp_path, "-n", done.namespace)
        assert said.returncode == 1
        assert said.stderr == "error: weekly has no file sales.xlsx; it has: report.pdf, sales.csv\n"

    def test_a_report_without_files(self, plugin: Plugin, team: Team, tmp_path: Path) -> None:
        team.create("weekly")
        team.wait("weekly", "Queued")
        said = plugin.run("download", "weekly", "-o", tmp_path / "out", "-n", team.namespace)
        assert said.stderr.startswith("error: weekly has no files: it is Queued (Job weekly-")
        assert list(tmp_path.iterdir()) == []


class TestWait:
    def test_for_several(self, plugin: Plugin, team: Team) -> None:
        for name in ("weekly", "monthly"):
            team.create(name)
        with plugin.start("wait", "weekly", "monthly", "-n", team.namespace, "-o", "json") as waiting:
            for name in ("weekly", "monthly"):
                team.finish(name)
            out, _ = waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 0
        assert [(each["name"], each["phase"]) for each in json.loads(out)["reports"]] == [
            ("weekly", "Succeeded"),
            ("monthly", "Succeeded"),
        ]

    def test_for_one_that_is_deleted(self, plugin: Plugin, team: Team) -> None:
        team.create("weekly")
        team.wait("weekly", "Queued")
        with plugin.start("wait", "weekly", "-n", team.namespace) as waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline() == "weekly: Queued\n"
            team.delete("reports", "weekly")
            _, err = waiting.communicate(timeout=PATIENCE)
        assert (waiting.returncode, err) == (1, "error: deleted while waiting for its end: weekly\n")


class TestBadInput:
    @pytest.mark.parametrize("command", [("status",), ("wait",), ("cancel",), ("download",)])
    def test_an_unknown_report_and_which_there_are(self, plugin: Plugin, team: Team, command: tuple[str]) -> None:
        missing = plugin.run(*command, "weekl", "-n", team.namespace)
        assert missing.returncode == 1
        assert missing.stderr == (
            f"error: there is no Report weekl in namespace {team.namespace}, nor any other: is --namespace right?\n"
        )
        for number in range(12):
            team.create(f"r{number:02}")
        there = ", ".join(f"r{number:02}" for number in range(10))
        missing = plugin.run(*command, "weekl", "-n", team.namespace)
        assert missing.stderr.endswith(f"there are: {there} and 2 more\n")

    def test_an_unknown_schedule(self, plugin: Plugin, team: Team) -> None:
        schedule(team)
        for word in ("run", "suspend", "resume"):
            missing = plugin.run(word, "weekl", "-n", team.namespace)
            assert (
                f"there is no ScheduledReport weekl in namespace {team.namespace}; there are: weekly" in missing.stderr
            )

    def test_no_permission(self, plugin: Plugin, team: Team, powerless: Path) -> None:
        for command in (("status", "weekly"), ("run", "weekly")):
            refused = plugin.run(*command, "-n", team.namespace, "--kubeconfig", powerless)
            assert refused.returncode == 1
            assert refused.stderr.startswith("error: not allowed: ")
            assert "cannot get resource" in refused.stderr
            assert refused.stderr.count("\n") == 1


@pytest.fixture
def powerless(api_server: ApiServer, team: Team, tmp_path: Path) -> Path:
    """A kubeconfig of somebody without any right."""
    team.post("serviceaccounts", {"metadata": {"name": "nobody"}})
    path = team.path("serviceaccounts", "nobody/token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = team.api.post(path, json=request).json()["status"]["token"]
    return kubeconfig(api_server.url, token, tmp_path)
