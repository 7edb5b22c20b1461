"""A connection to a mail server that takes its time or makes no sense. aiosmtpd does neither, so these are scripts."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from report_operator.api.destinations import MailServer
from report_operator.run.destinations import smtp
from report_operator.run.destinations.outcome import Failed, Sent, Unknown
from report_operator.run.destinations.smtp import Connection, RefusalError
from tests.support import strange_mail_server
from tests.support.mail_server import HOST

MAIL = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * (12 << 20)
SMALL = b"Subject: small\r\n\r\nHello"
READ = 65_536


def converse(peer: socket.socket, pause: float, most: int) -> None:
    """Take one mail, a block each time, and no more than `most` bytes of it."""
    with peer, peer.makefile("rb", buffering=0) as source:
        peer.sendall(b"220 slow\r\n")
        for answer in (b"250 slow\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"):
            source.readline()
            peer.sendall(answer)
        taken, end = 0, b""
        while end != b"\r\n.\r\n" and taken < most:
            block = peer.recv(READ)
            taken, end = taken + len(block), (end + block)[-5:]
            time.sleep(pause)
        if taken < most:
            peer.sendall(b"250 2.0.0 taken\r\n")
        peer.recv(1) if taken < most else time.sleep(2)


@contextmanager
def server(pause: float, most: int = 1 << 30) -> Iterator[MailServer]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ)
        listening.bind((HOST, 0))
        listening.listen()
        thread = threading.Thread(target=lambda: converse(listening.accept()[0], pause, most))
        thread.start()
        port = listening.getsockname()[1]
        yield MailServer.model_validate({"host": HOST, "port": port, "encryption": "None"})
        thread.join()


def sent(to: MailServer) -> object:
    connection = Connection(to, ssl.create_default_context(), None)
    try:
        return connection.send("reports@example.com", "ann@example.com", MAIL)
    finally:
        connection.close()


def test_a_mail_may_take_longer_than_the_server_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_TIMEOUT", 1.0)
    began = time.monotonic()
    with server(pause=0.004) as slow:
        assert sent(slow) == Sent("2.0.0 taken")
    assert time.monotonic() - began > 1.0, "or the test would show nothing"


def test_a_server_that_takes_no_more_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.5)
    with server(pause=0, most=READ) as silent:
        outcome = sent(silent)
    assert isinstance(outcome, Failed)
    assert outcome.passing
    assert re.search(r"ended the connection: timed out", outcome.message)


@contextmanager
def connected(**answers: bytes) -> Iterator[Connection]:
    """Yield a connection to a server that gives these answers."""
    with strange_mail_server.running(**answers) as port:
        to = MailServer.model_validate({"host": HOST, "port": port, "encryption": "None"})
        connection = Connection(to, ssl.create_default_context(), None)
        yield connection
        connection.close()


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"250 2.0.0 taken\r\n", Sent),
        (b"252 2.0.0 taken\r\n", Sent),
        (b"250", Sent),
        (b"452 4.3.1 full\r\n", Failed),
        (b"550 5.7.1 no\r\n", Failed),
        (b"550", Failed),
        (b"", Unknown),
        (b"5", Unknown),
        (b"55", Unknown),
        (b"2", Unknown),
        (b"250-2.0.0 taken\r\n", Unknown),
        (b"garbage\r\n", Unknown),
        (b"354 what\r\n", Unknown),
        (b"150 what\r\n", Unknown),
        (b"999 what\r\n", Unknown),
    ],
)
def test_only_a_whole_yes_is_sent(answer: bytes, outcome: type) -> None:
    """RFC 5321, section 4.2.1: what is neither 2yz, 4yz nor 5yz says nothing of the mail."""
    with connected(**{".": answer}) as connection:
        said = connection.send("reports@example.com", "ann@example.com", SMALL)
        assert isinstance(said, outcome)
        assert connection.is_usable is (outcome is not Unknown)


@pytest.mark.parametrize("hello", [b"250 hi\r\n", b"250-hi\r\n250 PIPELINING\r\n"])
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        *((command, answer) for command in ("MAIL", "RCPT") for answer in (b"354 what\r\n", b"150 what\r\n")),
        *((command, answer) for command in ("MAIL", "RCPT", "DATA") for answer in (b"garbage\r\n", b"999 what\r\n")),
        ("DATA", b"250 taken already\r\n"),
        ("DATA", b"35"),
    ],
)
def test_after_a_command_without_a_valid_answer_nothing_is_sent(hello: bytes, command: str, answer: bytes) -> None:
    with connected(**{"EHLO": hello, command: answer}) as connection:
        said = connection.send("reports@example.com", "ann@example.com", SMALL)
        assert isinstance(said, Failed)
        assert (said.passing, connection.is_usable) == (True, False)
        assert "gives no valid answer to " in said.message


@pytest.mark.parametrize("answer", [b"garbage\r\n", b"2", b"55", b"354 what\r\n"])
@pytest.mark.parametrize("command", ["greeting", "EHLO"])
def test_a_greeting_that_is_none(command: str, answer: bytes) -> None:
    with pytest.raises(RefusalError) as refused, connected(**{command: answer, "HELO": answer}):
        pass
    assert refused.value.outcome.passing
