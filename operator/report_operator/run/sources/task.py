"""What the reader of a source has to work with."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from report_operator.api.networks import Reach
from report_operator.api.report import Period
from report_operator.run.workspace import Workspace


@dataclass(frozen=True)
class Task:
    """One source to read."""

    name: str
    """Name of the source."""
    report: str
    """`namespace/name` of the Report; told to servers, so that their owners know who asks."""
    period: Period | None
    """The Report's period."""
    workspace: Workspace
    """Where Secrets and ConfigMaps are mounted."""
    database: duckdb.DuckDBPyConnection
    """Reads and writes files in the workspace's data folder only."""
    reach: Reach | None
    """Where http sources may be; None where nothing is limited."""

    @property
    def subject(self) -> str:
        """Return how messages name the source."""
        return f"source {self.name!r}"

    @property
    def target(self) -> Path:
        """Return the Parquet file to write."""
        return self.workspace.table(self.name)

    @property
    def scratch(self) -> Path:
        """Return a file that the reader may write; it is removed afterwards."""
        return self.workspace.data / f"{self.name}.part"
