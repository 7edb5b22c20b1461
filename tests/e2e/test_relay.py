"""The platform's mail relay in a real cluster, and schedules whose destinations are probed from their namespace."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.failures import spec
from tests.e2e.reports import JSON, PATIENCE, Team, outcome
from tests.support.cluster import OPERATOR_NAMESPACE, Cluster, condition, eventually

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent


def mails(cluster: Cluster) -> list[Any]:
    """Return what the platform's mail server has got."""
    read = "import urllib.request as r; print(r.urlopen('http://localhost:8000/').read().decode())"
    space = f"--namespace={OPERATOR_NAMESPACE}"
    found: list[Any] = json.loads(cluster.kubectl("exec", "deployment/mail", space, "--", "python3", "-c", read))
    return found


@pytest.fixture(scope="module")
def sender(team: Team) -> Team:
    """The team, with the platform's mail server in the operator's namespace."""
    script = {"mail.py": (HERE / "mail.py").read_text()}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mail"}, "data": script}
    text = (HERE / "web.yaml").read_text().replace("web.py", "mail.py").replace("web", "mail")
    deployment, service = yaml.safe_load_all(text.replace("/rows.json", "/"))
    service["spec"]["ports"] = [{"name": "smtp", "port": 2525, "targetPort": 2525}]
    team.cluster.apply([config_map, deployment, service], OPERATOR_NAMESPACE)
    team.cluster.kubectl("rollout", "status", "deployment/mail", f"--namespace={OPERATOR_NAMESPACE}", "--timeout=120s")
    return team


@pytest.mark.requirement("A8")
def test_a_mail_through_the_platform_s_relay(sender: Team) -> None:
    email = {"fromName": "Traffic", "to": ["ann@example.com"]}
    sender.create("relayed", spec(outputs=[JSON]) | {"destinations": [{"name": "mail", "email": email}]})
    found = sender.wait("relayed")
    assert outcome(found) == ("Succeeded", "Succeeded")
    [mail] = [mail for mail in mails(sender.cluster) if "ann@example.com" in mail["RCPT"]]
    assert mail["MAIL"].startswith("FROM:<reports@platform.example>")
    assert "From: Traffic <reports@platform.example>" in mail["content"]
    assert "X-Report-Operator-Run-ID: " + found["status"]["runID"] in mail["content"]


@pytest.mark.requirement("D9")
def test_a_schedule_is_accepted_when_its_destinations_answer(sender: Team) -> None:
    def create(port: int) -> None:
        mail = {"name": "mail", "email": {"to": ["ann@example.com"]}}
        hook = {"name": "portal", "webhook": {"url": f"http://web:{port}/hook"}}
        template = {"spec": spec(outputs=[JSON]) | {"destinations": [mail, hook]}}
        manifest = {
            "apiVersion": "report-operator.io/v1alpha1",
            "kind": "ScheduledReport",
            "metadata": {"name": "probed"},
            "spec": {"schedule": ["0 0 1 1 *"], "template": template},
        }
        sender.cluster.apply([manifest], sender.namespace)

    def settled(reason: str) -> Any:
        found = sender.cluster.get("scheduledreport", "probed", sender.namespace)
        assert found
        ready = [c for c in found.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        return found if ready and ready[0]["reason"] == reason else None

    create(port=81)
    found = eventually(lambda: settled("DestinationUnreachable"), PATIENCE, "the destination is not reached")
    assert found["status"]["preflight"]["message"].startswith("Destination portal: http://web:81 cannot be reached")
    assert condition(found, "Stalled") == "True"
    create(port=80)
    found = eventually(lambda: settled("Scheduled"), PATIENCE, "the schedule is accepted")
    assert found["status"]["preflight"]["state"] == "Passed"
