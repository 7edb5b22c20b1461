"""ConfigMaps of the platform team as policies of namespaces; tests/server has what a slip of the pen leads to."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from report_operator.api.policy import Policy
from report_operator.plan.namespace_policy import by_namespace
from report_operator.plan.policy import Rules

PAGE = Path(__file__).parents[2] / "docs/policy.md"
WIDE = Policy.read({"formats": ["pdf"], "maxRows": 1000})


def config_map(namespace: str, data: dict[str, str] | None, name: str = "policy") -> dict[str, Any]:
    labels = {"report-operator.io/policy": namespace}
    found: dict[str, Any] = {"metadata": {"namespace": "report-operator", "name": name, "labels": labels}}
    return found | ({"data": data} if data is not None else {})


def test_each_namespace_has_its_own() -> None:
    found = by_namespace(
        [
            config_map("team-a", {"policy.yaml": "maxRows: 5"}, "a"),
            config_map("team-b", {"policy.yaml": '{"formats": ["*"]}'}, "b"),
        ],
        WIDE,
    )
    assert found == {
        "team-a": Rules(Policy.read({"formats": ["pdf"], "maxRows": 5}), "ConfigMap report-operator/a"),
        "team-b": Rules(Policy.read({"formats": ["*"], "maxRows": 1000}), "ConfigMap report-operator/b"),
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "its keys are none: it must have policy.yaml and no other"),
        ({"policy.yaml": "{}", "note": "x"}, "its keys are note, policy.yaml: it must have policy.yaml and no other"),
        ({"policy.yaml": "- maxRows: 5"}, "the policy is [{'maxRows': 5}]: write its fields, such as maxRows: 100000"),
        ({"policy.yaml": "maxRows: 5\n---\nmaxRows: 6"}, "policy.yaml is no YAML: expected a single document"),
        ({"policy.yaml": "maxRows: !!python/object:os.system x"}, "policy.yaml is no YAML: could not determine"),
        ({"policy.yaml": "maxRows: 2026-13-01"}, "policy.yaml is no YAML: month must be in 1..12"),
        ({"policy.yaml": "1: 2"}, "Keys should be strings"),
    ],
)
def test_what_cannot_be_read_is_a_problem(data: dict[str, str] | None, says: str) -> None:
    [rules] = by_namespace([config_map("team-a", data)], WIDE).values()
    assert says in rules.problem


def test_nothing_replaced_is_no_problem() -> None:
    [rules] = by_namespace([config_map("team-a", {"policy.yaml": "{}"})], WIDE).values()
    assert (rules.policy, rules.problem) == (WIDE, "")


def test_the_examples_of_the_page_are_right() -> None:
    values, example = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
    wide = Policy.read(values["policy"])
    found = by_namespace([example], wide)["finance"]
    assert (found.problem, found.policy.max_rows, found.policy.max_retries) == ("", 0, 3)
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)) == {
        field.alias for field in Policy.model_fields.values()
    }
