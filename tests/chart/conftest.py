"""A real API server that knows nothing of ours yet, as a cluster is before an installation."""

from collections.abc import Iterator

import pytest

from tests.support.apiserver import ApiServer, running


@pytest.fixture(scope="session")
def empty_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver; a test uses a namespace, or names, of its own."""
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        yield server
