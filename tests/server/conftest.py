"""One API server with our CRDs and one store for all tests of this folder, and an operator for those of a module."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.process import Operator, operator, service_account
from tests.support import apiserver, seaweedfs
from tests.support.apiserver import ApiServer, install_crds
from tests.support.seaweedfs import SeaweedFS


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver that knows the CRDs."""
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as server, server.client() as client:
        install_crds(client)
        yield server


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
