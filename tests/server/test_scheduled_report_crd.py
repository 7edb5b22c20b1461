"""What only a ScheduledReport has, on a real API server; its rules and bounds are in test_crds.py."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from report_operator.api.crd import SCHEDULED_REPORT, definition_of
from report_operator.plan.schedule.child import Child, maker_of
from report_operator.plan.schedule.facts import Facts
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.scheduled_report import decide
from tests.support import report_cases
from tests.support.cluster import eventually
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
        "preflight": "Probe",
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


@pytest.fixture
def stored(api: httpx.Client) -> Iterator[dict[str, Any]]:
    """A ScheduledReport that sets every field and is not suspended."""
    manifest = CASES.edited("spec.suspend", False)
    answer = api.post(CASES.url, params={"fieldValidation": "Strict"}, json=manifest)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    yield answer.json()
    api.delete(f"{CASES.url}/full").raise_for_status()


def test_reports_and_status_of_a_decision_are_accepted_as_they_are(api: httpx.Client, stored: dict[str, Any]) -> None:
    subject = Subject.from_manifest(stored)
    assert subject.metadata.creation_timestamp is not None
    facts = Facts(subject.metadata.creation_timestamp + timedelta(days=40), subject)
    decision = decide(facts)
    assert decision.status is not None
    assert decision.creations
    for manifest in decision.creations:
        answer = report_cases.CASES.create(api, manifest)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        report = answer.json()
        assert report["spec"] == manifest["spec"]
        assert maker_of(report) == subject.uid
        assert Child.from_manifest(report).is_owned
    status = decision.status.to_wire()
    answer = api.put(
        f"{CASES.url}/full/status", params={"fieldValidation": "Strict"}, json={**stored, "status": status}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["status"] == status
    assert Subject.from_manifest(answer.json()).status == decision.status


def patch(api: httpx.Client, change: dict[str, Any]) -> dict[str, Any]:
    """Change the stored object as another manager."""
    answer = api.patch(
        f"{CASES.url}/full",
        params={"fieldManager": "somebody-else"},
        headers={"Content-Type": "application/merge-patch+json"},
        content=json.dumps(change),
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


def seen(api: httpx.Client, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write a status as the operator."""
    body = {**manifest, "status": {"observedGeneration": 1, "schedule": "x"}}
    answer = api.put(f"{CASES.url}/full/status", params={"fieldManager": "report-operator"}, json=body)
    written: dict[str, Any] = answer.raise_for_status().json()
    return written


def test_the_time_of_an_edit_is_that_of_the_spec(api: httpx.Client, stored: dict[str, Any]) -> None:
    """Neither a written status nor an annotation moves it."""
    first = Subject.from_manifest(stored).edited_at
    assert first == datetime.fromisoformat(stored["metadata"]["creationTimestamp"])
    seen(api, stored)
    annotated = patch(api, {"metadata": {"annotations": {"report-operator.io/run-now": "1"}}})
    assert Subject.from_manifest(annotated).edited_at == first
    assert annotated["metadata"]["generation"] == 1
    began = datetime.now(UTC)
    eventually(lambda: True if datetime.now(UTC) - began > timedelta(seconds=1) else None, 5, "another second")
    suspended = patch(api, {"spec": {"suspend": True}})
    edited = Subject.from_manifest(suspended)
    entries = [entry for entry in suspended["metadata"]["managedFields"] if entry["manager"] == "somebody-else"]
    assert edited.edited_at == max(datetime.fromisoformat(entry["time"]) for entry in entries)
    assert edited.is_edited


@pytest.mark.parametrize("field", ["stopAfter", "variants", "onFailure", "backfill"])
def test_the_time_of_an_edit_that_removes_something_is_not_known(
    api: httpx.Client, stored: dict[str, Any], field: str
) -> None:
    """The API server notes it nowhere; the creation is not when it was."""
    before = seen(api, stored)
    after = patch(api, {"spec": {field: None}})
    assert after["metadata"]["generation"] == 2
    noted, known = ([entry["time"] for entry in each["metadata"]["managedFields"]] for each in (after, before))
    assert noted == known
    assert Subject.from_manifest(after).edited_at is None


def test_columns_say_what_one_wants_to_know(api: httpx.Client, stored: dict[str, Any]) -> None:
    subject = Subject.from_manifest(stored)
    assert subject.metadata.creation_timestamp is not None
    status = decide(Facts(subject.metadata.creation_timestamp, subject)).status
    assert status is not None
    api.put(f"{CASES.url}/full/status", json={**stored, "status": status.to_wire()}).raise_for_status()
    table = api.get(CASES.url, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    names = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert names == ["Name", "Schedule", "Timezone", "Suspend", "Last run", "Last status", "Next", "Age"]
    [row] = [row["cells"] for row in table["rows"]]
    assert row[:4] == ["full", "0 9 * * MON-FRI, @monthly", "Europe/Berlin", False]
    assert row[6] == status.to_wire()["nextRunTime"]
