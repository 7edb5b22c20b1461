"""Publish processes that are killed around a send, or work at the same time: what arrives, and what the ledger says."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from report_operator.api.conditions import Stage
from report_operator.api.deliveries import DeliveryState, Entry
from report_operator.api.run import Request
from report_operator.run.destinations.email import EmailChannel
from report_operator.run.fetch import fetch
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.redeliver import redeliver
from report_operator.run.render import render
from report_operator.run.store import Store
from report_operator.run.workspace import Workspace
from tests.support import http_server, mail_server
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.mail_server import Mail
from tests.support.seaweedfs import SeaweedFS
from tests.support.shipping import OUTPUTS, SOURCES, Shipment

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from report_operator.api.conditions import Stage
from report_operator.api.run import Request
from report_operator.run.stage import main
from report_operator.run.workspace import Workspace
workspace = Workspace.under(Path(sys.argv[2]))
digest = Request.model_validate_json(workspace.request.read_bytes()).digest
sys.exit(main(Stage(sys.argv[1]), workspace, digest))
"""
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "date"}


@dataclass
class Front:
    """A server before the store, which can kill a process before or after it passes a request on."""

    web: HttpServer
    store: SeaweedFS
    process: subprocess.Popen[bytes] | None = None
    kill_before: str = ""
    """Name of an object whose upload is the last thing that the process does, and in vain."""
    kill_after: str = ""
    """The same, with the upload done."""
    passed: list[str] = field(default_factory=list)

    def respond(self, asked: Asked) -> Answer:
        hit = asked.method == "PUT" and self.process is not None
        if hit and self.kill_before and self.kill_before in asked.path and self._is_due(asked):
            self.kill()
        answer = httpx.request(
            asked.method, f"{self.store.endpoint}{asked.path}", headers=asked.headers, content=asked.body
        )
        self.passed.append(f"{asked.method} {asked.path.partition('?')[0].rpartition('/')[2]}")
        if hit and self.kill_after and self.kill_after in asked.path:
            self.kill()
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return Answer(answer.content, answer.status_code, headers)

    def kill(self) -> NoReturn:
        """End the process, and its connection here."""
        self.end()
        raise ConnectionAbortedError

    def _is_due(self, asked: Asked) -> bool:
        """Return whether an upload is the last of its kind: the result is stored before the deliveries, too."""
        return "result.json" not in asked.path or "PUT result.json" in self.passed

    @property
    def is_running(self) -> bool:
        """Return whether the process is still there."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """End the process."""
        assert self.process
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def front(store: SeaweedFS) -> Iterator[Front]:
    with http_server.running() as web:
        before = Front(web, store)
        web.respond = before.respond
        yield before


@pytest.fixture
def shipment(
    front: Front, order: Callable[..., Request], workspace: Workspace, request: pytest.FixtureRequest, web: HttpServer
) -> Shipment:
    """A report for one webhook, whose links lead through the server before the store."""
    policy = request.node.callspec.params.get("policy", "Hold") if hasattr(request.node, "callspec") else "Hold"
    hook = {"name": "hook", "onUnknown": policy, "webhook": {"url": web.url}}
    wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=[hook])
    folder = request.node.name.translate(str.maketrans("[]/ ", "----"))
    made = Shipment.prepare(front.store, wanted, folder, workspace)
    made.write_links(made.links(SeaweedFS(front.web.url)))
    return made


def start(workspace: Workspace, log: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", PROGRAM, Stage.PUBLISH.value, str(workspace.request.parent)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    return subprocess.Popen(command, env=environment, stdout=log)


def publish(workspace: Workspace) -> None:
    """Run publish to its end, as the next attempt of the Job does."""
    with start(workspace) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(
    ("where", "policy", "left", "arrived", "state"),
    [
        ("before the intent", "Hold", "Pending", 1, "Sent"),
        ("after the intent", "Hold", "Unknown", 0, "Unknown"),
        ("after the send", "Hold", "Unknown", 1, "Unknown"),
        ("before the record", "Hold", "Unknown", 1, "Unknown"),
        ("after the record", "Hold", "Sent", 1, "Sent"),
        ("before the result", "Hold", "Sent", 1, "Sent"),
        ("after the intent", "Resend", "Unknown", 1, "Sent"),
        ("after the send", "Resend", "Unknown", 2, "Sent"),
        ("after the record", "Resend", "Sent", 1, "Sent"),
    ],
)
def test_killed(
    *, front: Front, shipment: Shipment, web: HttpServer, where: str, policy: str, left: str, arrived: int, state: str
) -> None:
    """The process gets SIGKILL there. `left` is what the operator finds without another one; that finishes the run."""
    web.answer()
    if where == "after the send":
        web.respond = lambda _: front.kill()
    elif where.startswith("before"):
        front.kill_before = {"the intent": ".intent", "the record": ".record", "the result": "result.json"}[where[7:]]
    else:
        front.kill_after = {"the intent": ".intent", "the record": ".record"}[where[6:]]
    with start(shipment.workspace) as process:
        front.process = process
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not shipment.workspace.termination_log.exists()
    assert [entry.state for entry in shipment.settle()] == [DeliveryState(left)]

    front.process = None
    web.answer()
    publish(shipment.workspace)
    [entry] = shipment.ledger()
    assert (len(web.asked), entry.state) == (arrived, DeliveryState(state))
    assert len({asked.headers["webhook-id"] for asked in web.asked}) <= 1
    publish(shipment.workspace)
    assert (len(web.asked), shipment.ledger()[0].state) == (arrived, DeliveryState(state)), policy


@pytest.mark.requirement("N1")
def test_two_processes_at_once_send_once(shipment: Shipment, web: HttpServer) -> None:
    """The first holds its answer back until the second has ended."""
    ended = threading.Event()

    def respond(_: Asked) -> Answer:
        assert ended.wait(60)
        return Answer()

    web.respond = respond
    with start(shipment.workspace) as first:
        while not web.asked:
            assert first.poll() is None
        publish(shipment.workspace)
        unknown = shipment.ledger()
        ended.set()
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert len(web.asked) == 1
    assert [entry.state for entry in unknown] == [DeliveryState.UNKNOWN]
    assert [entry.state for entry in shipment.ledger()] == [DeliveryState.SENT]


def test_a_delivery_that_failed_is_tried_by_the_next_attempt(shipment: Shipment, web: HttpServer) -> None:
    """What certainly was not taken, for a passing cause, leaves neither intent nor record."""
    links = shipment.links()
    shipment.write_links(links.model_copy(update={"deliver_until": links.expires_at}))
    web.respond = lambda _: Answer(status=503, headers={"Retry-After": "86400"})
    publish(shipment.workspace)
    assert shipment.ledger()[0].state is DeliveryState.FAILED
    web.answer()
    publish(shipment.workspace)
    assert shipment.ledger()[0].state is DeliveryState.SENT


def test_a_claim_whose_answer_was_lost_is_ours(front: Front, shipment: Shipment) -> None:
    """The store keeps the intent, the connection ends, and the second try finds that there is one."""
    lost: list[Any] = []
    passing_on = front.web.respond

    def respond(asked: Asked) -> Answer:
        answer = passing_on(asked)
        if asked.method == "PUT" and not lost:
            lost.append(asked)
            raise ConnectionAbortedError
        return answer

    front.web.respond = respond
    with Store(LinksFile(shipment.workspace.links)) as store:
        mine, other = Ledger(store), Ledger(store)
        entry = Entry(destination="hook")
        assert mine.claim(entry) is None
        assert lost
        held = other.claim(entry)
        assert held
        assert held.state is DeliveryState.UNKNOWN
        mine.release(entry)
        assert other.claim(entry) is None
        other.record(entry.model_copy(update={"state": DeliveryState.SENT}))
        known = mine.claim(entry)
        assert known
        assert known.state is DeliveryState.SENT


@pytest.mark.parametrize("why", ["since the order", "since the start of the pod"])
def test_no_time_is_left(
    order: Callable[..., Request], store: SeaweedFS, workspace: Workspace, web: HttpServer, why: str
) -> None:
    """Of a Job that waited in a queue of Kueue, only the pod's start is known."""
    hook = {"name": "hook", "webhook": {"url": web.url}}
    shipment = Shipment.prepare(
        store, order(outputs=OUTPUTS, sources=SOURCES, destinations=[hook]), f"late-{why[10:13]}", workspace
    )
    if why == "since the order":
        links = shipment.links()
        shipment.write_links(links.model_copy(update={"deliver_until": links.expires_at.replace(year=2020)}))
    else:
        started = time.time() - 27 * 60
        os.utime(workspace.request, (started, started))
    publish(workspace)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts, web.asked) == (DeliveryState.PENDING, 0, [])
    assert "spec.run.timeout" in (entry.last_error or "")


