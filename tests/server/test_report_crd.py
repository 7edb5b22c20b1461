"""Every rule of the Report CRD, accepted and refused by a real API server.

The bounds (lengths, patterns, enums, ranges, required fields) are found in the CRD itself and tried one by one on a
Report that sets every field; the CEL rules are listed here, and a rule without a case fails the test.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from report_operator.api.crd import report_crd
from tests.support.apiserver import ROOT
from tests.support.manifests import load

REPORTS = "/apis/report-operator.io/v1alpha1/namespaces/default/reports"
FULL = load(ROOT / "tests/data/input/report-full.yaml")
SCHEMA = report_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def create(api: httpx.Client, report: Mapping[str, Any]) -> httpx.Response:
    return api.post(REPORTS, params={"dryRun": "All", "fieldValidation": "Strict"}, json=report)


def edited(path: str, value: Any) -> dict[str, Any]:
    """Return the full Report with the value at a path such as `spec.sources[0].name` set, or removed when None."""
    report: dict[str, Any] = copy.deepcopy(FULL)
    *parents, last = steps(path)
    node: Any = report
    for step in parents:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return report


def steps(path: str) -> list[str | int]:
    parts = path.replace("[", ".[").split(".")
    return [int(part[1:-1]) if part.startswith("[") else part for part in parts]


@dataclass(frozen=True)
class Refused:
    """A wrong value and what the API server has to say about it."""

    path: str
    value: Any
    says: str


@dataclass(frozen=True)
class Rule:
    """One CEL rule with the values that it lets pass and that it refuses."""

    message: str
    accepted: tuple[tuple[str, Any], ...]
    refused: Refused


ROW = {"rows": [{"carrier": "AA", "flights": 1}]}
TEXT = {"content": "text"}
KNOWN = "must be the name of one of spec.sources or spec.tables"
RULES = [
    Rule(
        "metadata.name is also a label of the run's Job: use at most 63 characters",
        (("metadata.name", "a" * 63),),
        Refused("metadata.name", "a" * 64, "use at most 63 characters"),
    ),
    Rule(
        "end must be after start",
        (("spec.period.end", "2026-05-04T00:00:01Z"),),
        Refused("spec.period.end", "2026-05-04T00:00:00Z", "spec.period: Invalid value: end must be after start"),
    ),
    Rule(
        "set exactly one of inline, configMap, http, sql",
        (("spec.sources[0]", {"name": "flights", "inline": ROW}),),
        Refused(
            "spec.sources[0]",
            {"name": "flights", "inline": ROW, "http": {"url": "https://example.com/"}},
            "set exactly one of inline, configMap, http, sql; now set: inline http",
        ),
    ),
    Rule(
        "set exactly one of value, valueFrom",
        (("spec.sources[2].http.headers", [{"name": "Accept", "value": "text/csv"}]),),
        Refused(
            "spec.sources[2].http.headers", [{"name": "Accept"}], "set exactly one of value, valueFrom; now set: none"
        ),
    ),
    Rule(
        "names are lower-case letters, digits and _; period_start and period_end are given already",
        (("spec.sources[3].sql.params", {"carrier": "AA"}),),
        Refused("spec.sources[3].sql.params", {"period_start": "x"}, "period_start and period_end are given already"),
    ),
    Rule(
        "tables[].name must not be the name of one of spec.sources: give the table another name",
        (("spec.tables[0].name", "by_carrier"),),
        Refused("spec.tables[0].name", "flights", "tables[].name must not be the name of one of spec.sources"),
    ),
    Rule(
        f"outputs[].table {KNOWN}",
        (("spec.outputs[1].table", "by_carrier"),),
        Refused("spec.outputs[1].table", "nowhere", f"outputs[].table {KNOWN}"),
    ),
    Rule(
        f"sections[].blocks[].metric.table {KNOWN}",
        (("spec.sections[0].blocks[1].metric.table", "by_carrier"),),
        Refused("spec.sections[0].blocks[1].metric.table", "nowhere", f"metric.table {KNOWN}"),
    ),
    Rule(
        f"sections[].blocks[].table.from {KNOWN}",
        (("spec.sections[0].blocks[3].table.from", "by_carrier"),),
        Refused("spec.sections[0].blocks[3].table.from", "nowhere", f"table.from {KNOWN}"),
    ),
    Rule(
        f"sections[].blocks[].chart.table {KNOWN}",
        (("spec.sections[0].blocks[4].chart.table", "by_carrier"),),
        Refused("spec.sections[0].blocks[4].chart.table", "nowhere", f"chart.table {KNOWN}"),
    ),
    Rule(
        f"sections[].blocks[].grid.cards[].metric.table {KNOWN}",
        (("spec.sections[0].blocks[2].grid.cards[1].metric.table", "by_carrier"),),
        Refused("spec.sections[0].blocks[2].grid.cards[1].metric.table", "nowhere", f"cards[].metric.table {KNOWN}"),
    ),
    Rule(
        "set exactly one of text, metric, grid, table, chart",
        (("spec.sections[0].blocks[0]", {"text": TEXT}),),
        Refused("spec.sections[0].blocks[0]", {}, "set exactly one of text, metric, grid, table, chart; now set: none"),
    ),
    Rule(
        "set exactly one of text, metric",
        (("spec.sections[0].blocks[2].grid.cards[0]", {"text": TEXT}),),
        Refused("spec.sections[0].blocks[2].grid.cards[0]", {}, "set exactly one of text, metric; now set: none"),
    ),
    Rule(
        "set exactly one of name, configMapRef",
        (("spec.template", {"name": "standard"}), ("spec.template", {"configMapRef": {"name": "a", "key": "b"}})),
        Refused("spec.template", {"params": {"a": 1}}, "set exactly one of name, configMapRef; now set: none"),
    ),
    Rule(
        "csv and parquet hold one table: set table; json, html and pdf hold the document: leave it out",
        (("spec.outputs[0]", {"format": "csv", "table": "flights"}), ("spec.outputs[0]", {"format": "pdf"})),
        Refused("spec.outputs[0]", {"format": "csv"}, "csv holds one table: set table to the name of a source"),
    ),
    Rule(
        "only format json can be inline",
        (("spec.outputs[0]", {"format": "json", "name": "small", "inline": True}),),
        Refused("spec.outputs[0]", {"format": "pdf", "inline": True}, "format pdf cannot be inline: use json"),
    ),
    Rule(
        "two outputs have the same file name (name, else table, else report): set name on one of them",
        (("spec.outputs[0]", {"format": "pdf", "name": "other"}),),
        Refused("spec.outputs[0]", {"format": "html"}, "two outputs have the same file name"),
    ),
    Rule(
        "must be between 1m and 168h",
        (("spec.download.urlTTL", "1m"), ("spec.download.urlTTL", "168h")),
        Refused("spec.download.urlTTL", "168h1s", "168h1s is out of range: must be between 1m and 168h"),
    ),
    Rule(
        "must be between 1m and 24h",
        (("spec.run.timeout", "60s"), ("spec.run.timeout", "24h")),
        Refused("spec.run.timeout", "59s", "59s is out of range: must be between 1m and 24h"),
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.message[:60])
def test_cel_rule(api: httpx.Client, rule: Rule) -> None:
    for path, value in rule.accepted:
        answer = create(api, edited(path, value))
        assert answer.status_code == httpx.codes.CREATED, answer.json()["message"]
    answer = create(api, edited(rule.refused.path, rule.refused.value))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert rule.refused.says in answer.json()["message"]


def test_every_cel_rule_has_a_case() -> None:
    in_crd = {rule["message"] for node in walk(SCHEMA) for rule in node.schema.get("x-kubernetes-validations", ())}
    assert in_crd == {rule.message for rule in RULES}


@dataclass(frozen=True)
class Node:
    """A node of the schema, and where the full Report has a value for it."""

    path: str
    schema: Mapping[str, Any]
    parent: Mapping[str, Any] | None


def walk(schema: Mapping[str, Any], path: str = "", parent: Mapping[str, Any] | None = None) -> Iterator[Node]:
    yield Node(path, schema, parent)
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}".lstrip("."), schema)
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]", schema)


def places(pattern: str) -> list[str]:
    """Return the paths in the full Report that a schema path such as `spec.sources[].name` stands for."""
    found = [("", FULL)]
    for step in pattern.replace("[]", ".[]").split("."):
        if step == "[]":
            found = [(f"{path}[{i}]", item) for path, node in found for i, item in enumerate(node)]
        else:
            found = [(f"{path}.{step}".lstrip("."), node[step]) for path, node in found if step in node]
    return [path for path, _ in found]


def value_at(path: str) -> Any:
    node: Any = FULL
    for step in steps(path):
        node = node[step]
    return node


def bad_values(node: Node) -> Iterator[tuple[str, Any]]:
    """Yield (what the API server says, value) that break one bound each."""
    schema = node.schema
    if "enum" in schema:
        yield "Unsupported value", "nonsense"
    elif "maxLength" in schema and "format" not in schema:
        yield "Too long", "a" * (schema["maxLength"] + 1)
    if schema.get("minLength", 0) > 0 and "enum" not in schema:
        yield "should be at least", ""
    if "pattern" in schema:
        yield "should match", "\n" * schema.get("minLength", 1)
    if "format" in schema and schema.get("type") == "string":
        yield "must be of type date-time", "yesterday"
    if "maximum" in schema:
        yield "should be less than or equal to", schema["maximum"] + 1
    if "minimum" in schema:
        yield "should be greater than or equal to", schema["minimum"] - 1
    if schema.get("type") == "array" and "x-kubernetes-list-map-keys" in schema:
        yield "Duplicate value", None


ALTERNATIVE = "spec.template.name"
"""The full Report sets the other member of a choice; this one has its own test."""
SPEC_NODES = [node for node in walk(SCHEMA["properties"]["spec"], "spec") if node.path not in ("spec", ALTERNATIVE)]
BOUNDS = [
    pytest.param(node, says, bad, id=f"{node.path}-{says}") for node in SPEC_NODES for says, bad in bad_values(node)
]


def test_full_report_sets_every_field() -> None:
    assert [node.path for node in SPEC_NODES if not places(node.path)] == []


@pytest.mark.parametrize(("node", "says", "bad"), BOUNDS)
def test_bound(api: httpx.Client, node: Node, says: str, bad: Any) -> None:
    place = places(node.path)[0]
    if says == "Duplicate value":
        bad = [*value_at(place), value_at(place)[0]]
    answer = create(api, edited(place, bad))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert f"{place}" in answer.json()["message"]
    assert says in answer.json()["message"]


def test_template_name(api: httpx.Client) -> None:
    answer = create(api, edited("spec.template", {"name": "nonsense"}))
    assert 'spec.template.name: Unsupported value: "nonsense": supported values: "standard"' in answer.json()["message"]


@pytest.mark.parametrize("node", [n for n in SPEC_NODES if "maxItems" in n.schema], ids=lambda node: node.path)
def test_list_bound(api: httpx.Client, node: Node) -> None:
    place = places(node.path)[0]
    items = [value_at(place)[0]] * (node.schema["maxItems"] + 1)
    answer = create(api, edited(place, items))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert f"{place}: Too many: {len(items)}: must have at most" in answer.json()["message"]


@pytest.mark.parametrize("node", [n for n in SPEC_NODES if n.schema.get("required")], ids=lambda node: node.path)
def test_required_fields(api: httpx.Client, node: Node) -> None:
    place = places(node.path)[0]
    for name in node.schema["required"]:
        answer = create(api, edited(f"{place}.{name}", None))
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        assert f"{place}.{name}: Required value" in answer.json()["message"]


def test_full_report_is_accepted_and_keeps_every_field(api: httpx.Client) -> None:
    answer = create(api, FULL)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert answer.json()["spec"] == FULL["spec"]


@pytest.mark.requirement("B9")
@pytest.mark.parametrize(
    "path", ["spec.surprise", "spec.sources[0].surprise", "spec.outputs[0].surprise", "spec.run.surprise"]
)
def test_unknown_field_is_refused_by_strict_validation(api: httpx.Client, path: str) -> None:
    answer = create(api, edited(path, "x"))
    assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
    assert f'unknown field "{path}"' in answer.json()["message"]


@pytest.mark.requirement("B9")
def test_unknown_field_is_pruned_with_a_warning_otherwise(api: httpx.Client) -> None:
    params = {"dryRun": "All", "fieldValidation": "Warn"}
    answer = api.post(REPORTS, params=params, json=edited("spec.surprise", "x"))
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert "surprise" not in answer.json()["spec"]
    assert 'unknown field \\"spec.surprise\\"' in answer.headers["Warning"]


def test_defaults_are_visible(api: httpx.Client) -> None:
    small = {**FULL, "spec": {"outputs": [{"format": "pdf"}]}}
    spec = create(api, small).json()["spec"]
    assert spec["template"] == {"name": "standard", "params": {}}
    assert spec["download"] == {"urlTTL": "24h"}
    assert spec["run"] == {"timeout": "30m", "retries": 2, "nodeSelector": {}, "tolerations": []}


def test_a_new_report_is_not_yet_observed(api: httpx.Client) -> None:
    """kstatus reads a missing observedGeneration as done, so the CRD itself says -1."""
    assert create(api, FULL).json()["status"]["observedGeneration"] == -1
