"""How one send can end."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """The other side has taken it."""

    remote_id: str = ""
    """What it said: its name for the message."""


@dataclass(frozen=True)
class Failed:
    """The other side certainly has not taken it."""

    message: str
    """Why, and the way out where there is one."""
    passing: bool = False
    """Another try may help."""
    retry_after: float = 0
    """Seconds that the other side asks to wait before that."""
    out_of_reach: bool = False
    """It is not about this message: others to the same destination would end the same way now."""


@dataclass(frozen=True)
class Unknown:
    """Nobody answered after all of it was sent: it may have been taken."""

    message: str
    """What happened."""


Outcome = Sent | Failed | Unknown
