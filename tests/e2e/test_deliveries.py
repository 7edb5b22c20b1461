"""Deliveries in a real cluster: who gets what, what the status says, and that nothing is sent twice."""

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from tests.e2e.failures import secret, spec
from tests.e2e.reports import JSON, Team, artifact, download, outcome
from tests.support.cluster import condition, eventually

pytestmark = pytest.mark.cluster

KEY = bytes(range(32))
TOKEN = "t0ken-of-the-receiver"
AUTHORIZATION = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hook", "key": "token"}}}


def hook(name: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "webhook": {"url": f"http://web{path}", "headers": [AUTHORIZATION]} | fields}


SIGNED = {"signingSecretFrom": {"secretKeyRef": {"name": "hook", "key": "signing"}}}


def inbox(team: Team, path: str) -> list[Any]:
    """Return what was posted to a path of the web server."""
    read = "import urllib.request as r; print(r.urlopen('http://localhost:8000/inbox').read().decode())"
    found = team.cluster.kubectl("exec", "deployment/web", f"--namespace={team.namespace}", "--", "python3", "-c", read)
    return [message for message in json.loads(found) if message["path"] == path]


@pytest.fixture(scope="module")
def sender(team: Team) -> Team:
    """The team with the Secret of its receiver."""
    signing = f"whsec_{base64.b64encode(KEY).decode()}"
    team.cluster.apply([secret("hook", token=f"Bearer {TOKEN}", signing=signing)], team.namespace)
    return team


@pytest.mark.requirement("B4")
@pytest.mark.requirement("E5")
def test_a_signed_message_whose_links_work(sender: Team) -> None:
    sender.create("sent", spec(outputs=[JSON]) | {"destinations": [hook("portal", "/sent", **SIGNED)]})
    found = sender.wait("sent")
    assert outcome(found) == ("Succeeded", "Succeeded")
    assert [condition(found, kind) for kind in ("Ready", "Rendered", "Delivered")] == ["True"] * 3
    [message] = inbox(sender, "/sent")
    headers, body = message["headers"], json.loads(message["body"])
    assert headers["authorization"] == f"Bearer {TOKEN}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{message['body']}".encode()
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert body["runID"] == found["status"]["runID"]
    assert headers["webhook-id"].startswith(f"{body['runID']}-")
    [file] = body["artifacts"]
    content = httpx.get(file["downloadURL"]).content
    assert hashlib.sha256(content).hexdigest() == file["sha256"] == artifact(found, "report.json")["sha256"]
    [entry] = json.loads(download(found, "deliveries.json"))["entries"]
    assert (entry["destination"], entry["state"], entry["attempts"]) == ("portal", "Sent", 1)


@pytest.mark.requirement("N1")
def test_a_delivery_that_fails_takes_nothing_away(sender: Team, bucket: Any) -> None:
    missing = {"secretKeyRef": {"name": "nowhere", "key": "signing"}}
    wanted = [
        hook("good", "/partly"),
        hook("gone", "/status/410"),
        hook("unsigned", "/unsigned", signingSecretFrom=missing),
    ]
    sender.create("partly", spec(outputs=[JSON]) | {"destinations": wanted})
    found = sender.wait("partly")
    status = found["status"]
    assert outcome(found) == ("Failed", "DeliveryFailed")
    shown = {kind: condition(found, kind) for kind in ("Ready", "Stalled", "Rendered", "Delivered")}
    assert shown == {"Ready": "False", "Stalled": "True", "Rendered": "True", "Delivered": "False"}
    assert {each["name"]: each["state"] for each in status["deliveries"]} == {
        "good": "Sent",
        "gone": "Failed",
        "unsigned": "Failed",
    }
    assert "http://web answered 410 Gone" in status["message"]
    assert "there is no Secret 'nowhere' with key 'signing'" in status["message"]
    assert len(inbox(sender, "/partly")) == 1
    event = eventually(lambda: sender.event("partly", "DeliveryFailed"), 30, "the Event is recorded")
    assert event["type"] == "Warning"
    assert download(found, "report.json")
    sender.cluster.kubectl(
        "wait", "report/partly", "--for=condition=Rendered", "--timeout=5s", f"--namespace={sender.namespace}"
    )
    kept = [each.key for each in bucket.objects.filter(Prefix=f"{sender.namespace}/partly/")]
    assert any(key.endswith("/report.json") for key in kept)


@pytest.mark.requirement("N1")
def test_what_failed_is_sent_again_when_its_cause_is_mended(sender: Team) -> None:
    signing = {"secretKeyRef": {"name": "late", "key": "signing"}}
    wanted = [hook("good", "/again-good"), hook("late", "/again-late", signingSecretFrom=signing)]
    sender.create("sent-again", spec(outputs=[JSON]) | {"destinations": wanted})
    found = sender.wait("sent-again")
    assert outcome(found) == ("Failed", "DeliveryFailed")
    sender.cluster.apply([secret("late", signing=f"whsec_{base64.b64encode(KEY).decode()}")], sender.namespace)
    space = f"--namespace={sender.namespace}"
    sender.cluster.kubectl("annotate", "report/sent-again", "report-operator.io/redeliver=1", space)
    sender.cluster.kubectl("wait", "report/sent-again", "--for=condition=Ready", "--timeout=120s", space)
    [first] = inbox(sender, "/again-good")
    [second] = inbox(sender, "/again-late")
    assert json.loads(first["body"])["runID"] == json.loads(second["body"])["runID"] == found["status"]["runID"]
    last = {pod["spec"]["containers"][0]["name"] for pod in sender.owned("pods", "sent-again")}
    assert last == {"publish", "redeliver"}, "nothing was fetched or rendered again"


@pytest.mark.requirement("N1")
def test_a_killed_operator_sends_nothing_again(sender: Team) -> None:
    sender.create("steady", spec(outputs=[JSON]) | {"destinations": [hook("portal", "/steady")]})
    eventually(lambda: inbox(sender, "/steady") or None, 120, "the message is there")
    operator = "deployment/report-operator"
    sender.cluster.kubectl("rollout", "restart", operator, "--namespace=report-operator")
    sender.cluster.kubectl("rollout", "status", operator, "--namespace=report-operator", "--timeout=120s")
    assert outcome(sender.wait("steady")) == ("Succeeded", "Succeeded")
    assert len(inbox(sender, "/steady")) == 1


def test_no_credentials_anywhere(sender: Team) -> None:
    """The token and the signing secret: in no status, Event, Job, pod, log or ledger."""
    sender.create("discreet-hook", spec(outputs=[JSON]) | {"destinations": [hook("portal", "/status/403", **SIGNED)]})
    found = sender.wait("discreet-hook")
    assert outcome(found) == ("Failed", "DeliveryFailed")
    words = [
        sender.cluster.kubectl("get", kind, f"--namespace={sender.namespace}", "--output=json")
        for kind in ("reports", "events", "jobs", "pods")
    ]
    [pod] = sender.owned("pods", "discreet-hook")
    words += [
        sender.cluster.kubectl("logs", pod["metadata"]["name"], "-c", stage, f"--namespace={sender.namespace}")
        for stage in ("fetch", "render", "publish")
    ]
    words.append(download(found, "deliveries.json").decode())
    for text in words:
        assert TOKEN not in text
        assert base64.b64encode(KEY).decode() not in text
