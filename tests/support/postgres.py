"""A real PostgreSQL server on loopback, with all its data in a folder that goes with it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.ports import free_ports

SUPERUSER = "postgres"
_START_LIMIT_SECONDS = 60
PASSWORD = "p@ss/wörd:'x"
"""Of the superuser; it has characters that a URL has to encode."""


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int

    def url(self, user: str = SUPERUSER, password: str = PASSWORD, database: str = "postgres") -> str:
        """Return the URL as it belongs into a Secret."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self) -> psycopg.Connection:
        """Return a connection of the superuser that commits each statement."""
        return psycopg.connect(self.url(), autocommit=True)


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """Start a server and end it afterwards. It does not run as root, so root starts it as the user `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="report-operator-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    (folder / "password").write_text(PASSWORD)
    if user:
        shutil.chown(folder, user)
        shutil.chown(folder / "password", user)
    server = Postgres(*free_ports(1))
    initdb = [
        _program("initdb"), f"--pgdata={folder}/data", "--auth=scram-sha-256", f"--username={SUPERUSER}",
        f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
    ]  # fmt: skip
    postgres = [
        "setpriv", "--pdeathsig", "QUIT",  # The kernel ends it when the tests are killed and can no longer do so.
        _program("postgres"), "-D", f"{folder}/data", "-k", str(folder),
        "-c", "listen_addresses=127.0.0.1", "-c", f"port={server.port}", "-c", "fsync=off",
    ]  # fmt: skip
    try:
        subprocess.run(initdb, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(postgres, user=user, cwd="/", stdout=log, stderr=log)
        try:
            _wait_ready(server, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=60)
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL that Debian has installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not versions:
        raise FileNotFoundError("/usr/lib/postgresql is empty: apt-get install postgresql")
    return str(versions[-1] / name)


def _wait_ready(server: Postgres, log: Path) -> None:
    until = time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(psycopg.OperationalError):
            server.connect().close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"PostgreSQL is not ready: {log.read_text(errors='replace')[-2000:]}")
