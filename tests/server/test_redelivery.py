"""A redelivery on a real API server, store and mail server: the operator is killed on the way, nobody is mailed twice.

There is no kubelet: the test runs the stages themselves, with what the operator has put into their Secrets.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Stage
from tests.server.process import operator
from tests.server.stages import begin_to_deliver, order, work
from tests.server.team import PATIENCE, Team
from tests.support import apiserver, mail_server, objects
from tests.support.cluster import eventually
from tests.support.mail_server import MailServer
from tests.support.plugin import Plugin
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
REDELIVER = "report-operator.io/redeliver"
LABEL = "report-operator.io/redelivery"
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"again-{next(_numbers)}")


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


def redeliveries(team: Team) -> list[Json]:
    return [job for job in team.list("jobs") if LABEL in job["metadata"]["labels"]]


def event(team: Team, reason: str) -> Json | None:
    return next((each for each in team.list("events") if each["reason"] == reason), None)


def is_sealed(jobs: list[Json]) -> bool | None:
    return True if [job["spec"].get("ttlSecondsAfterFinished") for job in jobs] == [3600] else None


def ask(team: Team, token: str) -> None:
    team.patch("reports", "weekly", {"metadata": {"annotations": {REDELIVER: token}}})


def answered(team: Team, token: str, *phases: str) -> Json:
    """Return the status once it tells of this request, and that it is so far."""

    def look() -> Json | None:
        found = team.status("weekly")
        known = found.get("redelivery", {})
        return found if known.get("token") == token and known["phase"] in phases else None

    return eventually(look, PATIENCE, f"{token}: {phases}; it is {team.status('weekly').get('redelivery')}")


@pytest.mark.requirement("N1")
def test_once_for_each_request_though_the_operator_is_killed(
    *, team: Team, post: MailServer, access: Path, store: SeaweedFS, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    post.recipient_answer = lambda address: "550 no such user" if address.startswith("bob") else None
    with operator(access, store, log) as process:
        process.wait_ready()
        order(team, post, "ann@example.com", "bob@example.com")
        work(team, team.job_of("weekly"), Stage.PUBLISH, tmp_path)
        before = team.wait("weekly", "DeliveryFailed")
        post.recipient_answer = lambda _: None
        ask(team, "t1")
        answered(team, "t1", "Waiting", "Running")
    with operator(access, store, log):
        [job] = eventually(lambda: redeliveries(team) or None, 60, "the Job that sends again")
    assert job["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "redeliver"
    work(team, job, Stage.REDELIVER, tmp_path)
    with operator(access, store, log) as process:
        process.wait_ready()
        status = team.wait("weekly", "Succeeded")
        assert (status["phase"], status["redelivery"]["phase"], status["redelivery"]["token"]) == (
            "Succeeded",
            "Ended",
            "t1",
        )
        assert sorted(post.recipients) == ["ann@example.com", "bob@example.com"]
        assert [each["sent"] for each in status["deliveries"]] == [2]
        kept = ("runID", "completionTime", "expiresAt", "jobName")
        assert {name: status[name] for name in kept} == {name: before[name] for name in kept}
        ledger = next(each for each in status["artifacts"] if each["name"] == "deliveries.json")
        assert len(httpx.get(ledger["downloadURL"]).content) == ledger["size"]
        ask(team, "t2")
        refused = answered(team, "t2", "Refused")
        assert "write all/<token>" in refused["redelivery"]["message"]
        assert (refused["phase"], refused["reason"]) == ("Succeeded", "Succeeded")
        eventually(lambda: event(team, "RedeliveryRefused"), PATIENCE, "the Event is recorded")
        eventually(lambda: True if team.list("secrets") == [] else None, PATIENCE, "no Secret is left")
        eventually(lambda: is_sealed(redeliveries(team)), PATIENCE, "the Job has a time to live")
    assert '"level": "error"' not in log.read_text()


@pytest.mark.usefixtures("running")
class TestWhileAnOperatorRuns:
    @pytest.mark.requirement("N1")
    def test_a_run_that_was_killed_for_good_tells_who_has_it(
        self, *, team: Team, post: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of three, ann has it, bob's mail is on its way, and it is not eve's turn."""

        order(team, post, "ann@example.com", "bob@example.com", "eve@example.com")
        job = team.job_of("weekly")
        with monkeypatch.context() as patched:
            begin_to_deliver(team, job, tmp_path, patched)
        team.end_job(job["metadata"]["name"], "Failed", "DeadlineExceeded")
        status = team.wait("weekly", "DeliveryUnknown")
        [sent] = status["deliveries"]
        assert {name: sent[name] for name in ("sent", "unknown", "pending", "failed")} == {
            "sent": 1, "unknown": 1, "pending": 1, "failed": 0
        }  # fmt: skip
        assert "The run was ended after spec.run.timeout" in status["message"]
        ledger = next(each for each in status["artifacts"] if each["name"] == "deliveries.json")
        content = httpx.get(ledger["downloadURL"]).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (ledger["size"], ledger["sha256"])
        assert [entry["state"] for entry in json.loads(content)["entries"]] == ["Sent", "Unknown", "Pending"]
        ask(team, "t1")
        answered(team, "t1", "Running")
        work(team, redeliveries(team)[0], Stage.REDELIVER, tmp_path)
        [sent] = answered(team, "t1", "Ended")["deliveries"]
        assert (sent["sent"], sent["unknown"], post.recipients) == (2, 1, ["eve@example.com"])

    def test_an_edit_ends_it_first(self, team: Team, post: MailServer, tmp_path: Path) -> None:
        post.recipient_answer = lambda _: "550 no such user"
        order(team, post, "ann@example.com")
        work(team, team.job_of("weekly"), Stage.PUBLISH, tmp_path)
        team.wait("weekly", "DeliveryFailed")
        ask(team, "t1")
        answered(team, "t1", "Running")
        team.patch("reports", "weekly", {"spec": {"title": "Another"}})
        status = team.wait("weekly", "Replacing")
        [job] = redeliveries(team)
        assert "deletionTimestamp" in job["metadata"]
        assert status["redelivery"]["phase"] == "Ended"
        # The garbage collector ends a Job that is deleted in the foreground; there is none here.
        team.patch("jobs", job["metadata"]["name"], {"metadata": {"finalizers": None}})
        assert team.wait("weekly", "Queued", generation=2)["redelivery"]["token"] == "t1"

    def test_the_plugin(self, *, team: Team, post: MailServer, tmp_path: Path, api_server: apiserver.ApiServer) -> None:
        plugin = Plugin.install(tmp_path, api_server.kubeconfig)
        post.recipient_answer = lambda _: "550 no such user"
        order(team, post, "ann@example.com")
        early = plugin.run("redeliver", "weekly", "-n", team.namespace)
        assert (early.returncode, early.stdout) == (1, "")
        assert "nothing was sent: The run has not ended" in early.stderr
        work(team, team.job_of("weekly"), Stage.PUBLISH, tmp_path)
        team.wait("weekly", "DeliveryFailed")
        shown = plugin.run("status", "weekly", "-n", team.namespace).stdout
        assert "Deliveries mails: 1 failed: " in shown
        post.recipient_answer = lambda _: None
        with plugin.start("redeliver", "weekly", "--wait", "-n", team.namespace) as waiting:
            [job] = eventually(lambda: redeliveries(team) or None, PATIENCE, "the Job that sends again")
            work(team, job, Stage.REDELIVER, tmp_path)
            out, err = waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 0, err
        assert "Succeeded" in out
        assert post.recipients == ["ann@example.com"]
        nothing = plugin.run("redeliver", "weekly", "--unknown", "-n", team.namespace)
        assert (nothing.returncode, nothing.stdout) == (1, "")
        assert "nothing was sent: Nothing has failed" in nothing.stderr
        done = plugin.run("redeliver", "weekly", "--all", "-n", team.namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["token"].startswith("all/")

    @pytest.mark.requirement("N12")
    def test_a_test_send_by_the_plugin(
        self, *, team: Team, post: MailServer, tmp_path: Path, api_server: apiserver.ApiServer
    ) -> None:
        plugin = Plugin.install(tmp_path, api_server.kubeconfig)
        order(team, post, "ann@example.com", "bob@example.com")
        asked = ("test", "weekly", "--to", "me@example.com", "-n", team.namespace)
        with plugin.start(*asked, "--wait") as waiting:
            [made] = eventually(lambda: trials_of(team) or None, PATIENCE, "the Report")
            name = made["metadata"]["name"]
            work(team, team.job_of(name), Stage.PUBLISH, tmp_path)
            out, err = waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 0, err
        assert name in out
        assert post.recipients == ["me@example.com"]
        assert team.status("weekly")["phase"] == "Queued", "the run itself goes on"
        assert plugin.run(*asked).returncode == 0
        [another] = trials_of(team)
        assert another["metadata"]["name"] != name
        wrong = plugin.run("test", "weekly", "--to", "nobody", "-n", team.namespace)
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert "no test was made: Annotation report-operator.io/test-send is " in wrong.stderr
        meta = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport", "metadata": {"name": "weekly"}}
        team.post("scheduledreports", meta | {"spec": {"template": {"spec": objects.SPEC}}})
        both = plugin.run(*asked)
        assert (both.returncode, both.stdout) == (1, "")
        assert "write report/weekly or scheduledreport/weekly" in both.stderr
        none = plugin.run("test", "scheduledreport/weekly", *asked[2:])
        assert "no test was made: The report has no destination of kind email" in none.stderr


def trials_of(team: Team) -> list[Json]:
    label = ("report-operator.io/trigger", "test")
    return [report for report in team.list("reports") if label in report["metadata"].get("labels", {}).items()]
