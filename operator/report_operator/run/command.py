"""The command `report-operator render`: what it takes, what it shows, how it ends."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from report_operator.api.conditions import Reason, Stage
from report_operator.api.run import EXIT_INTERNAL_ERROR, EXIT_OK, EXIT_USER_ERROR, Result
from report_operator.api.sources import KeySelector
from report_operator.run.failure import RunError
from report_operator.run.limits import exhausted
from report_operator.run.local import make
from report_operator.run.manifests import ManifestError, Values, load
from report_operator.run.redaction import Redactor

_DOING = {Stage.FETCH: "fetching the rows", Stage.RENDER: "making the documents"}
_STANDARD_INPUT = "-"


def render(files: Sequence[str], target: Path, secrets: Sequence[str], *, as_json: bool) -> int:
    """Make the one Report in the files (`-` is standard input) in the folder; return the exit code.

    Each secret is `name/key=VALUE` or `name/key=@FILE`. Standard output gets the files made: a table on a terminal,
    a path a line elsewhere, an object with `as_json`. Everything else goes to standard error.
    """
    try:
        found = load({name: _read(name) for name in files})
        manifests = replace(found, secrets=found.secrets | _secrets(secrets))
    except ManifestError as error:
        return _failed(Reason.INVALID_SPEC, error.mistakes, EXIT_USER_ERROR, as_json=as_json)
    redact = Redactor(value.decode(errors="replace") for value in manifests.secrets.values())
    try:
        with _Progress(redact) as progress:
            result = make(manifests, target, datetime.now(UTC), progress.begin)
    # The border of the process: whatever goes wrong is told without credentials.
    except Exception as error:  # noqa: BLE001
        failure = error if isinstance(error, RunError) else exhausted(error)
        if failure:
            message = redact(failure.message + _way_out(failure.reason))
            return _failed(failure.reason, [message], failure.exit_code, as_json=as_json)
        if isinstance(error, OSError):  # A folder that cannot be written, a library of the system that is missing
            return _failed(Reason.INTERNAL_ERROR, [redact(str(error))], EXIT_INTERNAL_ERROR, as_json=as_json)
        sys.stderr.write(redact(traceback.format_exc()))
        return _failed(Reason.INTERNAL_ERROR, ["a fault of report-operator"], EXIT_INTERNAL_ERROR, as_json=as_json)
    _show(result, target, as_json=as_json)
    return EXIT_OK


def _read(name: str) -> str:
    if name == _STANDARD_INPUT:
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError([f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from error


def _secrets(arguments: Iterable[str]) -> Values:
    """Return the content of Secrets given as `name/key=VALUE` or `name/key=@FILE`; never repeats a value."""
    values: Values = {}
    for number, argument in enumerate(arguments, 1):
        place, _, value = argument.partition("=")
        name, _, key = place.partition("/")
        try:
            selector = KeySelector(name=name, key=key)
        except ValidationError as error:
            raise ManifestError([f"--secret number {number}: write name/key=VALUE or name/key=@FILE"]) from error
        if value.startswith("@"):
            value = _read(value.removeprefix("@"))
        values[selector.name, selector.key] = value.encode()
    return values


def _way_out(reason: Reason) -> str:
    """Return what helps here beside what helps in a cluster."""
    return {
        Reason.SECRET_NOT_FOUND: "; without a cluster: --secret NAME/KEY=@FILE, or the Secret in a further -f FILE",
        Reason.CONFIG_MAP_NOT_FOUND: "; without a cluster: the ConfigMap in a further -f FILE",
    }.get(reason, "")


class _Progress(logging.Handler):
    """Shows what goes on: a line that changes on a terminal, lines one after the other elsewhere."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(logging.INFO)
        self._redact = redact
        self._console = Console(stderr=True)
        self._status = self._console.status("starting") if self._console.is_terminal else None

    def __enter__(self) -> Self:
        logger = logging.getLogger("report_operator")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
        logging.getLogger("report_operator").removeHandler(self)

    def begin(self, stage: Stage) -> None:
        """Show that a stage begins."""
        self._line(_DOING[stage])

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record of the log."""
        self._line(self._redact(record.getMessage()))

    def _line(self, text: str) -> None:
        if self._status:
            self._status.update(text)
        else:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _show(result: Result, target: Path, *, as_json: bool) -> None:
    console = Console(soft_wrap=True, highlight=False)
    if as_json:
        wire = result.to_wire()
        subject = {"subject": wire["subject"]} if "subject" in wire else {}
        _write_json({"directory": str(target), "files": wire["files"], "metrics": wire["metrics"]} | subject)
    elif console.is_terminal:
        table = Table("File", "Size", "Rows", box=None)
        for file in result.files:
            rows = "" if file.rows is None else f"{file.rows:,}"
            table.add_row(str(target / file.name), decimal(file.size), rows)
        console.print(table)
    else:
        for file in result.files:
            console.print(str(target / file.name), markup=False)


def _failed(reason: Reason, mistakes: Sequence[str], code: int, *, as_json: bool) -> int:
    """Tell why there are no files, one line for each mistake; return the exit code."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for mistake in mistakes:
        console.print("error:", style="bold red", end=" ")
        console.print(mistake if reason is Reason.INVALID_SPEC else f"{reason}: {mistake}", markup=False)
    if as_json:
        _write_json({"failure": {"reason": reason.value, "message": "\n".join(mistakes)}})
    return code


def _write_json(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
