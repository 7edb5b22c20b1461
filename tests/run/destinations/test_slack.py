"""Messages to a chat: what its incoming webhook gets, and how it can fail."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from report_operator.api.deliveries import DeliveryState
from report_operator.run.fetch import fetch
from report_operator.run.publish import publish
from report_operator.run.render import render
from tests.support.http_server import Answer, HttpServer
from tests.support.shipping import Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
METRIC = [{"blocks": [{"metric": {"title": "Bytes <all>", "table": "by_day", "column": "bytes"}}]}]


def chat(url: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "chat", "slack": {"urlFrom": url} | fields}


def post(shipment: Shipment) -> None:
    fetch(shipment.request, shipment.workspace)
    rendered = render(shipment.request, shipment.workspace)
    publish(shipment.request, rendered, shipment.workspace)


@pytest.fixture
def url(web: HttpServer, put_secret: PutSecret) -> dict[str, Any]:
    """The Secret with the incoming webhook."""
    web.answer("ok")
    return put_secret("chat", "url", f"{web.url}/services/T000/B000/hidden-token\n")


@pytest.mark.requirement("D6")
def test_what_a_channel_gets(ship: Ship, web: HttpServer, url: dict[str, Any]) -> None:
    text = "*{{ metrics['Bytes <all>'] }}* bytes in <{{ artifacts[1].url }}|the table> of {{ report.title }}"
    shipment = ship(chat(url, text=text), title="A & B", sections=METRIC)
    post(shipment)
    [asked] = web.asked
    assert (asked.method, asked.path) == ("POST", "/services/T000/B000/hidden-token")
    message = json.loads(asked.body)
    kinds = [block["type"] for block in message["blocks"]]
    assert kinds == ["header", "section", "section", "actions", "context"]
    title, body, metrics, actions, context = message["blocks"]
    assert title["text"]["text"] == "A & B"
    assert body["text"]["text"].startswith("*1* bytes in <http")
    assert body["text"]["text"].endswith("|the table> of A &amp; B")
    assert metrics["fields"] == [{"type": "mrkdwn", "text": "Bytes &lt;all&gt;: *1*"}]
    assert [(e["text"]["text"], b"%PDF" in httpx.get(e["url"]).content) for e in actions["elements"]] == [
        ("report.pdf", True),
        ("by_day.csv", False),
    ]
    assert context["elements"][0]["text"].endswith("Report team-a/weekly, run 0b8e-1")
    assert ".invalid" not in asked.body.decode()
    for part in ("*A &amp; B*", "*1* bytes", "|report.pdf>", "|by_day.csv>", "run 0b8e-1"):
        assert part in message["text"], "Mattermost and Rocket.Chat show the text alone"
    assert (shipment.ledger()[0].state, shipment.ledger()[0].remote_id) == (DeliveryState.SENT, "HTTP 200")


def test_a_text_that_comes_out_empty_is_no_block(ship: Ship, web: HttpServer, url: dict[str, Any]) -> None:
    """Slack refuses a message with an empty text in a block (400 invalid_blocks)."""
    post(ship(chat(url, text="{% if metrics %}There are some.{% endif %} "), title="Weekly"))
    [asked] = web.asked
    message = json.loads(asked.body)
    assert [block["type"] for block in message["blocks"]] == ["header", "actions", "context"]
    assert message["text"].startswith("*Weekly*\n<http")


def test_a_channel_that_is_gone(ship: Ship, web: HttpServer, url: dict[str, Any]) -> None:
    web.answer("channel_not_found", status=404)
    shipment = ship(chat(url))
    post(shipment)
    [entry] = shipment.ledger()
    assert entry.last_error == f"{web.url} answered 404 Not Found: channel_not_found"
    assert b"hidden-token" not in b"".join(shipment.stored().values())


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize(("policy", "asked", "state"), [("Hold", 1, "Unknown"), ("Resend", 2, "Sent")])
def test_a_gateway_that_got_no_answer(
    *, ship: Ship, web: HttpServer, url: dict[str, Any], status: int, policy: str, asked: int, state: str
) -> None:
    """The chat behind it may have shown the message, and knows no ids."""
    web.respond = lambda _: Answer(b"timed out", status) if len(web.asked) < 2 else Answer()
    shipment = ship(chat(url) | {"onUnknown": policy})
    post(shipment)
    [entry] = shipment.ledger()
    assert (len(web.asked), entry.state) == (asked, state)
    assert entry.last_error is None or f"answered {status}" in entry.last_error


def test_too_many_messages(ship: Ship, web: HttpServer, url: dict[str, Any]) -> None:
    web.respond = lambda _: Answer(status=429, headers={"Retry-After": "0"}) if len(web.asked) < 2 else Answer(b"ok")
    shipment = ship(chat(url))
    post(shipment)
    assert (len(web.asked), shipment.ledger()[0].state) == (2, DeliveryState.SENT)
