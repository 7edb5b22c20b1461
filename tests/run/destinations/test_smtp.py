"""A connection to a mail server that takes its time. aiosmtpd reads as fast as it can, so this one is a script."""

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
from report_operator.run.destinations.outcome import Failed, Sent
from report_operator.run.destinations.smtp import Connection
from tests.support.mail_server import HOST

MAIL = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * (12 << 20)
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
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.5)
    began = time.monotonic()
    with server(pause=0.004) as slow:
        assert sent(slow) == Sent("2.0.0 taken")
    assert time.monotonic() - began > 0.5, "or the test would show nothing"


def test_a_server_that_takes_no_more_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.5)
    with server(pause=0, most=READ) as silent:
        outcome = sent(silent)
    assert isinstance(outcome, Failed)
    assert outcome.passing
    assert re.search(r"ended the connection: timed out", outcome.message)
