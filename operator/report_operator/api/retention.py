"""How long the files of a report are kept."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import Model, Rule, parse_duration

FOREVER = "Forever"

Lifetime = Annotated[
    str,
    Field(
        min_length=2,
        max_length=20,
        pattern=rf"^({FOREVER}|[0-9]{{1,5}}d|([0-9]{{1,6}}h)?([0-9]{{1,6}}m)?([0-9]{{1,6}}s)?)$",
    ),
    Rule(
        rule=f"self == '{FOREVER}' || (self.endsWith('d') ? !self.matches('^0+d$') : duration(self) >= duration('1m'))",
        message=f"must be {FOREVER} or at least 1m: days such as 90d, or a duration such as 36h",
        expression=f"self + ' is too short: must be {FOREVER} or at least 1m'",
    ),
]
"""Whole days such as 90d, of 24 hours each, a `Duration` such as 36h, or Forever. Go's durations know no days."""


class OnDelete(StrEnum):
    """What becomes of the files when their Report is deleted."""

    DELETE = "Delete"
    """They are deleted within an hour."""
    RETAIN = "Retain"
    """They stay in the store; nobody but the store's owner deletes them."""


class Retention(Model):
    """How long the files are kept."""

    ttl: Lifetime = "90d"
    """So long after the run they are deleted: days such as 90d, a duration such as 36h, or Forever. The Report stays
    with phase Expired; one that a ScheduledReport has made is deleted too."""
    on_delete: OnDelete = OnDelete.DELETE
    """Delete or Retain the files when the Report itself is deleted before."""


def parse_lifetime(text: str) -> timedelta | None:
    """Return the length of a `Lifetime`; None for Forever. The text has passed the type's pattern."""
    if text == FOREVER:
        return None
    return timedelta(days=int(text[:-1])) if text.endswith("d") else parse_duration(text)
