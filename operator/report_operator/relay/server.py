"""The relay as a process: listens, and ends in good order."""

import contextlib
import logging
import os
import signal
import smtplib
import socket
import socketserver
import ssl
import sys
import threading

from report_operator.relay.conversation import Conversation
from report_operator.relay.gate import Gate
from report_operator.relay.places import Places
from report_operator.relay.settings import Settings, SettingsError
from report_operator.relay.upstream import Pool
from report_operator.run import log
from report_operator.run.destinations.smtp import Account, opened
from report_operator.run.redaction import Redactor

_IDLE = 120.0
"""Seconds that a run may be silent."""
_STOP = 25.0
"""Seconds that mails on their way have at the end; the pod's terminationGracePeriodSeconds is longer."""

_log = logging.getLogger(__name__)


class Server(socketserver.ThreadingTCPServer):
    """Listens for runs."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], gate: Gate, pool: Pool) -> None:
        if not address[0] and socket.has_dualstack_ipv6():
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.gate = gate
        self.pool = pool
        self.places = Places()

    def server_bind(self) -> None:
        """Take connections by both versions of IP."""
        if self.address_family is socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong in a conversation; a connection that was lost is no news."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("a fault of report-operator in a conversation with %s", client_address, exc_info=error)


class _Handler(socketserver.StreamRequestHandler):
    server: Server
    timeout = _IDLE
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle(self) -> None:
        address = self.client_address[0]
        if not self.server.places.take(address):
            self.wfile.write(b"421 4.3.2 too many connections\r\n")
            return
        try:
            Conversation(self.rfile, self.wfile, self._hang_up, self.server.gate, self.server.pool).run()
        finally:
            self.server.places.leave(address)

    def finish(self) -> None:
        """Close both ways: an answer that cannot be sent any more must not keep the other open."""
        with contextlib.suppress(OSError):
            self.wfile.close()
        self.rfile.close()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):  # The run may have done so itself.
            self.connection.shutdown(socket.SHUT_RDWR)


def serving(settings: Settings, address: str = "") -> Server:
    """Return a server that listens; its `serve_forever` answers."""
    trust = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    account = Account(settings.username, settings.password) if settings.username else None

    def connect() -> smtplib.SMTP:
        return opened(settings.server, trust, account)

    gate = Gate(settings.key.encode(), settings.sender)
    return Server((address, settings.listen_port), gate, Pool(connect, settings.connections))


def main() -> None:
    """Run the relay until SIGTERM; exits with 78 (sysexits EX_CONFIG) when the settings are wrong."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(os.EX_CONFIG)
    log.configure({}, Redactor([settings.password, settings.key]))
    server = serving(settings)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    _log.info("mails from %s go to %s:%d", settings.sender, settings.host, settings.server.chosen_port)
    server.serve_forever()
    server.server_close()
    server.pool.close(_STOP)
