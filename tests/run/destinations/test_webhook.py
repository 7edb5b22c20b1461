"""Messages to a real HTTP server: what they say, how they are signed, and each way in which one can fail."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from report_operator.api.deliveries import DeliveryState, Entry
from report_operator.api.entity import Entity
from report_operator.api.run import Message
from report_operator.run import delivery
from report_operator.run.destinations.address import web_address
from report_operator.run.failure import RunError
from report_operator.run.publish import publish
from tests.run.conftest import PERIOD
from tests.run.destinations.conftest import sent
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports
from tests.support.shipping import FILES, Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


def hook(url: str, **fields: Any) -> dict[str, Any]:
    return {"name": "hook", "webhook": {"url": f"{url}/in?token=hidden-token"} | fields}


def only(destination: dict[str, Any], ship: Ship) -> Entry:
    """Send to one destination, and return its entry."""
    shipment = ship(destination)
    rendered = shipment.rendered.model_copy(update={"messages": {destination["name"]: Message(text="")}})
    publish(shipment.request, rendered, shipment.workspace)
    [entry] = shipment.ledger()
    return entry


def signature_of(asked: Asked, key: bytes = KEY) -> str:
    """Return what a receiver computes (Standard Webhooks 1.0, "Signature scheme")."""
    content = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


@pytest.mark.requirement("B4")
@pytest.mark.requirement("E5")
def test_the_message_and_its_signature(ship: Ship, web: HttpServer, put_secret: PutSecret) -> None:
    web.answer(status=202)
    headers = [
        {"name": "X-Team", "value": "a"},
        {"name": "Authorization", "valueFrom": put_secret("hook", "token", "Bearer 0123\n")},
    ]
    signing = put_secret("hook", "signing", f"{SECRET}\n")
    shipment = ship(hook(web.url, headers=headers, signingSecretFrom=signing), title="Weekly", period=PERIOD)
    result = sent(shipment)

    [asked] = web.asked
    assert (asked.method, asked.path) == ("POST", "/in?token=hidden-token")
    assert (asked.headers["x-team"], asked.headers["authorization"]) == ("a", "Bearer 0123")
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-signature"] == signature_of(asked)
    assert abs(int(asked.headers["webhook-timestamp"]) - time.time()) < 300
    assert asked.headers["webhook-id"].startswith("0b8e-1-")
    message = json.loads(asked.body)
    assert (message["event"], message["runID"]) == ("report.succeeded", "0b8e-1")
    assert message["report"] == {"namespace": "team-a", "name": "weekly", "title": "Weekly"}
    assert message["period"] == PERIOD
    assert message["metrics"] == {"Flights": "336,776"}
    assert "subject" not in message
    assert [(a["name"], a["format"], a["size"]) for a in message["artifacts"]] == [
        ("report.pdf", "pdf", 15),
        ("by_day.csv", "csv", 23),
    ]
    for artifact in message["artifacts"]:
        content = httpx.get(artifact["downloadURL"]).content
        assert content == FILES[artifact["name"]]
        assert artifact["sha256"] == hashlib.sha256(content).hexdigest()
        assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ", artifact["urlExpiresAt"])

    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts, entry.remote_id) == (DeliveryState.SENT, 1, "HTTP 202")
    assert [(d.name, d.state, d.sent, d.failed, d.problems) for d in result.deliveries] == [
        ("hook", DeliveryState.SENT, 1, 0, [])
    ]


@pytest.mark.requirement("B3", "B4")
def test_the_subject_of_the_report_is_told(ship: Ship, web: HttpServer) -> None:
    web.answer()
    shipment = ship(hook(web.url))
    entity = Entity(id="a-1", label="Agent Smith")
    publish(shipment.request, shipment.rendered.model_copy(update={"subject": entity}), shipment.workspace)
    [asked] = web.asked
    assert json.loads(asked.body)["subject"] == {"id": "a-1", "label": "Agent Smith"}


def test_two_signing_secrets_are_two_signatures(ship: Ship, web: HttpServer, put_secret: PutSecret) -> None:
    web.answer()
    other = bytes(reversed(KEY))
    both = f"{SECRET} {base64.b64encode(other).decode()}"
    sent(ship(hook(web.url, signingSecretFrom=put_secret("hook", "signing", both))))
    [asked] = web.asked
    assert asked.headers["webhook-signature"].split() == [signature_of(asked), signature_of(asked, other)]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_an_outage_is_tried_again_with_the_same_id(ship: Ship, web: HttpServer, status: int) -> None:
    web.respond = lambda _: Answer(status=status) if len(web.asked) < 3 else Answer()
    shipment = ship(hook(web.url))
    sent(shipment)
    assert len(web.asked) == 3
    assert len({asked.headers["webhook-id"] for asked in web.asked}) == 1
    assert len({asked.body for asked in web.asked}) == 1
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts, entry.last_error) == (DeliveryState.SENT, 3, None)


def test_an_outage_that_does_not_pass(ship: Ship, web: HttpServer) -> None:
    web.answer("the database is down", status=503)
    shipment = ship(hook(web.url))
    result = sent(shipment)
    assert len(web.asked) == delivery.ATTEMPTS
    [entry] = shipment.ledger()
    said = f"{web.url} answered 503 Service Unavailable: the database is down"
    assert (entry.state, entry.attempts, entry.last_error) == (DeliveryState.FAILED, delivery.ATTEMPTS, said)
    assert (result.deliveries[0].state, result.deliveries[0].last_error) == (DeliveryState.FAILED, said)
    assert [file.name for file in result.files] == list(FILES)
    assert not [name for name in shipment.stored() if name.startswith("ledger/")], "another attempt may send it"


def test_a_server_says_when_to_come_again(ship: Ship, web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("report_operator.run.delivery.time.sleep", waits.append)
    web.respond = lambda _: Answer(status=429, headers={"Retry-After": "7"}) if len(web.asked) < 2 else Answer()
    sent(ship(hook(web.url)))
    assert (len(web.asked), waits) == (2, [7.0])


def test_who_asks_for_more_time_than_there_is_gets_nothing(ship: Ship, web: HttpServer) -> None:
    web.answer(status=503, Retry_After="86400")
    shipment = ship(hook(web.url))
    sent(shipment)
    assert len(web.asked) == 1
    assert shipment.ledger()[0].state is DeliveryState.FAILED


@pytest.mark.parametrize(
    "when",
    [
        "Wed, 21 Oct 99999999999 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999999",
        "Wed, 21 Oct 2015 07:28:00 +9999",
        "tomorrow",
    ],
)
def test_a_server_says_when_to_come_again_and_nobody_knows_that_time(ship: Ship, web: HttpServer, when: str) -> None:
    web.respond = lambda _: Answer(status=503, headers={"Retry-After": when}) if len(web.asked) < 2 else Answer()
    shipment = ship(hook(web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (len(web.asked), entry.state) == (2, DeliveryState.SENT)


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (400, {}, "answered 400 Bad Request"),
        (401, {}, "answered 401 Unauthorized"),
        (410, {}, "answered 410 Gone"),
        (307, {"Location": "http://elsewhere.example/x?secret=1"}, "a redirect to http://elsewhere.example: "),
        (302, {"Location": "http://elsewhere.example:port/"}, "302 Found, a redirect to what is no web address: "),
        (302, {"Location": "mailto:x"}, "302 Found, a redirect to what is no web address: "),
        (308, {"Location": "http://[::x]/"}, "308 Permanent Redirect, a redirect to what is no web address: "),
    ],
)
def test_a_refusal_is_final(ship: Ship, web: HttpServer, status: int, headers: dict[str, str], says: str) -> None:
    web.respond = lambda _: Answer(status=status, headers=headers)
    shipment = ship(hook(web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert len(web.asked) == 1
    assert entry.state is DeliveryState.FAILED
    assert says in (entry.last_error or "")
    assert "hidden-token" not in (entry.last_error or "")
    assert len([name for name in shipment.stored() if name.endswith((".intent", ".record"))]) == 2


def test_a_server_that_is_not_there(ship: Ship) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    shipment = ship(hook(address))
    sent(shipment)
    [entry] = shipment.ledger()
    assert entry.state is DeliveryState.FAILED
    assert f"{address} cannot be reached: " in (entry.last_error or "")


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(("policy", "asked", "state"), [("Hold", 1, "Unknown"), ("Resend", 2, "Sent")])
def test_a_server_that_leaves_without_an_answer(
    *, ship: Ship, web: HttpServer, policy: str, asked: int, state: str
) -> None:
    """The answer is cut off: the message was read whole."""

    def respond(_: Asked) -> Answer:
        if len(web.asked) == 1:
            raise ConnectionAbortedError
        return Answer()

    web.respond = respond
    shipment = ship(hook(web.url) | {"onUnknown": policy})
    sent(shipment)
    [entry] = shipment.ledger()
    assert (len(web.asked), entry.state) == (asked, state)
    assert len({each.headers["webhook-id"] for each in web.asked}) == 1


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("signing", "no base64!", "key 'signing' of Secret 'hook' is no signing secret: write whsec_ and Base64"),
        ("signing", "whsec_c2hvcnQ=", "Base64 of at least 24 bytes"),
        ("signing", "", "key 'signing' of Secret 'hook' is empty"),
        ("other", SECRET, "there is no Secret 'hook' with key 'signing'"),
    ],
)
def test_what_the_author_has_to_mend_fails_this_destination_only(
    *, ship: Ship, web: HttpServer, put_secret: PutSecret, key: str, value: str, says: str
) -> None:
    web.answer()
    put_secret("hook", key, value)
    wrong = hook(web.url, signingSecretFrom={"secretKeyRef": {"name": "hook", "key": "signing"}})
    shipment = ship(wrong, {"name": "good", "webhook": {"url": web.url}})
    result = sent(shipment)
    assert len(web.asked) == 1
    assert [(d.name, d.state) for d in result.deliveries] == [("hook", "Failed"), ("good", "Sent")]
    assert says in (result.deliveries[0].last_error or "")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com/x",
        "https:///x",
        "https://[hooks/x",
        "https://[::1%25lo]/x",
        "https://hooks.example.com:99999/x",
        "https://hooks..example.com/x",
        f"https://{'a' * 64}.example.com/x",
        "https://xn--/x",
        "https://hooks.exam ple.com/x",
        "https://hooks.example.com/\x01x",
    ],
)
def test_what_is_no_web_address(url: str) -> None:
    with pytest.raises(RunError, match=r"^webhook.url is no web address: write it as https://HOST/PATH$"):
        web_address(url, "webhook.url")


@pytest.mark.parametrize(
    "url",
    ["HTTP://127.0.0.1:8080", "https://[::1]/x", "https://h\N{LATIN SMALL LETTER O WITH DIAERESIS}st.example/x?y#z"],
)
def test_what_is_one(url: str) -> None:
    assert web_address(url, "") == url


@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_a_secret_that_holds_no_web_address(ship: Ship, put_secret: PutSecret, kind: str) -> None:
    """Nothing to try again: the author has to mend it."""
    url = put_secret("hook", "url", "hooks.slack.com/services/T/B/hidden-token")
    entry = only({"name": "there", kind: {"urlFrom": url}}, ship)
    assert (entry.state, entry.attempts) == (DeliveryState.FAILED, 1)
    assert entry.last_error == "key 'url' of Secret 'hook' is no web address: write it as https://HOST/PATH"


def test_a_url_that_is_no_web_address(ship: Ship) -> None:
    entry = only({"name": "there", "webhook": {"url": "https://hooks..example.com/hidden-token"}}, ship)
    assert entry.last_error == "webhook.url is no web address: write it as https://HOST/PATH"


@pytest.mark.parametrize(("status", "state"), [(200, DeliveryState.SENT), (404, DeliveryState.FAILED)])
def test_an_answer_that_cannot_be_read(ship: Ship, web: HttpServer, status: int, state: DeliveryState) -> None:
    """The status says what became of the message."""
    web.respond = lambda _: Answer(b"no gzip", status, {"Content-Encoding": "gzip"})
    entry = only(hook(web.url), ship)
    assert (entry.state, len(web.asked)) == (state, 1)


@pytest.mark.parametrize("length", [10_000, None])
def test_an_answer_that_is_cut_off_or_too_long_says_nothing(ship: Ship, web: HttpServer, length: int | None) -> None:
    web.respond = lambda _: Answer(b"no" if length else b"x" * 70_000, 404, length=length)
    assert only(hook(web.url), ship).last_error == f"{web.url} answered 404 Not Found"


@pytest.mark.parametrize("before", [140, 160, 180])
def test_a_secret_is_known_wherever_a_message_ends(
    ship: Ship, web: HttpServer, put_secret: PutSecret, before: int
) -> None:
    """An answer is cut after the credentials are taken out of it."""
    web.respond = lambda asked: Answer(b"x" * before + b" " + asked.headers["x-key"].encode(), 404)
    headers = [{"name": "X-Key", "valueFrom": put_secret("hook", "key", "K3yAbcdefghijklmnopqrstuvwxyz0123456789")}]
    assert "K3y" not in (only(hook(web.url, headers=headers), ship).last_error or "")


def test_credentials_stay_out_of_the_ledger(ship: Ship, web: HttpServer, put_secret: PutSecret) -> None:
    """A server that repeats what it was sent."""
    web.respond = lambda asked: Answer(f"bad token {asked.headers['authorization']} {asked.path}".encode(), 403)
    headers = [{"name": "Authorization", "valueFrom": put_secret("hook", "token", "s3cr3t-value")}]
    url = put_secret("hook", "url", f"{web.url}/services/T0/B0/very-secret-part")
    shipment = ship({"name": "hook", "webhook": {"urlFrom": url, "headers": headers}})
    sent(shipment)
    everything = b" ".join(shipment.stored().values()).decode("latin-1")
    assert "answered 403 Forbidden: bad token ***" in everything
    for secret in ("s3cr3t-value", "very-secret-part", "X-Amz-Signature"):
        assert secret not in everything
