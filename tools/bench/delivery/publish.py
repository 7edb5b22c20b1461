"""The stage publish as a process of its own, as the container of a run has it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from report_operator.api.run import Request, Result
from report_operator.run.workspace import Workspace
from tests.support.apiserver import ROOT

_PROGRAM = """
import sys
from pathlib import Path
from report_operator.api.conditions import Stage
from report_operator.run.stage import main
from report_operator.run.workspace import Workspace
code = main(Stage.PUBLISH, Workspace.under(Path(sys.argv[1])), sys.argv[2])
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
sys.exit(code)
"""
"""Tells the most memory that it had, in KiB. For an ended child the kernel tells its parent's, if that had more."""


@dataclass(frozen=True)
class Published:
    """How it went."""

    seconds: float
    """From the start of the process to its end."""
    peak: int
    """Bytes of memory that it had at most."""
    result: Result


def publish(workspace: Workspace, request: Request) -> Published:
    """Run the stage in a workspace that the operator and the stages before have prepared.

    Raises subprocess.CalledProcessError when it fails.
    """
    command = [sys.executable, "-c", _PROGRAM, str(workspace.request.parent), request.digest]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    begun = time.monotonic()
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    seconds = time.monotonic() - begun
    result = Result.model_validate(json.loads(workspace.termination_log.read_bytes())["result"])
    return Published(seconds, int(ended.stdout.split()[-1]) * 1024, result)