@pytest.mark.requirement("N1")
def test_killed_among_many_mails(
    *, front: Front, order: Callable[..., Request], workspace: Workspace, store: SeaweedFS
) -> None:
    """Killed three times on its way through 60 recipients: nobody gets two mails, and what nobody knows is little."""
    everybody = [f"r{number}@example.com" for number in range(60)]
    with mail_server.running() as server:
        way = {"host": mail_server.HOST, "port": server.port, "encryption": "None"}
        email = {"server": way, "from": "reports@example.com", "bcc": everybody}
        wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=[{"name": "mail", "email": email}])
        shipment = Shipment.prepare(store, wanted, "killed-among-many-mails", workspace)
        fetch(shipment.request, workspace)
        render(shipment.request, workspace)
        server.recipient_answer = lambda to: "550 no such user" if to == everybody[7] else None

        def end(after: int, _: Mail) -> None:
            if len(server.mails) >= after and front.is_running:
                front.end()

        for stop in (5, 20, 45):
            with start(workspace) as process:
                front.process = process
                server.data_answer = partial(end, stop)
                process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
        server.data_answer = lambda _: None
        publish(workspace)
    assert len(set(server.recipients)) == len(server.recipients), "each once"
    states = {entry.recipient: entry.state for entry in shipment.ledger()}
    assert states.pop(everybody[7]) in (DeliveryState.FAILED, DeliveryState.UNKNOWN), "by when the first was killed"
    unknown = [recipient for recipient, state in states.items() if state is DeliveryState.UNKNOWN]
    assert 1 <= len(unknown) <= 3 * EmailChannel.parallel
    assert {state for recipient, state in states.items() if recipient not in unknown} == {DeliveryState.SENT}
    assert set(states) - set(unknown) <= set(server.recipients)


