"""How a run's files go to the store: whole, or in parts where they may be large."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """How a file may be cut."""

    part_size: int
    """Bytes of each part but the last."""
    count: int
    """Most parts."""
