"""Mistakes in manifests: one line each, with place, value and way out."""

import base64
from typing import Any

import pytest
import yaml

from report_operator.api.metadata import API_VERSION
from report_operator.run.manifests import ManifestError, load

REPORT: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "Report",
    "metadata": {"name": "weekly", "namespace": "team-a", "labels": {"any": "label"}},
    "spec": {
        "sources": [{"name": "rows", "inline": {"rows": [{"a": 1}]}}],
        "outputs": [{"format": "json"}],
    },
}
CONTENT = """
apiVersion: v1
kind: Secret
metadata: {name: db}
data: {encoded: %s}
stringData: {plain: "text"}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: files}
    data: {rows.csv: "a,b\\n1,2\\n"}
    binaryData: {binary: %s}
---
# nothing but a comment
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
"""


def report(**changes: Any) -> str:
    """Return the manifest with changed or further fields of the spec."""
    return yaml.safe_dump(REPORT | {"spec": REPORT["spec"] | changes})


def mistakes(*files: str) -> list[str]:
    """Return the mistakes found in files."""
    with pytest.raises(ManifestError) as caught:
        load({f"file{number}.yaml": content for number, content in enumerate(files, 1)})
    return caught.value.mistakes


def test_a_report_with_its_secrets_and_config_maps() -> None:
    encoded = [base64.b64encode(content).decode() for content in (b"decoded\n", b"\xff\x00")]
    found = load({"-": report(), "more.yaml": CONTENT % tuple(encoded)})
    assert (found.namespace, found.name, found.spec.sources[0].name) == ("team-a", "weekly", "rows")
    assert found.secrets == {("db", "encoded"): b"decoded\n", ("db", "plain"): b"text"}
    assert found.config_maps == {("files", "rows.csv"): b"a,b\n1,2\n", ("files", "binary"): b"\xff\x00"}


def test_what_looks_like_a_time_stays_text() -> None:
    rows = "{day: 2026-05-04, at: 2026-05-04T10:00:00Z, n: 1.5, flag: on}"
    text = report().replace("- a: 1", f"- {rows}")
    inline = load({"-": text}).spec.sources[0].inline
    assert inline
    assert inline.rows == [{"day": "2026-05-04", "at": "2026-05-04T10:00:00Z", "n": 1.5, "flag": True}]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ([], "expected exactly one object of kind Report; found: none"),
        (["kind: Deployment"], "expected exactly one object of kind Report; found: none"),
        ([report(), report()], "found: file1.yaml, file2.yaml"),
        ([report() + "---\n" + report()], "found: file1.yaml (document 1), file1.yaml (document 2)"),
        (["a: [1"], "file1.yaml: no valid YAML: while parsing a flow sequence"),
        (["apiVersion: v1\nkind: Report"], "apiVersion is 'v1': write report-operator.io/v1alpha1"),
        ([f"apiVersion: {API_VERSION}\nkind: Report"], "metadata.name is missing"),
    ],
)
def test_what_is_no_report(files: list[str], part: str) -> None:
    [mistake] = mistakes(*files)
    assert part in mistake


def test_unknown_fields_are_refused_with_a_suggestion() -> None:
    source = {"name": "rows", "inlin": {"rows": []}}
    output = {"format": "csv", "table": "rows", "tabel": "rows", "zzz": 1}
    text = yaml.safe_dump(REPORT | {"extra": 1, "spec": {"sources": [source], "outputs": [output], "titel": "x"}})
    assert mistakes(text) == [
        "file1.yaml: extra: unknown field: remove it",
        "file1.yaml: spec.sources[0].inlin: unknown field: did you mean inline?",
        "file1.yaml: spec.outputs[0].tabel: unknown field: did you mean table?",
        "file1.yaml: spec.outputs[0].zzz: unknown field: known are: format, table, name, inline, passwordFrom",
        "file1.yaml: spec.titel: unknown field: did you mean title?",
    ]


def test_wrong_values_are_shown() -> None:
    text = report(outputs=[{"format": "docx"}, {}], period={"start": "yesterday"}, title="x" * 300)
    found = mistakes(text)
    formats = "'csv', 'html', 'json', 'ndjson', 'parquet', 'pdf', 'tsv' or 'xlsx'"
    assert f"file1.yaml: spec.outputs[0].format: 'docx' should be {formats}" in found
    assert "file1.yaml: spec.outputs[1].format: missing: set it" in found
    assert "file1.yaml: spec.period.end: missing: set it" in found
    assert any(
        line.startswith("file1.yaml: spec.period.start: 'yesterday' should be a valid datetime") for line in found
    )
    assert f"file1.yaml: spec.title: '{'x' * 59}… should have at most 200 characters" in found


def test_rules_of_the_api_server_hold_too() -> None:
    assert mistakes(report(outputs=[{"format": "csv"}])) == [
        "file1.yaml: spec.outputs[0]: csv holds one table: set table to the name of a source or table"
    ]


def test_a_value_that_is_not_base64() -> None:
    [mistake] = mistakes(report(), CONTENT % ("'a'", "eA=="))
    assert mistake.startswith("file2.yaml (document 1): data.encoded of Secret 'db' is not Base64")
