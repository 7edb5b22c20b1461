"""kopf's settings do what their comments say, as kopf reads them."""

from itertools import islice

import kopf
import pytest
from kopf._cogs.structs.references import Resource, Selector

from report_operator.control import watching


@pytest.fixture
def settings() -> kopf.OperatorSettings:
    made = kopf.OperatorSettings()
    watching.configure(made, "operator-0", stop_seconds=60)
    return made


def selectors_of(settings: kopf.OperatorSettings, resource: Resource) -> list[str]:
    selectors = settings.watching.label_selectors
    return [selectors[key] for key in selectors if isinstance(key, Selector) and key.check(resource)]


@pytest.mark.parametrize("resource", [Resource("batch", "v1", "jobs"), Resource("", "v1", "pods")])
def test_the_server_filters_jobs_and_pods(settings: kopf.OperatorSettings, resource: Resource) -> None:
    assert selectors_of(settings, resource) == ["app.kubernetes.io/managed-by=report-operator"]


def test_reports_are_all_watched(settings: kopf.OperatorSettings) -> None:
    reports = Resource("report-operator.io", "v1alpha1", "reports")
    assert selectors_of(settings, reports) == []


def test_retries_never_end_and_start_anew_each_time(settings: kopf.OperatorSettings) -> None:
    backoffs = settings.networking.error_backoffs
    assert not isinstance(backoffs, int | float)
    for _ in range(2):
        first = list(islice(backoffs, 50))
        assert 0.5 <= first[0] <= 1
        assert all(30 <= delay <= 60 for delay in first[10:])


def test_objects_of_a_listing_are_not_kept_until_all_of_it_is_there(settings: kopf.OperatorSettings) -> None:
    assert settings.queueing.idle_timeout <= 0.1
    assert settings.watching.chunk_size == 500


def test_nothing_of_kopf_is_shared_with_other_operators(settings: kopf.OperatorSettings) -> None:
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert "kopf.zalando.org" not in settings.persistence.finalizer


def test_nothing_of_an_object_is_kept_to_compare_it_with(settings: kopf.OperatorSettings) -> None:
    body = kopf.Body({"metadata": {"name": "weekly", "annotations": {"a": "b"}}, "spec": {"title": "Sales"}})
    storage = settings.persistence.diffbase_storage
    assert storage.build(body=body) == {}
    assert storage.fetch(body=body) is None
    patch = kopf.Patch()
    storage.store(body=body, patch=patch, essence=storage.build(body=body))
    assert not patch
