"""Pre-flight: whether the destinations of a schedule can be reached, found out before it is accepted."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import INT32, Model, Time
from report_operator.api.relay import Access
from report_operator.api.run import Request

ORDER_VARIABLE = "REPORT_OPERATOR_PROBE"
"""Environment variable of the probe's container: a ProbeOrder as JSON. It holds nothing secret."""
ANSWER_LENGTH = 2000
"""Characters of all problems together, at most: they go through the termination message and into the status."""


class Preflight(StrEnum):
    """Whether destinations are probed."""

    PROBE = "Probe"
    """A new or edited schedule is accepted when all of its destinations answer."""
    SKIP = "Skip"
    """It is accepted without."""


class ProbeState(StrEnum):
    """What is known of the destinations."""

    PROBING = "Probing"
    """The probe is on its way."""
    PASSED = "Passed"
    """All of them have answered."""
    FAILED = "Failed"
    """Some have not."""


class Probed(Model):
    """The last probe of the destinations."""

    destinations: Annotated[str, Field(max_length=64)]
    """What was probed: a hash of everything that tells where the destinations are."""
    state: ProbeState
    """Probing, Passed or Failed."""
    attempt: Annotated[int, Field(ge=0), INT32] = 0
    """Number of the probe, from 1; 0 for a schedule that an older version had accepted."""
    time: Time
    """When it was begun or, when it has ended, ended."""
    message: Annotated[str, Field(max_length=2048)] | None = None
    """What was not reached, and why."""


class ProbeOrder(Model):
    """What a probe has to do."""

    request: Request
    """A request of a run whose destinations are those to probe, without recipients and texts."""
    relay: Access | None = None
    """The platform's mail relay, without leave to send."""


class ProbeAnswer(Model):
    """What a probe has found: the content of its termination message."""

    problems: list[str]
    """For each destination that cannot be reached: its name, and why."""
