"""One real store for all tests of this folder."""

from collections.abc import Iterator

import pytest

from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS, running


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A SeaweedFS."""
    with running(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def settings(weed: SeaweedFS) -> Iterator[S3Settings]:
    """Settings of the store, with the credentials in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        yield S3Settings(bucket=BUCKET, prefix="reports", endpoint=weed.endpoint, path_style=True)


@pytest.fixture(scope="session")
def store(settings: S3Settings) -> Iterator[S3Store]:
    """The store under test."""
    opened = S3Store(settings)
    yield opened
    opened.close()
