"""Every rule and bound of every CRD, accepted and refused by a real API server.

The bounds are found in the CRD itself and tried one by one on an object that sets every field; the CEL rules are listed
in tests/support, and a rule without a case fails the test.
"""

from typing import Any

import httpx
import pytest

from tests.support import report_cases, scheduled_report_cases
from tests.support.crd_cases import CrdCases, Node, Rule, bad_values

KINDS = (report_cases.CASES, scheduled_report_cases.CASES)
each_kind = pytest.mark.parametrize("cases", KINDS, ids=str)


@pytest.mark.parametrize(
    ("cases", "rule"), [pytest.param(c, rule, id=f"{c}-{rule.message[:60]}") for c in KINDS for rule in c.rules]
)
def test_cel_rule(api: httpx.Client, cases: CrdCases, rule: Rule) -> None:
    for path, value in rule.accepted:
        answer = cases.create(api, cases.edited(path, value))
        assert answer.status_code == httpx.codes.CREATED, answer.json()["message"]
    for refused in rule.refused:
        answer = cases.create(api, cases.edited(refused.path, refused.value))
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        assert refused.says in answer.json()["message"]


@each_kind
def test_every_cel_rule_has_a_case(cases: CrdCases) -> None:
    assert cases.rule_messages == {rule.message for rule in cases.rules}


@each_kind
def test_full_object_or_an_alternative_sets_every_field(cases: CrdCases) -> None:
    assert [node.path for node in cases.nodes if not cases.places(node.path)] == []


@each_kind
def test_full_object_is_accepted_and_keeps_every_field(api: httpx.Client, cases: CrdCases) -> None:
    answer = cases.create(api, cases.full)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert answer.json()["spec"] == cases.full["spec"]


@pytest.mark.parametrize(
    ("cases", "node", "says", "bad"),
    [
        pytest.param(c, node, says, bad, id=f"{c}-{node.path}-{says}")
        for c in KINDS
        for node in c.nodes
        for says, bad in bad_values(node)
    ],
)
def test_bound(api: httpx.Client, cases: CrdCases, node: Node, says: str, bad: Any) -> None:
    place = cases.places(node.path)[0]
    if says == "Duplicate value":
        bad = [*cases.value_at(place), cases.value_at(place)[0]]
    answer = cases.create(api, cases.edited(place, bad))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert f"{place}" in answer.json()["message"]
    assert says in answer.json()["message"]


@pytest.mark.parametrize(
    ("cases", "node"),
    [pytest.param(c, n, id=f"{c}-{n.path}") for c in KINDS for n in c.nodes if "maxItems" in n.schema],
)
def test_list_bound(api: httpx.Client, cases: CrdCases, node: Node) -> None:
    place = cases.places(node.path)[0]
    items = [cases.value_at(place)[0]] * (node.schema["maxItems"] + 1)
    answer = cases.create(api, cases.edited(place, items))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert f"{place}: Too many: {len(items)}: must have at most" in answer.json()["message"]


@pytest.mark.parametrize(
    ("cases", "node"),
    [pytest.param(c, n, id=f"{c}-{n.path}") for c in KINDS for n in c.nodes if n.schema.get("required")],
)
def test_required_fields(api: httpx.Client, cases: CrdCases, node: Node) -> None:
    place = cases.places(node.path)[0]
    for name in node.schema["required"]:
        answer = cases.create(api, cases.edited(f"{place}.{name}", None))
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        assert f"{place}.{name}: Required value" in answer.json()["message"]


@pytest.mark.requirement("B9")
@pytest.mark.parametrize(
    ("cases", "path"),
    [
        (report_cases.CASES, "spec.surprise"),
        (report_cases.CASES, "spec.sources[0].surprise"),
        (report_cases.CASES, "spec.outputs[0].surprise"),
        (report_cases.CASES, "spec.run.surprise"),
        (scheduled_report_cases.CASES, "spec.surprise"),
        (scheduled_report_cases.CASES, "spec.variants[0].surprise"),
        (scheduled_report_cases.CASES, "spec.template.spec.sources[0].surprise"),
    ],
    ids=str,
)
def test_unknown_field_is_refused_by_strict_validation(api: httpx.Client, cases: CrdCases, path: str) -> None:
    answer = cases.create(api, cases.edited(path, "x"))
    assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
    assert f'unknown field "{path}"' in answer.json()["message"]


@pytest.mark.requirement("B9")
@each_kind
def test_unknown_field_is_pruned_with_a_warning_otherwise(api: httpx.Client, cases: CrdCases) -> None:
    answer = cases.create(api, cases.edited("spec.surprise", "x"), validation="Warn")
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert "surprise" not in answer.json()["spec"]
    assert 'unknown field \\"spec.surprise\\"' in answer.headers["Warning"]


@pytest.mark.parametrize(
    ("cases", "node"),
    [
        pytest.param(c, n, id=f"{c}-{n.path}")
        for c in KINDS
        for n in c.nodes
        if n.path.startswith("spec") and n.path.endswith(("KeyRef", "configMapRef", "configMap"))
    ],
)
def test_nothing_of_another_namespace_can_be_named(api: httpx.Client, cases: CrdCases, node: Node) -> None:
    """Pods mount Secrets and ConfigMaps of their own namespace alone, so there is no field for another one."""
    path = f"{cases.places(node.path)[0]}.namespace"
    answer = cases.create(api, cases.edited(path, "kube-system"))
    assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
    assert f'unknown field "{path}"' in answer.json()["message"]


@each_kind
def test_a_new_object_is_not_yet_observed(api: httpx.Client, cases: CrdCases) -> None:
    """kstatus reads a missing observedGeneration as done, so the CRD itself says -1."""
    assert cases.create(api, cases.full).json()["status"]["observedGeneration"] == -1
