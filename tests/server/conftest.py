"""One API server with our CRDs and one store for all tests of this folder, and an operator for those of a module."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import Operator, operator, service_account
from tests.support import apiserver, seaweedfs
from tests.support.apiserver import ApiServer, install_crds
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver that knows the CRDs."""
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as server, server.client() as client:
        install_crds(client)
        yield server


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left(api_server: ApiServer) -> None:
    """Delete the Reports of other modules: those whose runs never end are looked at again and again, and counted."""
    kind = "/apis/report-operator.io/v1alpha1"
    with api_server.client() as client:

        def look() -> list[dict[str, Any]] | None:
            answer = client.get(f"{kind}/reports")  # HTTP 429 for a moment after a module that has changed the CRD.
            return answer.json()["items"] if answer.is_success else None

        for namespace in {each["metadata"]["namespace"] for each in eventually(look, 20, "the Reports are listed")}:
            client.delete(f"{kind}/namespaces/{namespace}/reports").raise_for_status()


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[httpx.Client]:
    """An HTTP client that speaks as the administrator."""
    with api_server.client() as client:
        yield client


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real store."""
    with seaweedfs.running(tmp_path_factory.mktemp("seaweedfs")) as running:
        yield running


@pytest.fixture(scope="session")
def access(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with the rights that the chart gives to the operator."""
    return service_account(api_server, tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="module")
def running(access: Path, store: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that must not end, nor log an error."""
    log = tmp_path_factory.mktemp("operator") / "log"
    with operator(access, store, log) as process:
        yield process.wait_ready()
        assert process.process.poll() is None
        assert '"level": "error"' not in log.read_text()
