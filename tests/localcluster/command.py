"""Runs other programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import LocalClusterError

LINES_SHOWN = 25

# A plain user's PATH has no sbin, and su keeps it so.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"])


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    `env` is added to this process's environment. Raises LocalClusterError with the command and the end of its
    output when it is missing or fails.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env={**os.environ, "PATH": PATH, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise LocalClusterError(f"{words[0]} is not installed") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LINES_SHOWN:])
        raise LocalClusterError(f"`{' '.join(words)}` ended with code {done.returncode}:\n{tail}")
    return done.stdout
