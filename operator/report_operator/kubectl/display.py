"""What a person sees: tables and progress on a terminal, plain lines elsewhere. Programs get JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from report_operator.api.conditions import Phase
from report_operator.kubectl.download import Advance
from report_operator.kubectl.following import Show
from report_operator.kubectl.report import Artifact, Report

_COLOURS: dict[str, str] = {
    Phase.RUNNING: "cyan",
    Phase.SUCCEEDED: "green",
    Phase.FAILED: "bold red",
    Phase.CANCELLED: "yellow",
}
_TITLE = len("Deliveries") + 1
_WIDE = 10_000
"""Characters of a line that is not on a terminal: nothing is broken there."""


def _console(*, stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def say(text: str) -> None:
    """Tell a person something, on standard error: standard output is for results."""
    _console(stderr=True).print(text)


def fail(text: str) -> None:
    """Tell an error."""
    _console(stderr=True).print(Text.assemble(("error:", "bold red"), " ", text))


def write_json(content: dict[str, Any]) -> None:
    """Write a result for programs."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def write_lines(lines: Sequence[str]) -> None:
    """Write a result, a line each."""
    console = _console()
    for line in lines:
        console.print(line)


def write_reports(reports: Sequence[Report]) -> None:
    """Write how runs stand, a line each."""
    console = _console()
    if console.is_terminal:
        console.print(_table(reports))
        return
    with console.capture() as written:
        console.print(_table(reports))
    write_lines([line.rstrip() for line in written.get().splitlines()])


@contextmanager
def progress_of_runs() -> Iterator[Show]:
    """Show how runs get on: a table that changes on a terminal, a line for each change elsewhere; on standard error."""
    console = _console(stderr=True)
    if console.is_terminal:
        with Live(console=console, transient=True) as live:
            yield lambda reports: live.update(_table(reports))
        return
    known: dict[str, str] = {}

    def show(reports: Sequence[Report]) -> None:
        for report in reports:
            if known.get(report.name) != report.state:
                known[report.name] = report.state
                console.print(f"{report.name}: {report.state}")

    yield show


@contextmanager
def progress_of_download(artifacts: Sequence[Artifact]) -> Iterator[Advance]:
    """Show how far a download is, on a terminal."""
    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("downloading", total=sum(artifact.size for artifact in artifacts))
        yield lambda count: progress.advance(task, count)


def write_files(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> None:
    """Write which files there are now: a table on a terminal, a path a line elsewhere."""
    console = _console()
    if not console.is_terminal:
        write_lines([str(path) for path in paths])
        return
    table = Table("File", "Size", box=None, pad_edge=False)
    for path, artifact in zip(paths, artifacts, strict=True):
        table.add_row(str(path), decimal(artifact.size))
    console.print(table)


def write_status(report: Report, flags: Sequence[str], now: datetime) -> None:
    """Write everything that one wants to know of a Report; `flags` are those for further commands.

    A line is not broken, so that a command in it can be copied.
    """
    console = _console()
    for title, content in _facts(report, flags, now):
        if content:
            console.print(Text.assemble((f"{title:<{_TITLE}}", "bold"), content))


def _facts(report: Report, flags: Sequence[str], now: datetime) -> Iterator[tuple[str, str | Text]]:
    arguments = " ".join(_with_namespace(flags, report.namespace))
    period, job = report.period, report.text("jobName")
    yield "Report", f"{report.name} in namespace {report.namespace}"
    yield "Phase", Text(report.state, style=_COLOURS.get(report.phase, ""))
    if report.is_observed:
        yield "Reason", report.text("reason")
        yield "Message", report.text("message")
        yield "Attempt", report.text("attempt")
    yield "Subject", "{label}, id {id}".format_map(report.subject) if report.subject else ""
    yield "Period", f"{period['start']} to {period['end']}" if period else ""
    yield "Queue", _queue(report)
    yield "Started", _time(report.text("startTime"), now)
    yield "Ended", _time(report.text("completionTime"), now)
    yield "Same as", report.text("sameAs")
    yield "Run", report.text("runID")
    yield "Job", job
    if job and report.phase != Phase.CANCELLED:  # The Job and its logs are gone then.
        yield "Logs", f"kubectl logs {arguments} job/{job} --all-containers"
    yield "Deliveries", f"\n{' ' * _TITLE}".join(_deliveries(report.deliveries))
    if report.artifacts:
        yield "Files", f"\n{' ' * _TITLE}".join(_files(report.artifacts, now))
        yield "Download", f"kubectl report download {arguments} {report.name}"


def _deliveries(deliveries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what became of each destination."""
    for each in deliveries:
        counts = (f"{each[state]} {state}" for state in ("sent", "failed", "unknown", "pending") if each.get(state))
        error = f": {each['lastError']}" if each.get("lastError") else ""
        yield f"{each['name']}: {', '.join(counts)}{error}"


def _with_namespace(flags: Sequence[str], namespace: str) -> Sequence[str]:
    return [*(flag for flag in flags if not flag.startswith("--namespace=")), f"--namespace={namespace}"]


def _queue(report: Report) -> str:
    if "position" not in report.queue:
        return ""
    seconds = report.queue.get("estimatedWaitSeconds")
    wait = f", about {_length(seconds)} to wait" if seconds is not None else ""
    return f"position {report.queue['position']}{wait}"


def _time(text: str, now: datetime) -> str:
    return f"{text} ({_length((now - datetime.fromisoformat(text)).total_seconds())} ago)" if text else ""


def _files(artifacts: Sequence[Artifact], now: datetime) -> Iterator[str]:
    """Yield name, size and link of each file, one below the other."""
    longest = max(len(artifact.name) for artifact in artifacts)
    for artifact in artifacts:
        yield f"{artifact.name:<{longest}}  {decimal(artifact.size):>10}  {_link(artifact.expires_at, now)}"


def _link(expiry: datetime | None, now: datetime) -> str:
    if expiry is None:
        return "no link"
    left = (expiry - now).total_seconds()
    until = expiry.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"link until {until} ({_length(left)} left)" if left > 0 else f"link ended at {until}"


def _length(seconds: float) -> str:
    """Return a length of time as kubectl writes an age: 42s, 17m, 5h, 3d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _table(reports: Sequence[Report]) -> Table:
    table = Table(box=None, pad_edge=False)
    about = ("Subject",) if any(report.subject for report in reports) else ()
    for title in ("Report", *about, "State", "Files", "Message"):
        table.add_column(title, no_wrap=title == "Report")
    for report in reports:
        state = Text(report.state, style=_COLOURS.get(report.phase, ""))
        message = report.text("message") if report.is_observed else ""
        labels = [report.subject.get("label", "") for _ in about]
        table.add_row(report.name, *labels, state, str(len(report.artifacts) or ""), message)
    return table
