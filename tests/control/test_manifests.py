"""Objects as they were last seen: the newest, without what nobody asks for."""

from typing import Any

import pytest

from report_operator.control.manifests import Manifests

KEY = ("team-a", "weekly")


def manifest(version: int, **status: Any) -> dict[str, Any]:
    metadata = {"namespace": KEY[0], "name": KEY[1], "resourceVersion": str(version), "labels": {"a": "b"}}
    return {"metadata": metadata, "spec": {"title": "Sales"}, "status": status}


@pytest.fixture
def known() -> Manifests:
    return Manifests()


def test_an_older_state_replaces_nothing(known: Manifests) -> None:
    known.put(manifest(9, phase="Running"))
    known.put(manifest(8, phase="Queued"))
    known.put(manifest(9, phase="Queued"))
    assert known.get(KEY) == manifest(9, phase="Running")
    known.put(manifest(10, phase="Succeeded"))
    assert known.get(KEY) == manifest(10, phase="Succeeded")


def test_an_amended_state_stays_until_a_newer_one_comes(known: Manifests) -> None:
    known.put(manifest(9))
    known.amend(manifest(9, phase="Running"))
    known.put(manifest(9))
    assert known.get(KEY) == manifest(9, phase="Running")
    known.put(manifest(10))
    assert known.get(KEY) == manifest(10)


def test_of_managed_fields_it_is_kept_when_the_spec_was_written(known: Manifests) -> None:
    seen = manifest(9)
    written = {"manager": "kubectl", "time": "2026-05-04T08:00:00Z", "fieldsV1": {"f:spec": {"f:title": {}}}}
    labelled = {"manager": "argocd", "time": "2026-05-04T08:10:00Z", "fieldsV1": {"f:metadata": {}}}
    told = {"manager": "us", "time": "2026-05-04T08:20:00Z", "subresource": "status", "fieldsV1": {"f:status": {}}}
    seen["metadata"]["managedFields"] = [written, labelled, told]
    known.put(seen)
    kept = known.take(KEY)
    assert kept is not None
    assert kept["metadata"].pop("managedFields") == [
        {"time": "2026-05-04T08:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"time": "2026-05-04T08:10:00Z"},
        {"time": "2026-05-04T08:20:00Z", "subresource": "status"},
    ]
    assert kept == manifest(9)
    assert seen["metadata"]["managedFields"] == [written, labelled, told], "the caller's object is as it was"
    assert known.take(KEY) is None


def test_what_is_news(known: Manifests) -> None:
    assert [known.put(manifest(version)) for version in (9, 9, 8, 10)] == [True, False, False, True]
