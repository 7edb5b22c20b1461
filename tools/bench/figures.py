"""Figures, and the tables they are shown in: Markdown for people, JSON for programs."""

import math
import os
import platform
import statistics
import subprocess
import textwrap
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.apiserver import ROOT

_WIDTH = 120
_LOAD_BEFORE = os.getloadavg()[1]
"""Processes that wanted a core in the five minutes before: more than 0 means that others were at work."""

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """What was measured, in rows. The first column says what; None is a figure that there is not."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_markdown(self) -> str:
        """Return it for people: two decimals, thousands in groups."""
        lines = [self.head, ["---"] * len(self.head), *([_shown(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_json(self) -> list[dict[str, Cell]]:
        """Return an object for each row."""
        return [dict(zip(self.head, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, what it is about, tables, and what is to be said about them."""

    heading: str
    intro: str
    tables: tuple[Table, ...]
    notes: str = ""

    def to_markdown(self) -> str:
        """Return the body, without the heading."""
        tables = (table.to_markdown() for table in self.tables)
        parts = [_filled(self.intro), _filled(measured()), *tables, _filled(self.notes)]
        return "\n\n".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """Return heading, circumstances and figures."""
        tables = [table.to_json() for table in self.tables]
        return {"heading": self.heading, "measured": measured(), "tables": tables, "notes": self.notes}


def quantile(values: Collection[float], share: float) -> float:
    """Return the nearest-rank quantile: the least value that so large a share of the values does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def spread(values: Collection[float]) -> tuple[float, float, float]:
    """Return median, least and greatest."""
    return statistics.median(values), min(values), max(values)


def tail(values: Collection[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the greatest."""
    return quantile(values, 0.5), quantile(values, 0.99), max(values)


def measured() -> str:
    """Return when, of which commit and on what machine, as a sentence."""
    commit = _git("rev-parse", "--short=10", "HEAD")
    # The page itself changes from benchmark to benchmark.
    edited = " with uncommitted changes" if _git("status", "--porcelain", "--", ":!docs/benchmarks.md") else ""
    return (
        f"Measured on {datetime.now(UTC).date().isoformat()} at commit {commit}{edited} on {machine()}; load average "
        f"before it began {_LOAD_BEFORE:.1f}."
    )


def machine() -> str:
    """Return what the figures were measured on."""
    memory = Path("/proc/meminfo").read_text().split()[1]
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ": unknown")
    cores = len([line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    return f"{cores} cores ({cpu.split(': ')[1]}), {int(memory) >> 20} GiB, Linux {platform.release()}"


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
