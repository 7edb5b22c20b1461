"""Postfix's smtp-sink: a mail server that forgets what it takes, and is no bottleneck as one in Python would be."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.localcluster import cache
from tests.support.cluster import eventually
from tests.support.ports import free_ports

_CONNECTIONS = 128
_START_SECONDS = 10


@contextmanager
def running() -> Iterator[int]:
    """Run one; yield its port on loopback."""
    package = cache.entry("smtp-sink", cache.digest(Path("/etc/os-release")), _unpack)
    port = free_ports(1)[0]
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    command = [package / "usr/sbin/smtp-sink", *user, f"127.0.0.1:{port}", str(_CONNECTIONS)]
    environment = os.environ | {"LD_LIBRARY_PATH": str(package / "usr/lib/postfix")}
    with subprocess.Popen(command, env=environment) as process:
        try:
            eventually(lambda: _accepts(port), _START_SECONDS, "smtp-sink takes connections")
            yield port
        finally:
            process.terminate()


def _unpack(folder: Path) -> None:
    """Take the program out of Debian's package without installing that, which would start a mail server."""
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "postfix"]
    subprocess.run(download, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    [package] = folder.glob("postfix_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    package.unlink()


def _accepts(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    return True
