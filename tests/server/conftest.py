"""One API server for all tests of this folder, with our CRDs in it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.apiserver import ApiServer, install_crds, running


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver that knows the CRDs."""
    with running(tmp_path_factory.mktemp("apiserver")) as server, server.client() as client:
        install_crds(client)
        yield server


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[httpx.Client]:
    """An HTTP client that speaks as the administrator."""
    with api_server.client() as client:
        yield client
