"""Starts the stand-ins for the clouds' stores on loopback, and ends them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

_START_LIMIT_SECONDS = 60


@contextlib.contextmanager
def serving(command: Sequence[str | Path], url: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server, which writes to `log`, from when it answers at `url` to the end of the context."""
    # The kernel ends it when the tests are killed and can no longer do so.
    words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env=os.environ | (env or {}), stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    try:
        _wait(url, process, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, verify=False)
            return
        time.sleep(0.1)
    raise TimeoutError(f"no answer at {url}: {log.read_text(errors='replace')[-2000:]}")
