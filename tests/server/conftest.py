"""One API server for all tests of this folder, with our CRDs in it."""

from collections.abc import Iterator

import httpx
import pytest
import yaml

from tests.support.apiserver import ROOT, ApiServer, running


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver that knows the CRDs."""
    with running(tmp_path_factory.mktemp("apiserver")) as server, server.client() as client:
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            crd = yaml.safe_load(path.read_text())
            answer = client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=crd)
            assert answer.status_code == httpx.codes.CREATED, answer.json()["message"]
            _wait_served(client, f"/apis/{crd['spec']['group']}/v1alpha1/{crd['spec']['names']['plural']}")
        yield server


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[httpx.Client]:
    """An HTTP client that speaks as the administrator."""
    with api_server.client() as client:
        yield client


def _wait_served(client: httpx.Client, path: str) -> None:
    for _ in range(200):
        if client.get(path).status_code == httpx.codes.OK:
            return
    raise TimeoutError(f"{path} is not served")
