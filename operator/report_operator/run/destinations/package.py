"""What there is to send: the same for all destinations of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from report_operator.api.deliveries import Entry
from report_operator.api.networks import Reach
from report_operator.api.run import Links, Rendered, Request, StoredFile
from report_operator.run.workspace import Workspace


@dataclass(frozen=True)
class Package:
    """A run's files, all of them in the store, and what messages tell about them."""

    request: Request
    rendered: Rendered
    files: list[StoredFile]
    links: Links
    workspace: Workspace
    redact: Callable[[str], str]
    """Takes credentials out of a text."""

    @property
    def reach(self) -> Reach | None:
        """Return where webhooks may go; None where nothing is limited."""
        return self.request.policy.webhooks if self.request.policy is not None else None

    def message_id(self, entry: Entry) -> str:
        """Return the id that every send of this entry has, so that the other side can tell repetitions."""
        return f"{self.request.run_id}-{entry.id}"

    def path(self, file: StoredFile) -> Path:
        """Return where a file is on disk."""
        return self.workspace.outputs / file.name
