"""Sending again what a run has not delivered: what the status says of it, and the order for the Job that does it."""

import gzip
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import Field

from report_operator.api.deliveries import Entry
from report_operator.api.fields import Model, Time

ORDER_FILE = PurePosixPath("/run/report-operator/links/redelivery.json.gz")
MESSAGES_FILE = "messages"
"""Name of what render has told publish, in the store beside the artifacts. No output has a name without an ending."""
TOKEN_LENGTH = 1024
"""Characters of the annotation that count and are echoed."""


class RedeliveryPhase(StrEnum):
    """Where a redelivery is."""

    WAITING = "Waiting"
    """It waits for its turn, or for its Job."""
    RUNNING = "Running"
    """Its Job is made."""
    ENDED = "Ended"
    """`status.deliveries` tells what came of it."""
    REFUSED = "Refused"
    """Nothing was sent; `message` says why."""


class Redelivery(Model):
    """A request to send again, by the annotation report-operator.io/redeliver, and how far it is."""

    token: Annotated[str, Field(max_length=TOKEN_LENGTH)]
    """The value of the annotation."""
    phase: RedeliveryPhase
    """Waiting, Running, Ended or Refused."""
    message: Annotated[str, Field(max_length=2048)] | None = None
    """Why it was refused, or did not end well."""
    job_name: Annotated[str, Field(max_length=63)] | None = None
    """Its Job."""
    start_time: Time | None = None
    """When its Job was made."""
    completion_time: Time | None = None
    """When its end was recorded."""

    @property
    def is_under_way(self) -> bool:
        """Return whether it has not ended."""
        return self.phase in (RedeliveryPhase.WAITING, RedeliveryPhase.RUNNING)


class RedeliveryOrder(Model):
    """What the container `redeliver` has to send, in ORDER_FILE beside the links. The request is that of the run."""

    before: list[Entry]
    """The ledger as it was, in the order of the spec."""
    again: list[str]
    """Ids of those entries that are to be sent again."""

    def packed(self) -> bytes:
        """Return the content of ORDER_FILE: compressed, because the entries of a thousand recipients are alike."""
        return gzip.compress(self.model_dump_json(by_alias=True, exclude_none=True).encode(), mtime=0)

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """Return the order in the content of ORDER_FILE."""
        return cls.model_validate_json(gzip.decompress(content))
