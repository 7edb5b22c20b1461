"""A whole report rendered: every output is there, and they say the same."""

import json

import duckdb
import pytest
from pypdf import PdfReader

from report_operator.api.run import Rendered
from report_operator.run.render import render
from report_operator.run.workspace import Workspace
from tests.support import rendering


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rendered, Workspace]:
    """Return the rendered sample that uses every block and format."""
    request, workspace = rendering.sample("flights", tmp_path_factory.mktemp("flights"))
    return render(request, workspace), workspace


def test_makes_every_output_and_says_so(flights: tuple[Rendered, Workspace]) -> None:
    rendered, workspace = flights
    names = ["report.pdf", "report.html", "report.json", "by_carrier.csv", "routes.parquet"]
    assert [file.name for file in rendered.files] == names
    assert {path.name for path in workspace.outputs.iterdir()} == {*names, "rendered.json"}
    assert Rendered.model_validate_json(workspace.rendered.read_bytes()) == rendered
    assert {file.name: file.rows for file in rendered.files if file.rows is not None} == {
        "by_carrier.csv": 16,
        "routes.parquet": 730,
    }


def test_metrics_are_written_as_in_the_document(flights: tuple[Rendered, Workspace]) -> None:
    rendered, workspace = flights
    assert rendered.metrics == {
        "Flights": "336,776",
        "On time": "78.2 %",
        "Mean delay": "6.90",
        "Longest delay": "13 h 23 min",
    }
    assert json.loads((workspace.outputs / "report.json").read_text())["metrics"] == rendered.metrics
    page = (workspace.outputs / "report.html").read_text()
    text = " ".join(page.extract_text() for page in PdfReader(workspace.outputs / "report.pdf").pages)
    for value in rendered.metrics.values():
        assert value in page
        assert value in text


def test_parquet_keeps_types(flights: tuple[Rendered, Workspace]) -> None:
    _, workspace = flights
    described = "DESCRIBE SELECT * FROM '{}'"
    with duckdb.connect() as connection:
        made = connection.execute(described.format(workspace.outputs / "routes.parquet")).fetchall()
        fetched = connection.execute(described.format(workspace.table("routes"))).fetchall()
    assert made == fetched
    assert "DATE" in [column[1] for column in made]