@pytest.mark.requirement("N1")
def test_a_thousand_recipients_and_any_number_of_crashes(
    *, order: Callable[..., Request], workspace: Workspace, store: SeaweedFS, tmp_path: Path
) -> None:
    """37 addresses fail, some for ever, some for a while; the process is killed four times, wherever it is.

    No attempt is left; a redelivery sends the rest. Each recipient is mailed once. Whom nobody knows of are those that
    were on their way when the process was killed.
    """
    everybody = [f"r{number}@example.com" for number in range(1000)]
    for_ever, for_a_while = set(everybody[::50]), set(everybody[25:850:50])
    asked: Counter[str] = Counter()

    def answer(to: str) -> str | None:
        asked[to] += 1
        if to in for_ever:
            return "550 5.1.1 no such user"
        return "451 4.7.1 come again" if to in for_a_while and asked[to] <= 2 else None

    with mail_server.running() as server:
        server.recipient_answer, server.pipelining = answer, True
        way = {"host": mail_server.HOST, "port": server.port, "encryption": "None"}
        email = {"server": way, "from": "reports@example.com", "bcc": everybody}
        wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=[{"name": "mail", "email": email}])
        shipment = Shipment.prepare(store, wanted, "a-thousand-and-crashes", workspace)
        fetch(shipment.request, workspace)
        render(shipment.request, workspace)
        for least in (100, 300, 500, 700):
            with start(workspace, subprocess.DEVNULL) as process:
                while process.poll() is None and len(server.mails) < least:
                    time.sleep(0.01)
                time.sleep(random.uniform(0, 0.1))
                process.kill()
            assert process.returncode == -signal.SIGKILL
        before = {entry.recipient or "": entry.state for entry in shipment.settle()}
        sent, pending = ({to for to, each in before.items() if each == state} for state in ("Sent", "Pending"))
        assert sent <= set(server.recipients)
        assert pending >= set(everybody[900:]) - for_ever
        assert not pending & set(server.recipients)
        again = Workspace.under(tmp_path / "again")
        redeliver(
            shipment.request, shipment.order_again("t1", {DeliveryState.FAILED, DeliveryState.PENDING}, again), again
        )
    assert len(for_ever | for_a_while) == 37
    assert len(set(server.recipients)) == len(server.recipients), "each once"
    states = {entry.recipient or "": entry.state for entry in shipment.ledger()}
    unknown = {recipient for recipient, state in states.items() if state is DeliveryState.UNKNOWN}
    assert len(unknown) <= 4 * EmailChannel.parallel
    assert {to for to, state in states.items() if state is DeliveryState.FAILED} | unknown >= for_ever
    assert {to for to, state in states.items() if state is DeliveryState.SENT} == set(everybody) - for_ever - unknown
    assert not set(server.recipients) & for_ever
    assert set(everybody) - for_ever - unknown <= set(server.recipients)
