"""What only a ScheduledReport has, on a real API server; its rules and bounds are in test_crds.py."""

import json

import httpx

from report_operator.api.crd import SCHEDULED_REPORT, definition_of
from tests.support.scheduled_report_cases import CASES

SMALL = {**CASES.full, "spec": {"template": {"spec": {"outputs": [{"format": "pdf"}]}}}}


def test_defaults_are_visible(api: httpx.Client) -> None:
    spec = CASES.create(api, SMALL).json()["spec"]
    template = spec.pop("template")
    assert spec == {
        "timeZone": "UTC",
        "suspend": False,
        "concurrencyPolicy": "Allow",
        "catchUp": {"policy": "Latest", "limit": 10},
        "history": {"successful": 100, "failed": 20, "keepLast": 1, "onDelete": "Keep"},
    }
    assert template["metadata"] == {"labels": {}, "annotations": {}}
    assert template["spec"]["template"] == {"name": "standard", "params": {}}


def test_defaults_of_a_frequency(api: httpx.Client) -> None:
    weekly = {**SMALL, "spec": {**SMALL["spec"], "frequency": {"every": "weekly"}}}
    frequency = CASES.create(api, weekly).json()["spec"]["frequency"]
    assert frequency == {"every": "weekly", "dayOfWeek": "monday", "dayOfMonth": 1, "time": "00:00"}


def test_the_rules_of_a_report_hold_for_its_template(api: httpx.Client) -> None:
    answer = CASES.create(api, CASES.edited("spec.template.spec.outputs[0].table", "nowhere"))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert "outputs[].table must be the name of one of spec.sources or spec.tables" in answer.json()["message"]


def test_client_side_apply_can_record_the_definition() -> None:
    """kubectl apply writes the whole object into one annotation of at most 262,144 bytes."""
    assert len(json.dumps(definition_of(SCHEDULED_REPORT))) < 262_144
