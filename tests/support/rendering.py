"""Reports rendered in a folder: tables made by DuckDB as fetch leaves them, the request from YAML."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from report_operator.api.report import ReportSpec
from report_operator.api.run import Request
from report_operator.run.database import describe, literal
from report_operator.run.workspace import Context, Workspace
from tests.support import manifests

INPUT = Path(__file__).resolve().parents[1] / "data" / "input" / "render"


def workspace(root: Path, tables: Mapping[str, str]) -> Workspace:
    """Return a workspace with these tables, each made by a SQL query, as fetch would leave it."""
    place = Workspace.under(root)
    place.tables.mkdir(parents=True)
    place.outputs.mkdir()
    infos = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, query in tables.items():
            connection.execute(f"COPY ({query}) TO {literal(place.table(name))} (FORMAT parquet)")
            infos[name] = describe(connection, place.table(name))
    place.context.write_text(Context(tables=infos).model_dump_json(by_alias=True))
    return place


def request(spec: Mapping[str, Any], name: str = "sample") -> Request:
    """Return the request of a spec in wire form."""
    return Request(
        run_id="0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10-1",
        namespace="team-a",
        name=name,
        created_at=datetime(2026, 1, 5, 6, 0, 12, tzinfo=UTC),
        spec=ReportSpec.model_validate(spec),
    )


def sample(name: str, root: Path, only: str | None = None) -> tuple[Request, Workspace]:
    """Return request and workspace of a YAML file: `tables` (SQL by name) and `spec`; `only` one format of output."""
    content = manifests.load(INPUT / f"{name}.yaml")
    spec = content["spec"] | ({"outputs": [{"format": only}]} if only else {})
    return request(spec, name), workspace(root, content["tables"])
