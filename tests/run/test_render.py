"""A whole report rendered: every output is there, and they say the same."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from pypdf import PdfReader

from report_operator.api.conditions import Reason
from report_operator.api.entity import Entity
from report_operator.api.run import Rendered, Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.render import METRIC_LENGTH, METRICS_LIMIT, render
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


def test_metrics_fit_into_the_status(tmp_path: Path) -> None:
    cards = [{"metric": {"title": f"M{i}", "table": "t", "column": "text"}} for i in range(12)]
    sections = [{"blocks": [{"grid": {"cards": [_titled(card, i) for card in cards]}} for i in range(6)]}]
    workspace = rendering.workspace(tmp_path, {"t": "SELECT repeat('x', 300) AS text"})
    rendered = render(rendering.request({"sections": sections, "outputs": [{"format": "json"}]}), workspace)
    assert len(rendered.metrics) == METRICS_LIMIT
    assert {len(text) for text in rendered.metrics.values()} == {METRIC_LENGTH}
    document = json.loads((workspace.outputs / "report.json").read_text())
    assert len(document["metrics"]) == 72
    assert {len(text) for text in document["metrics"].values()} == {300}


def _titled(card: dict[str, dict[str, str]], number: int) -> dict[str, dict[str, str]]:
    return {"metric": card["metric"] | {"title": f"{card['metric']['title']} {number}"}}


@pytest.mark.requirement("B2", "B3", "B7")
def test_the_subject_is_in_texts_pages_and_the_document(order: Callable[..., Request], workspace: Workspace) -> None:
    """Through both stages: picked by fetch, shown by render."""
    rows = [{"agent": "a-1", "name": "<Smith> & Söhne", "seconds": 1}, {"agent": "a-2", "name": "Jones", "seconds": 2}]
    text = "**{{ subject.label }}** ({{ subject.id }}): {{ tables.own[0].calls }}"
    request = order(
        sources=[{"name": "calls", "inline": {"rows": rows}}],
        tables=[{"name": "own", "query": "select count(*) as calls from calls where agent = $subject_id"}],
        subject={"table": "calls", "idColumn": "agent", "labelColumn": "name", "hint": "sohne"},
        sections=[{"blocks": [{"text": {"content": text}}]}],
        outputs=[{"format": "json"}, {"format": "html"}],
    )
    fetch(request, workspace)
    workspace.outputs.mkdir()
    rendered = render(request, workspace)
    assert rendered.subject == Entity(id="a-1", label="<Smith> & Söhne")
    document = json.loads((workspace.outputs / "report.json").read_text())
    assert document["entity"] == {"id": "a-1", "label": "<Smith> & Söhne"}
    page = (workspace.outputs / "report.html").read_text()
    assert '<p class="subject">&lt;Smith&gt; &amp; Söhne</p>' in page
    assert "<strong>&lt;Smith&gt; &amp; Söhne</strong> (a-1): 1" in page


def test_without_a_subject_no_text_can_name_one(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path, {"t": "SELECT 1 AS n"})
    spec = {"sections": [{"blocks": [{"text": {"content": "{{ subject.label }}"}}]}], "outputs": [{"format": "html"}]}
    with pytest.raises(RunError, match="there is no 'label' in something that is not set"):
        render(rendering.request(spec), workspace)
    spec["sections"] = [{"blocks": [{"text": {"content": "{% if subject %}one{% else %}none{% endif %}"}}]}]
    render(rendering.request(spec), workspace)
    assert "<p>none</p>" in (workspace.outputs / "report.html").read_text()
    assert 'class="subject"' not in (workspace.outputs / "report.html").read_text()


def test_what_fails_leaves_no_result_not_even_an_old_one(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path, {"t": "SELECT 1 AS n"})
    outputs = [{"format": "csv", "table": "t"}, {"format": "html"}]
    good = {"sections": [{"blocks": [{"text": {"content": "{{ tables.t[0].n }}"}}]}], "outputs": outputs}
    bad = {"sections": [{"blocks": [{"text": {"content": "one\n{{ tables.u }}"}}]}], "outputs": outputs}
    render(rendering.request(good), workspace)
    with pytest.raises(RunError) as caught:
        render(rendering.request(bad), workspace)
    assert caught.value.reason is Reason.TEMPLATE_FAILED
    assert caught.value.message == ("spec.sections[0].blocks[0].text.content, line 2: there is no 'u'; there are: t")
    assert not workspace.rendered.exists()


def test_a_report_without_sections_is_its_data(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path, {"t": "SELECT 1 AS n"})
    render(rendering.request({"outputs": [{"format": "parquet", "table": "t"}, {"format": "html"}]}), workspace)
    assert "This report has no sections." in (workspace.outputs / "report.html").read_text()
    assert (workspace.outputs / "t.parquet").read_bytes() == workspace.table("t").read_bytes()
