"""The log of a stage: one JSON object a line on standard output."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

_QUIET = ("httpx", "httpcore", "fontTools", "weasyprint")
"""Loggers that tell of every single thing; httpx would tell signed links."""


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


def configure(fields: Mapping[str, str], redact: Callable[[str], str]) -> None:
    """Send all records of this process, warnings of Python too, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(fields, redact))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
