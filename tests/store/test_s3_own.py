"""An S3 of one's own: with certificates of a private authority, and used as a role (SeaweedFS, with its STS)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from report_operator.store.errors import StoreError
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Role, S3Settings
from tests.support import http_server, seaweedfs
from tests.support.http_server import Answer
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS

ARN = "arn:aws:iam::123456789012:role/reports"
LIFE = timedelta(seconds=5)
"""Of the role's keys: no STS of AWS gives out any for less than 15 minutes."""
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with seaweedfs.running(tmp_path_factory.mktemp("own"), ARN, tls=True, lasting=f"{LIFE.seconds}s") as store:
        yield store


@pytest.fixture
def settings(own: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return S3Settings(BUCKET, endpoint=own.endpoint, path_style=True, ca_file=own.authority)


@pytest.fixture
async def http(own: SeaweedFS) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=own.authority)) as client:
        yield client


def certificate(own: SeaweedFS) -> str:
    assert own.authority is not None
    return own.authority.read_text()


class TestAuthority:
    async def test_the_store_is_trusted_by_it_alone(self, settings: S3Settings) -> None:
        trusting, others = S3Store(settings), S3Store(replace(settings, ca_file=None))
        await trusting.ensure_bucket()
        await trusting.put("a", b"1")
        assert await trusting.get("a", 10) == b"1"
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            await others.get("a", 10)
        for store in (trusting, others):
            store.close()

    async def test_runs_get_certificates_and_nothing_else_of_the_file(
        self, settings: S3Settings, own: SeaweedFS, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.crt"
        key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
        file.write_text(f"# Főtanúsítvány\n{certificate(own)}{key}{certificate(own)}", encoding="utf-8")
        store = S3Store(replace(settings, ca_file=file))
        signed = await store.sign_uploads({"a": None}, HOUR)
        store.close()
        assert signed.authorities == certificate(own) * 2

    @pytest.mark.parametrize(
        ("content", "says"),
        [(None, "ca.crt: No such file"), ("-----BEGIN CERTIFICATE-----", "ca.crt holds no PEM certificate")],
    )
    async def test_a_file_without_certificates(
        self, settings: S3Settings, tmp_path: Path, content: str | None, says: str
    ) -> None:
        file = tmp_path / "ca.crt"
        if content is not None:
            file.write_text(content)
        store = S3Store(replace(settings, ca_file=file))
        with pytest.raises(StoreError, match=says):
            await store.sign_uploads({"a": None}, HOUR)
        store.close()


class TestRole:
    @pytest.mark.requirement("A9", "N9")
    async def test_a_link_ends_with_the_keys_of_the_role_and_says_so(
        self, settings: S3Settings, own: SeaweedFS, http: httpx.AsyncClient
    ) -> None:
        store = S3Store(replace(settings, role=S3Role(ARN, endpoint=own.endpoint)))
        await store.put("role/a", b"1")
        link = await store.sign_download("role/a", "inline", "a.pdf", "application/pdf", HOUR)
        assert "X-Amz-Security-Token" in link.url
        assert link.expires_at <= datetime.now(UTC) + LIFE
        assert (await http.get(link.url)).status_code == 200
        await asyncio.sleep((link.expires_at - datetime.now(UTC)).total_seconds() + 1)
        assert (await http.get(link.url)).status_code == 403
        assert await store.get("role/a", 10) == b"1", "with new keys"
        store.close()

    async def test_an_upload_too(self, settings: S3Settings, own: SeaweedFS, http: httpx.AsyncClient) -> None:
        store = S3Store(replace(settings, role=S3Role(ARN, endpoint=own.endpoint)))
        signed = await store.sign_uploads({"role/b": None}, HOUR)
        assert signed.expires_at <= datetime.now(UTC) + LIFE
        (await http.put(signed.by_key["role/b"].whole.url, content=b"1")).raise_for_status()
        assert await store.sizes("role/b") == {"role/b": 1}
        store.close()

    async def test_one_that_is_refused_is_named(self, settings: S3Settings, own: SeaweedFS) -> None:
        store = S3Store(replace(settings, role=S3Role(f"{ARN}-of-nobody", endpoint=own.endpoint)))
        with pytest.raises(StoreError, match=f"The role {ARN}-of-nobody is refused: AccessDenied"):
            await store.sizes("")
        store.close()

    async def test_it_is_asked_for_with_the_external_id(self, settings: S3Settings) -> None:
        """A server in the place of STS: that of SeaweedFS looks at no external id."""
        with http_server.running() as sts:
            sts.respond = lambda _: Answer(b"<ErrorResponse><Error><Code>Denied</Code></Error></ErrorResponse>", 403)
            role = S3Role(ARN, external_id="team-a", endpoint=sts.url)
            store = S3Store(replace(settings, ca_file=None, role=role))
            with pytest.raises(StoreError, match="is refused"):
                await store.sizes("")
            store.close()
        asked = parse_qs(sts.asked[0].body.decode())
        wanted = {"Action": ["AssumeRole"], "RoleArn": [ARN], "ExternalId": ["team-a"]}
        assert asked | wanted == asked
        assert ACCESS_KEY in sts.asked[0].headers["authorization"]
