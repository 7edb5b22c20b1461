"""A real PostgreSQL server on loopback, with all its data in a folder that goes with it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.ports import free_ports

SUPERUSER = "postgres"
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
    try:
        _run(user, "initdb", f"--pgdata={folder}/data", "--auth=scram-sha-256", f"--username={SUPERUSER}",
             f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        options = f"-c listen_addresses=127.0.0.1 -c port={server.port} -c fsync=off -k {folder}"
        control = ["pg_ctl", f"--pgdata={folder}/data", "--wait", f"--log={folder}/log"]
        _run(user, *control, "start", f"--options={options}")
        try:
            yield server
        finally:
            _run(user, *control, "stop", "--mode=immediate")
    finally:
        shutil.rmtree(folder)


def _run(user: str | None, program: str, *arguments: str) -> None:
    """Run a program of the newest PostgreSQL that Debian has installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not versions:
        raise FileNotFoundError("/usr/lib/postgresql is empty: apt-get install postgresql")
    command = [str(versions[-1] / program), *arguments]
    subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60)
