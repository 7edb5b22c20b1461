"""The mail relay on loopback, and leave to use it."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from report_operator.api.relay import Grant
from report_operator.relay.server import Server, serving
from report_operator.relay.settings import PREFIX, Settings
from tests.support.mail_server import HOST

KEY = "a-key-of-the-operator-and-the-relay-only"
SENDER = "reports@platform.example.com"


def settings(server_port: int, **fields: Any) -> Settings:
    wanted = {"key": KEY, "sender": SENDER, "host": HOST, "port": server_port, "listen_port": 0} | fields
    return Settings.from_env({f"{PREFIX}{name.upper()}": str(value) for name, value in wanted.items()})


@contextmanager
def running(server_port: int, **fields: Any) -> Iterator[Server]:
    server = serving(settings(server_port, **{"encryption": "None"} | fields), HOST)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.pool.close(0.2)


def grant(to: Iterable[str], expires_at: datetime | None = None) -> Grant:
    """Return leave to send to some addresses, for an hour."""
    return Grant.of(KEY.encode(), "team-a", "0b8e-1", expires_at or datetime.now(UTC) + timedelta(hours=1), to)
