"""Tells whether this machine has a container engine, which is then preferred to our own ways."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ANSWER_SECONDS = 10.0


def docker_answers() -> bool:
    """True when a Docker engine is there: the command alone, without an engine, does not count."""
    if not shutil.which("docker"):
        return False
    ask = ("docker", "version", "--format", "{{.Server.Version}}")
    try:
        return subprocess.run(ask, capture_output=True, timeout=ANSWER_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def kind() -> str | None:
    """Path of the real kind when it can work here."""
    program = shutil.which("kind")
    ours = Path(__file__).resolve().parent / "kind"
    if program and Path(program).resolve() != ours and docker_answers():
        return program
    return None
