"""The log of a stage: one JSON object a line on standard output."""

import json
import logging
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

_QUIET = ("httpx", "httpcore", "fontTools", "weasyprint")
"""Loggers that tell of every single thing; httpx would tell signed links."""
_TAIL, _TAIL_LINE = 10, 200
"""Lines of the tail, and characters of each."""


class JsonFormatter(logging.Formatter):
    """Writes time (UTC, RFC 3339), level, logger and message of a record, and the same fields on each line."""

    def __init__(self, fields: Mapping[str, str], redact: Callable[[str], str]) -> None:
        """Take the fields of each line, and what takes credentials out of messages and tracebacks."""
        super().__init__()
        self._fields = fields
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
            **self._fields,
        }
        if record.exc_info:
            content["exception"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(content, ensure_ascii=False)


class Tail(logging.Handler):
    """Remembers the last records: time (UTC), level and message, without tracebacks."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact
        self._records: deque[logging.LogRecord] = deque(maxlen=_TAIL)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a record; most are never asked for."""
        self._records.append(record)

    @property
    def lines(self) -> list[str]:
        """Return what is remembered, oldest first."""
        return list(map(self._line, self._records))

    def _line(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        message = " ".join(self._redact(record.getMessage()).split())
        return f"{time:%H:%M:%S} {record.levelname.lower()} {message}"[:_TAIL_LINE]


def configure(fields: Mapping[str, str], redact: Callable[[str], str]) -> Tail:
    """Send all records of this process, warnings of Python too, to standard output; return their tail."""
    handler, tail = logging.StreamHandler(sys.stdout), Tail(redact)
    handler.setFormatter(JsonFormatter(fields, redact))
    logging.basicConfig(level=logging.INFO, handlers=[handler, tail], force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return tail
