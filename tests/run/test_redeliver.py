"""A redelivery after a run, with a real store, mail server and web server: who gets what, with which ids and links."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason, Stage
from report_operator.api.deliveries import DeliveryState
from report_operator.api.redelivery import MESSAGES_FILE, RedeliveryOrder
from report_operator.api.run import RESULT_FILE, Message, Outcome, Request, Result
from report_operator.run.failure import RunError
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.publish import publish
from report_operator.run.redeliver import redeliver
from report_operator.run.store import Store
from report_operator.run.workspace import Workspace
from tests.support import mail_server
from tests.support.http_server import Answer, HttpServer
from tests.support.mail_server import MailServer
from tests.support.seaweedfs import BUCKET, SeaweedFS
from tests.support.shipping import FILES, OUTPUTS, SOURCES, Shipment

FAILED = frozenset({DeliveryState.FAILED, DeliveryState.PENDING})
UNKNOWN = FAILED | {DeliveryState.UNKNOWN}
PROGRAM = """
import sys
from pathlib import Path
from report_operator.api.conditions import Stage
from report_operator.api.run import Request
from report_operator.run.stage import main
from report_operator.run.store import Store
from report_operator.run.workspace import Workspace
workspace = Workspace.under(Path(sys.argv[2]))
digest = Request.model_validate_json(workspace.request.read_bytes()).digest
sys.exit(main(Stage(sys.argv[1]), workspace, digest))
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr("report_operator.run.store._LONGEST_WAIT", 0)
    monkeypatch.setattr("report_operator.run.delivery._LONGEST_WAIT", 0)


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


class Again:
    """A run that was published, and the redeliveries after it, each in a pod of its own."""

    def __init__(self, shipment: Shipment, folder: Path) -> None:
        self.shipment = shipment
        self._folder = folder
        self.published = publish(shipment.request, shipment.rendered, shipment.workspace)

    def prepare(self, token: str, states: frozenset[DeliveryState] = FAILED) -> tuple[RedeliveryOrder, Workspace]:
        """Return what the operator has written, and the new workspace where it is."""
        workspace = Workspace.under(self._folder / token)
        return self.shipment.order_again(token, states, workspace), workspace

    def send(self, token: str, states: frozenset[DeliveryState] = FAILED) -> Result:
        return redeliver(self.shipment.request, *self.prepare(token, states))

    def states(self) -> dict[str, str]:
        """Return the state of each entry in the ledger, by recipient or destination."""
        return {entry.recipient or entry.destination: entry.state for entry in self.shipment.ledger()}


@pytest.fixture
def ship(
    store: SeaweedFS,
    order: Callable[..., Request],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Again]:
    """Publish to destinations: `ship({"name": …, "webhook": {…}})`."""

    def prepare(*destinations: dict[str, Any]) -> Again:
        wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=list(destinations))
        shipment = Shipment.prepare(store, wanted, request.node.name, Workspace.under(tmp_path))
        message = Message(
            subject="Weekly", text="See https://links.invalid/report.pdf/", html="<p>", attachments=["report.pdf"]
        )
        mails = {each["name"]: message for each in destinations if "email" in each}
        whole = shipment.rendered.model_copy(update={"messages": mails})
        monkeypatch.setattr(Shipment, "rendered", property(lambda _: whole))
        return Again(shipment, tmp_path)

    return prepare


def mails_to(post: MailServer, *recipients: str) -> dict[str, Any]:
    server = {"host": mail_server.HOST, "port": post.port, "encryption": "None"}
    return {"name": "mails", "email": {"server": server, "from": "reports@example.com", "to": list(recipients)}}


@pytest.mark.requirement("N1")
def test_only_who_did_not_get_the_mail_gets_it_with_the_same_id_and_a_fresh_link(
    ship: Callable[..., Again], post: MailServer
) -> None:
    post.recipient_answer = lambda address: "550 no such user" if address.startswith("bob") else None
    again = ship(mails_to(post, "ann@example.com", "bob@example.com", "eve@example.com"))
    assert again.states() == {"ann@example.com": "Sent", "bob@example.com": "Failed", "eve@example.com": "Sent"}
    before = {entry.recipient: entry for entry in again.shipment.ledger()}
    post.recipient_answer = lambda _: None
    result = again.send("t1")
    assert sorted(post.recipients) == ["ann@example.com", "bob@example.com", "eve@example.com"]
    assert post.recipients[-1] == "bob@example.com"
    assert [(each.state, each.sent) for each in result.deliveries] == [("Sent", 3)]
    mail = post.mails[-1].message
    assert mail["Message-ID"] == f"<{again.shipment.request.run_id}-{before['bob@example.com'].id}@example.com>"
    assert mail["To"] == "ann@example.com, bob@example.com, eve@example.com"
    assert "&fresh=t1" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    [attachment] = mail.iter_attachments()
    assert attachment.get_content() == FILES["report.pdf"]
    after = {entry.recipient: entry for entry in again.shipment.ledger()}
    assert after["ann@example.com"] == before["ann@example.com"]
    assert Result.model_validate_json(again.shipment.stored()[RESULT_FILE]) == result
    kept = again.published.model_copy(update={"deliveries": result.deliveries, "ledger": result.ledger})
    assert result == kept


