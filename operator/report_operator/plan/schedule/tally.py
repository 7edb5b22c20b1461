"""Counts of slots without a Report, with the last reason."""

from datetime import datetime

from report_operator.api.schedule_conditions import SlotReason
from report_operator.api.schedule_status import Tally

_MESSAGE = 2048


def add(tally: Tally, count: int, reason: SlotReason, message: str, last: datetime) -> Tally:
    """Return the tally with so many slots more, the last of which is `last`; the same one for none."""
    if count == 0:
        return tally
    last_slot = max(last, tally.last_slot or last)
    return Tally(count=tally.count + count, reason=reason, message=cut(message), last_slot=last_slot)


def cut(message: str) -> str:
    """Return a message, cut to the length that fits the status."""
    return message if len(message) <= _MESSAGE else message[: _MESSAGE - 1] + "…"
