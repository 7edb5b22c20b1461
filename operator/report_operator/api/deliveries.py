"""What became of each delivery: the words of the ledger, and what the status shows of them."""

from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import INT32, LIST_ATOMIC, Model, Time

PROBLEMS_SHOWN = 10
"""Entries of one destination that the status shows; the ledger has all."""
ERROR_LENGTH = 500
"""Characters of an error in ledger and status."""
REMOTE_ID_LENGTH = 200
"""Characters of what the other side calls a delivery."""

RESULT_MARGIN = timedelta(minutes=4)
"""From the last moment at which a delivery may begin to the Job's deadline, at most: what has begun may have to wait
for answers (run/destinations/smtp.py), and then the result has to be stored."""

_Count = Annotated[int, Field(ge=0), INT32]
_Error = Annotated[str, Field(max_length=ERROR_LENGTH)]


class DeliveryState(StrEnum):
    """What is known of one delivery, or of all deliveries of a destination: the worst of them."""

    PENDING = "Pending"
    """Not sent: the run ended before its turn came."""
    SENT = "Sent"
    """The other side has taken it."""
    FAILED = "Failed"
    """Not sent: refused, or out of reach until the run had to end."""
    UNKNOWN = "Unknown"
    """Begun, but its end is not known: sent or not."""


class Entry(Model):
    """One delivery of a run: to a recipient of a destination."""

    destination: str
    """Name of the destination."""
    recipient: str | None = None
    """Address; not set where the destination itself is the recipient."""
    state: DeliveryState = DeliveryState.PENDING
    """What is known."""
    attempts: int = 0
    """Sends of the process that wrote this."""
    time: Time | None = None
    """When the last of them ended."""
    remote_id: Annotated[str, Field(max_length=REMOTE_ID_LENGTH)] | None = None
    """What the other side calls it: the answer of a server."""
    last_error: _Error | None = None
    """Why it is not sent."""

    @property
    def id(self) -> str:
        """Return what names the entry's objects in the store."""
        return entry_id(self.destination, self.recipient)


def entry_id(destination: str, recipient: str | None) -> str:
    """Return 20 hexadecimal digits that follow from destination and recipient."""
    return sha256(f"{destination}\n{recipient or ''}".encode()).hexdigest()[:20]


def delivery_time(timeout: timedelta) -> timedelta:
    """Return for how long a run may begin deliveries that has to end after `timeout`, both counted from its start."""
    return timeout - min(timeout / 4, RESULT_MARGIN)


class Deliveries(Model):
    """All deliveries of a run: the content of LEDGER_FILE."""

    run_id: str
    """The run."""
    entries: list[Entry]
    """In the order of the spec."""


class Problem(Model):
    """A delivery that is not known to be sent."""

    recipient: Annotated[str, Field(max_length=254)] | None = None
    """Address; not set where the destination itself is the recipient."""
    state: DeliveryState
    """Failed, Unknown or Pending."""
    last_error: _Error
    """Why."""


class Delivery(Model):
    """What became of the deliveries to one destination."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the destination."""
    state: DeliveryState
    """Failed when any delivery failed, else Unknown when any is, else Pending when any is, else Sent."""
    sent: _Count = 0
    """Deliveries that the other side has taken."""
    failed: _Count = 0
    """Deliveries that were refused, or out of reach until the run had to end."""
    unknown: _Count = 0
    """Deliveries that were begun and may or may not have arrived."""
    pending: _Count = 0
    """Deliveries that were not begun."""
    last_error: _Error | None = None
    """Why the first one that is not sent is not."""
    completion_time: Time | None = None
    """When the last delivery ended."""
    problems: Annotated[list[Problem], Field(max_length=PROBLEMS_SHOWN), LIST_ATOMIC] = []
    """The first that are not sent; all are in the artifact deliveries.json."""