def test_a_webhook_gets_its_id_again_and_needs_no_file(ship: Callable[..., Again], web: HttpServer) -> None:
    web.answer("gone", status=410)
    again = ship({"name": "hook", "webhook": {"url": web.url}})
    web.answer()
    result = again.send("t1")
    assert again.states() == {"hook": "Sent"}
    first, second = web.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [file["sha256"] for file in json.loads(second.body)["artifacts"]] == [f.sha256 for f in result.files]
    assert not (again.prepare("t2")[1].outputs).exists()


def test_what_is_unknown_is_sent_when_that_is_asked_for(ship: Callable[..., Again], post: MailServer) -> None:
    post.drop_after_data = lambda mail: mail.recipients == ["bob@example.com"]
    again = ship(mails_to(post, "ann@example.com", "bob@example.com"))
    assert again.states() == {"ann@example.com": "Sent", "bob@example.com": "Unknown"}
    post.drop_after_data = lambda _: False
    assert again.prepare("t1")[0].again == []
    again.send("t2", UNKNOWN)
    assert again.states() == {"ann@example.com": "Sent", "bob@example.com": "Sent"}
    ids = [mail.message["Message-ID"] for mail in post.mails if mail.recipients == ["bob@example.com"]]
    assert (len(ids), len(set(ids))) == (2, 1)


def test_everything_again(ship: Callable[..., Again], post: MailServer) -> None:
    again = ship(mails_to(post, "ann@example.com", "bob@example.com"))
    again.send("t1", frozenset(DeliveryState))
    assert sorted(post.recipients) == ["ann@example.com"] * 2 + ["bob@example.com"] * 2
    assert again.states() == {"ann@example.com": "Sent", "bob@example.com": "Sent"}


def test_the_same_request_again_sends_nothing_again(ship: Callable[..., Again], web: HttpServer) -> None:
    """A second pod of its Job, or a second Job: both have its ledger."""
    web.answer("gone", status=410)
    again = ship({"name": "hook", "webhook": {"url": web.url}})
    web.answer()
    prepared = again.prepare("t1")
    redeliver(again.shipment.request, *prepared)
    result = redeliver(again.shipment.request, *prepared)
    assert len(web.asked) == 2
    assert result.deliveries[0].state == "Sent"
    again.send("t2", frozenset(DeliveryState))
    assert len(web.asked) == 3


def test_a_file_that_is_not_what_the_run_has_made_is_not_sent(ship: Callable[..., Again], post: MailServer) -> None:
    post.recipient_answer = lambda _: "550 no such user"
    again = ship(mails_to(post, "ann@example.com"))
    post.recipient_answer = lambda _: None
    key = f"{again.shipment.folder}/report.pdf"
    client = again.shipment.store.client()
    client.put_object(Bucket=BUCKET, Key=key, Body=b"x" * len(FILES["report.pdf"]))
    with pytest.raises(RunError, match=r"report.pdf in the store is not what the run has made") as caught:
        again.send("t1")
    assert caught.value.reason is Reason.ARTIFACT_MISSING
    client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(RunError, match=r"report.pdf of the run is not in the store any more"):
        again.send("t2")
    assert post.mails == []
    assert again.states() == {"ann@example.com": "Failed"}


