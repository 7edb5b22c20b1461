"""How long a server asks to wait: the header Retry-After (RFC 9110, section 10.2.3)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds(value: str | None, now: datetime) -> float:
    """Return the seconds from `now` that a Retry-After says, as a number or a date; 0 when it says neither."""
    if value is None:
        return 0
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # The second of years and zones that are longer than a number in C.
        return 0
    return max((until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds(), 0)
