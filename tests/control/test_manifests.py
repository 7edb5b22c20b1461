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


def test_managed_fields_are_not_kept(known: Manifests) -> None:
    seen = manifest(9)
    seen["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    known.put(seen)
    assert known.take(KEY) == manifest(9)
    assert seen["metadata"]["managedFields"], "the caller's object is as it was"
    assert known.take(KEY) is None


def test_what_only_an_earlier_listing_has_named_is_forgotten(known: Manifests) -> None:
    gone = manifest(1)
    gone["metadata"]["name"] = "gone"
    for listed in (gone, manifest(1)):
        known.put_listed(listed)
    known.put(manifest(2))
    known.put_listed(manifest(3))
    assert known.get(("team-a", "gone")) is None
    assert known.get(KEY) == manifest(3)
