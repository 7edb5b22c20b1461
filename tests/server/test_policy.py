"""The platform team's policy on a real API server: violations, each way to mend them, and namespaces of their own."""

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import NAMESPACE, Operator, operator
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
POLICY = json.dumps({"formats": ["pdf", "csv"], "maxRetries": 3, "maxRows": 1000})
_numbers = itertools.count()


@pytest.fixture(scope="module")
def limited(access: Path, store: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator whose platform team has set limits."""
    log = tmp_path_factory.mktemp("limited") / "log"
    with operator(access, store, log, REPORT_OPERATOR_POLICY=POLICY) as process:
        yield process.wait_ready()
        assert process.process.poll() is None


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"policy-{next(_numbers)}")


@pytest.fixture
def platform(api: httpx.Client, access: Path) -> Iterator[Team]:
    """The operator's own namespace; what a test puts there goes with the test."""
    yield (ours := Team(api, NAMESPACE))
    for config_map in ours.list("configmaps", "report-operator.io/policy"):
        ours.delete("configmaps", config_map["metadata"]["name"])


def policy_of(team: Team, content: str, name: str = "own-policy", key: str = "policy.yaml") -> Json:
    labels = {"report-operator.io/policy": team.namespace}
    return {"metadata": {"name": f"{team.namespace}-{name}", "labels": labels}, "data": {key: content}}


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


REFUSED = {"Ready": ("False", "NotAllowedByPolicy"), "Stalled": ("True", "NotAllowedByPolicy")}


def wait_for_message(team: Team, name: str, text: str) -> Json:
    """Return the status of a Report that the policy refuses with this text."""

    def look() -> Json | None:
        status = team.status(name)
        return status if text in status.get("message", "") else None

    return eventually(look, PATIENCE, f"{name}: {text}")


@pytest.mark.requirement("D9")
@pytest.mark.usefixtures("limited")
class TestReports:
    def test_a_violation_is_told_and_nothing_is_made(self, team: Team) -> None:
        team.create("weekly", run={"retries": 8}, outputs=[{"format": "json"}])
        status = team.wait("weekly", "NotAllowedByPolicy")
        assert conditions(status) == REFUSED
        assert status["message"] == (
            "Not allowed by the platform team: formats: spec.outputs[0].format is json, allowed: pdf, csv."
            " maxRetries: spec.run.retries is 8, at most 3."
            " Change the spec, or ask them to change the value policy of the operator's chart."
        )
        assert (team.list("jobs"), team.list("secrets")) == ([], [])
        team.told("NotAllowedByPolicy")

    def test_an_edit_mends_it(self, team: Team) -> None:
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")
        team.patch("reports", "weekly", {"spec": {"run": {"retries": 3}}})
        team.wait("weekly", "Queued", generation=2)
        team.finish("weekly")
        assert conditions(team.wait("weekly", "Succeeded")) == {"Ready": ("True", "Succeeded")}

    def test_an_edit_that_is_not_allowed_ends_the_run(self, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")["metadata"]["name"]
        team.patch("reports", "weekly", {"spec": {"run": {"retries": 8}}})
        team.wait("weekly", "Replacing", generation=2)
        team.patch("jobs", job, {"metadata": {"finalizers": None}})  # the garbage collector is played here
        assert conditions(team.wait("weekly", "NotAllowedByPolicy", generation=2)) == REFUSED
        assert team.list("jobs") == []

    def test_a_namespace_may_have_a_policy_of_its_own(self, team: Team, platform: Team) -> None:
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")
        platform.post("configmaps", policy_of(team, "maxRetries: 8\n"))
        team.wait("weekly", "Queued")
        team.create("other", outputs=[{"format": "json"}])
        said = team.wait("other", "NotAllowedByPolicy")["message"]
        assert said.endswith(f"ask them to change ConfigMap {NAMESPACE}/{team.namespace}-own-policy.")

    def test_it_goes_with_its_config_map(self, team: Team, platform: Team) -> None:
        platform.post("configmaps", policy_of(team, "maxRetries: 0\n"))
        eventually(lambda: self._is_refused(team), 2 * PATIENCE, "the policy holds")
        platform.delete("configmaps", f"{team.namespace}-own-policy")
        team.wait("weekly", "Queued")

    def _is_refused(self, team: Team) -> bool | None:
        """Make the Report anew, until the operator has read the policy that refuses it."""
        if team.list("reports"):
            team.delete("reports", "weekly")
        team.create("weekly", run={"retries": 1})
        reason = eventually(lambda: team.status("weekly").get("reason"), PATIENCE, "weekly is looked at")
        return True if reason == "NotAllowedByPolicy" else None

    @pytest.mark.parametrize(
        ("content", "key", "says"),
        [
            ("maxRetrys: 8", "policy.yaml", "maxRetrys is no field of a policy; there are formats, "),
            ("maxRetries: many", "policy.yaml", "maxRetries is 'many': Input should be a valid integer"),
            ("maxRetries: 8", "policy.yml", "its keys are policy.yml: it must have policy.yaml and no other"),
            ("maxRetries: [", "policy.yaml", "policy.yaml is no YAML: "),
            ("", "policy.yaml", "the policy is None: write its fields"),
        ],
    )
    def test_a_slip_of_the_pen_allows_nothing_until_it_is_mended(
        self, *, team: Team, platform: Team, limited: Operator, content: str, key: str, says: str
    ) -> None:
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")
        platform.post("configmaps", policy_of(team, content, key=key))
        status = wait_for_message(team, "weekly", says)
        where = f"ConfigMap {NAMESPACE}/{team.namespace}-own-policy"
        assert status["message"].startswith(f"No run is allowed until the platform team mends {where}: ")
        assert conditions(status) == REFUSED
        team.create("innocent")
        team.wait("innocent", "NotAllowedByPolicy")
        assert f"namespace {team.namespace} may run no Report: {where}" in limited.log.read_text()
        assert "report_operator_policies_broken 1.0" in limited.http.get("/metrics").text
        right = policy_of(team, "maxRetries: 8") | {"apiVersion": "v1", "kind": "ConfigMap"}
        name = right["metadata"]["name"]
        platform.api.put(platform.path("configmaps", name), json=right).raise_for_status()
        team.wait("weekly", "Queued")
        team.wait("innocent", "Queued")

    def test_two_policies_for_a_namespace_allow_nothing(self, team: Team, platform: Team) -> None:
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")
        for name in ("one", "two"):
            platform.post("configmaps", policy_of(team, "maxRetries: 8", name))
        both = f"{NAMESPACE}/{team.namespace}-one and {NAMESPACE}/{team.namespace}-two"
        wait_for_message(team, "weekly", f"ConfigMaps {both}: all of them have label report-operator.io/policy")

    def test_the_team_s_own_config_maps_are_no_policies(self, team: Team) -> None:
        team.post("configmaps", policy_of(team, "maxRetries: 8"))
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")

    def test_the_run_is_told_what_it_has_to_keep_to(self, team: Team) -> None:
        team.create("weekly")
        secret = team.get("secrets", team.job_of("weekly")["metadata"]["name"])
        policy = json.loads(base64.b64decode(secret["data"]["request.json"]))["policy"]
        assert (policy["maxRows"], policy["webhookNetworks"]) == (1000, [])

    def test_what_the_run_finds_out_ends_it(self, team: Team) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        pod = team.start_pod(job)
        text = "not allowed by the platform team: maxRows: source 'sales' has 2,000 rows, at most 1,000"
        failure = {"failure": {"reason": "NotAllowedByPolicy", "message": text, "stage": "fetch"}}
        team.show(pod, objects.ended(64, json.dumps(failure)), phase="Failed")
        team.end_job(job["metadata"]["name"], "Failed", "PodFailurePolicy", failed=1)
        status = team.wait("weekly", "NotAllowedByPolicy")
        assert conditions(status) == REFUSED
        assert "maxRows: source 'sales' has 2,000 rows" in status["message"]


def test_an_operator_with_another_policy_looks_again(
    team: Team, access: Path, store: SeaweedFS, tmp_path: Path
) -> None:
    with operator(access, store, tmp_path / "log", REPORT_OPERATOR_POLICY=POLICY) as strict:
        strict.wait_ready()
        team.create("weekly", run={"retries": 8})
        team.wait("weekly", "NotAllowedByPolicy")
    with operator(access, store, tmp_path / "log") as lenient:
        lenient.wait_ready()
        team.wait("weekly", "Queued")


@pytest.mark.requirement("D9")
@pytest.mark.usefixtures("limited")
class TestSchedules:
    def test_it_says_so_before_its_first_run_and_goes_on_when_it_is_allowed(self, team: Team, platform: Team) -> None:
        template = {"spec": objects.SPEC | {"run": {"retries": 8}}}
        kind = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport"}
        spec = {"schedule": ["0 6 * * *"], "template": template}
        team.post("scheduledreports", kind | {"metadata": {"name": "daily"}, "spec": spec})
        status = self._wait(team, "NotAllowedByPolicy")
        assert conditions(status) == REFUSED
        assert "maxRetries: spec.template.spec.run.retries is 8, at most 3." in status["conditions"][0]["message"]
        assert "nextRunTime" not in status
        platform.post("configmaps", policy_of(team, "maxRetries: 8\n"))
        status = self._wait(team, "Scheduled")
        assert conditions(status) == {"Ready": ("True", "Scheduled")}
        assert "nextRunTime" in status
        assert team.list("reports") == []

    def _wait(self, team: Team, reason: str) -> Json:
        def look() -> Json | None:
            status: Json = team.get("scheduledreports", "daily").get("status", {})
            ready = [c["reason"] for c in status.get("conditions", []) if c["type"] == "Ready"]
            return status if ready == [reason] else None

        return eventually(look, PATIENCE, f"daily: {reason}")
