"""The document as JSON."""

import json
from pathlib import Path

from report_operator.run.document import Document
from report_operator.run.render import render
from tests.support import rendering


def test_the_document_is_written_whole_and_can_be_read_back(tmp_path: Path) -> None:
    request, workspace = rendering.sample("flights", tmp_path, "json")
    render(request, workspace)
    text = (workspace.outputs / "report.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert (text.count("\n"), text[-1]) == (1, "\n")
    assert [section["title"] for section in document["sections"]] == [
        "Overview",
        "Carriers",
        "Delays through the year",
        "Worst routes",
    ]
    table = document["sections"][1]["content"][1]
    assert table["rows"][0] == ["United Air Lines Inc.", 58665, 3.56, 0.793]
    assert (len(table["rows"]), table["totalRows"]) == (16, 16)
    assert Document.model_json_schema()["properties"].keys() >= document.keys()


def test_values_are_exact_or_text(tmp_path: Path) -> None:
    query = """SELECT 9007199254740993 AS big, 0.1234567890123456789 AS fine, 1.10::DECIMAL(4, 2) AS money,
      'NaN'::DOUBLE AS nan, TIMESTAMPTZ '2026-05-04 13:05:00+02' AS z, ['é', NULL] AS list, NULL::INTEGER AS missing"""
    workspace = rendering.workspace(tmp_path, {"t": query})
    spec = {"sections": [{"blocks": [{"table": {"from": "t"}}]}], "outputs": [{"format": "json"}]}
    render(rendering.request(spec), workspace)
    document = json.loads((workspace.outputs / "report.json").read_text(encoding="utf-8"))
    assert document["sections"][0]["content"][0]["rows"] == [
        ["9007199254740993", "0.1234567890123456789", 1.1, "nan", "2026-05-04T11:05:00Z", ["é", None], None]
    ]


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for folder in ("a", "b"):
        request, workspace = rendering.sample("edges", tmp_path / folder, "json")
        render(request, workspace)
        made.append((workspace.outputs / "report.json").read_bytes())
    assert made[0] == made[1]