def test_large_files_are_read_piece_by_piece(
    ship: Callable[..., Again], post: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report_operator.run.kept.PIECE", 4)
    post.recipient_answer = lambda _: "550 no such user"
    again = ship(mails_to(post, "ann@example.com"))
    post.recipient_answer = lambda _: None
    _, workspace = prepared = again.prepare("t1")
    redeliver(again.shipment.request, *prepared)
    assert (workspace.outputs / "report.pdf").read_bytes() == FILES["report.pdf"]


@pytest.mark.requirement("N1")
def test_a_killed_redelivery_is_unknown_and_not_sent_twice(ship: Callable[..., Again], web: HttpServer) -> None:
    web.respond = lambda asked: Answer() if asked.path == "/good" else Answer(b"gone", 410)
    again = ship({"name": "hook", "webhook": {"url": web.url}}, {"name": "good", "webhook": {"url": f"{web.url}/good"}})
    web.asked.clear()
    _, workspace = again.prepare("t1")
    command = [sys.executable, "-c", PROGRAM, Stage.REDELIVER.value, str(workspace.request.parent)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

    def end(_: object) -> Answer:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return Answer()

    web.respond = end
    process.communicate()
    assert again.states() == {"hook": "Failed", "good": "Sent"}
    again.shipment.settle("t1")
    assert again.states() == {"hook": "Unknown", "good": "Sent"}
    web.answer()
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    outcome = Outcome.model_validate_json(workspace.termination_log.read_bytes())
    assert outcome.result is not None
    assert outcome.result.deliveries[0].state == "Unknown"
    assert len(web.asked) == 1
    again.send("t2", UNKNOWN)
    assert again.states() == {"hook": "Sent", "good": "Sent"}
    assert len({asked.headers["webhook-id"] for asked in web.asked}) == 1
    assert len(web.asked) == 2


def test_a_killed_redelivery_leaves_alone_what_it_has_not_begun(ship: Callable[..., Again], post: MailServer) -> None:
    """Of three that had failed, one is sent, one is killed on its way, one is still as it was."""
    post.recipient_answer = lambda _: "550 no such user"
    again = ship(mails_to(post, *(f"{name}@example.com" for name in ("ann", "bob", "eve", "joe"))))
    post.recipient_answer = lambda address: None if address.startswith("joe") else "550 no such user"
    again.send("t1")
    order, workspace = again.prepare("t2")
    ann, bob, eve = (entry for entry in again.shipment.ledger() if entry.id in order.again)
    with Store(LinksFile(workspace.links)) as store:
        ledger = Ledger(store)
        for entry in (ann, bob):
            assert ledger.claim(entry) is None
        ledger.record(ann.model_copy(update={"state": DeliveryState.SENT, "last_error": None}))
    assert again.shipment.settle("t2")[2] == eve
    by_name = {to.partition("@")[0]: state for to, state in again.states().items()}
    assert by_name == {"ann": "Sent", "bob": "Unknown", "eve": "Failed", "joe": "Sent"}
    assert again.prepare("t3")[0].again == [eve.id]


@pytest.mark.requirement("N1")
def test_a_later_attempt_of_the_run_delivers_what_the_first_has_stored(
    ship: Callable[..., Again], post: MailServer, web: HttpServer
) -> None:
    """Figures have changed meanwhile: all recipients get the same ones all the same, and the files stay."""
    post.recipient_answer = lambda address: "451 come again" if address.startswith("bob") else None
    web.answer("come again", status=503)
    again = ship(mails_to(post, "ann@example.com", "bob@example.com"), {"name": "hook", "webhook": {"url": web.url}})
    assert again.states() == {"ann@example.com": "Sent", "bob@example.com": "Failed", "hook": "Failed"}
    before = again.shipment.stored()
    for name in FILES:
        (again.shipment.workspace.outputs / name).write_bytes(b"other figures")
    later = again.shipment.rendered.model_copy(update={"metrics": {"Flights": "0"}, "messages": {}})
    post.recipient_answer = lambda _: None
    web.answer()
    result = publish(again.shipment.request, later, again.shipment.workspace)
    assert {each.state for each in result.deliveries} == {"Sent"}
    assert (result.files, result.metrics) == (again.published.files, again.published.metrics)
    after = again.shipment.stored()
    assert {name: after[name] for name in (*FILES, MESSAGES_FILE)} == {
        name: before[name] for name in (*FILES, MESSAGES_FILE)
    }
    assert post.recipients == ["ann@example.com", "bob@example.com"]
    assert [part.get_content() for mail in post.mails for part in mail.message.iter_attachments()] == [
        FILES["report.pdf"]
    ] * 2
    told = json.loads(web.asked[-1].body)
    assert [file["sha256"] for file in told["artifacts"]] == [file.sha256 for file in again.published.files]
    assert told["metrics"] == again.published.metrics
