"""Log records as one JSON object a line."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_QUIET = ("kopf.objects", "aiohttp.access", "botocore", "urllib3")
"""Loggers that tell of every single thing."""
_FIELDS = ("report", "scheduled_report", "run_id")
"""What a record may carry in `extra`."""


class JsonFormatter(logging.Formatter):
    """Writes time (UTC, RFC 3339), level, logger, message, and what it is about where the record says that."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {field: value for field in _FIELDS if (value := getattr(record, field, None)) is not None}
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


def configure(level: str) -> None:
    """Send all records of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
