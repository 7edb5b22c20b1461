"""Where the files of a run are: the same layout in a pod and on a laptop."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from report_operator.api import run
from report_operator.api.entity import Entity
from report_operator.api.fields import Model
from report_operator.api.redelivery import ORDER_FILE


class ColumnInfo(Model):
    """A column of a fetched table."""

    name: str
    """Name, as in the data."""
    type: str
    """DuckDB type, such as BIGINT or TIMESTAMP WITH TIME ZONE."""


class TableInfo(Model):
    """A fetched table."""

    rows: int
    """Number of rows."""
    columns: list[ColumnInfo]
    """Columns, in order; none for an empty JSON array, which does not tell them."""


class Context(Model):
    """What fetch tells render about the data, in `context.json`."""

    tables: dict[str, TableInfo]
    """Every source and table, by name."""
    subject: Entity | None = None
    """The entity that the report is about."""


@dataclass(frozen=True)
class Workspace:
    """The folders and files of one run."""

    request: Path
    links: Path
    secrets: Path
    config_maps: Path
    data: Path
    outputs: Path
    termination_log: Path

    @classmethod
    def in_pod(cls) -> Self:
        """Return the places that the Job's volumes are mounted at."""
        return cls(
            request=Path(run.REQUEST_FILE),
            links=Path(run.LINKS_FILE),
            secrets=Path(run.SECRETS_DIR),
            config_maps=Path(run.CONFIG_MAPS_DIR),
            data=Path(run.DATA_DIR),
            outputs=Path(run.OUTPUTS_DIR),
            termination_log=Path(run.TERMINATION_LOG),
        )

    @classmethod
    def under(cls, root: Path) -> Self:
        """Return the same places under a folder of one's own."""
        return cls(
            request=root / "request.json",
            links=root / "links.json.gz",
            secrets=root / "secrets",
            config_maps=root / "configmaps",
            data=root / "data",
            outputs=root / "outputs",
            termination_log=root / "termination-log",
        )

    @property
    def started_at(self) -> datetime:
        """Return when the pod was started: the kubelet has written the request then, which does not change (UTC)."""
        return datetime.fromtimestamp(self.request.stat().st_mtime, UTC)

    @property
    def order(self) -> Path:
        """Return the file with the `RedeliveryOrder`, beside the links."""
        return self.links.with_name(ORDER_FILE.name)

    @property
    def tables(self) -> Path:
        """Return the folder of the Parquet files."""
        return self.data / "tables"

    def table(self, name: str) -> Path:
        """Return the Parquet file of a source or table."""
        return self.tables / f"{name}.parquet"

    @property
    def context(self) -> Path:
        """Return the file with the `Context`."""
        return self.data / "context.json"

    @property
    def rendered(self) -> Path:
        """Return the file with the `Rendered`."""
        return self.outputs / "rendered.json"
