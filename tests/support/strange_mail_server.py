"""A mail server on loopback that answers one client with what it is given, sense or nonsense: a script."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.mail_server import HOST

GOOD = {
    "greeting": b"220 hi\r\n",
    "EHLO": b"250 hi\r\n",
    "MAIL": b"250 OK\r\n",
    "RCPT": b"250 OK\r\n",
    "RSET": b"250 OK\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 2.0.0 taken\r\n",
}
"""Answers to commands, and to a whole mail, that make sense."""


@contextlib.contextmanager
def running(**answers: bytes) -> Iterator[int]:
    """Start a server that gives these answers instead; yield its port.

    It ends the connection after an answer that is cut off, and after that to a mail.
    """
    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=lambda: _converse(listening.accept()[0], GOOD | answers))
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def _converse(client: socket.socket, answers: dict[str, bytes]) -> None:
    with client, client.makefile("rb") as source, contextlib.suppress(ConnectionError):
        client.sendall(answers["greeting"])
        while command := source.readline().decode().strip().upper():
            verb = command.partition(" ")[0]
            answer = answers.get(verb, b"221 bye\r\n")
            client.sendall(answer)
            if not answer.endswith(b"\r\n"):
                return
            if verb == "DATA":
                while (line := source.readline()) not in (b".\r\n", b""):
                    pass
                client.sendall(answers["."] if line else b"")
                return
