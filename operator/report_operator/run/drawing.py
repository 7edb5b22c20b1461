"""Charts being drawn beside the rest of the work."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType

from markupsafe import Markup

from report_operator.api.conditions import Reason
from report_operator.run import charts
from report_operator.run.document import ChartContent
from report_operator.run.failure import RunError
from report_operator.run.limits import OUT_OF_MEMORY

_PROGRAM = Path(__file__).with_name("vega.py")
_OUT_OF_MEMORY_SIGNALS = (-signal.SIGKILL, -signal.SIGABRT, -signal.SIGTRAP, -signal.SIGSEGV, -signal.SIGILL)
"""How the kernel ends a process without memory, and how V8 ends itself."""


class Drawings(AbstractContextManager["Drawings"]):
    """The pictures of charts, drawn by a process of their own; a context manager that ends it."""

    def __init__(self, wanted: Mapping[str, ChartContent]) -> None:
        """Start to draw charts; the keys tell them apart, and the ids in their pictures."""
        self._wanted = wanted
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: Future[tuple[bytes, bytes]] | None = None
        if wanted:
            specifications = json.dumps([charts.specification(chart) for chart in wanted.values()])
            self._process = subprocess.Popen(  # noqa: S603 - a program of ours
                [sys.executable, "-I", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self._answer = self._pool.submit(self._process.communicate, specifications.encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
        self._pool.shutdown()

    def element(self, key: str) -> Markup:
        """Return a chart as an SVG element; waits for all charts to be drawn. Raises RunError (OutOfMemory)."""
        return charts.element(self._svgs[key], self._wanted[key], key)

    @cached_property
    def _svgs(self) -> Mapping[str, str]:
        if self._process is None or self._answer is None:
            return {}
        answer, complaint = self._answer.result()
        if self._process.returncode in _OUT_OF_MEMORY_SIGNALS:
            raise RunError(Reason.OUT_OF_MEMORY, f"drawing the charts: {OUT_OF_MEMORY}")
        if self._process.returncode != 0:
            raise RuntimeError(f"vl-convert failed: {complaint.decode(errors='replace')}")
        return dict(zip(self._wanted, json.loads(answer), strict=True))
