"""Every store keeps to what the operator and its runs want of one.

S3 is SeaweedFS, Azure is Azurite, which checks signatures and permissions; Google is fake-gcs-server behind a server of
the test's that checks signatures and preconditions, because it does neither.
"""

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from report_operator.api.outputs import OutputFormat
from report_operator.api.run import EntryLinks, Links, RenderedFile, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.run.links import LinksFile
from report_operator.run.store import Store as StoreOfRun
from report_operator.run.upload import Uploader
from report_operator.store.azure import AzureStore
from report_operator.store.errors import StoreError
from report_operator.store.gcs import GcsStore
from report_operator.store.s3 import S3Store
from report_operator.store.settings import AzureSettings, GcsSettings, S3Settings
from report_operator.store.store import Store
from tests.localcluster import certificates
from tests.support import azurite, fake_gcs, gcs_front, http_server
from tests.support.http_server import Answer, Asked
from tests.support.ports import free_ports

FOLDER = "team-a/weekly/uid-1/"
KEY = f"{FOLDER}report.pdf"
HOUR = timedelta(hours=1)
Open = Callable[[], Store]


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsSettings]:
    """Settings of a bucket, with the credentials in the environment."""
    folder = tmp_path_factory.mktemp("gcs")
    with fake_gcs.running(folder) as store, gcs_front.running(store) as url, pytest.MonkeyPatch.context() as patch:
        (folder / "key.json").write_text(fake_gcs.service_account_key(f"{url}/token"))
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "key.json"))
        asks = "CredentialsWithRegionalAccessBoundary._is_regional_access_boundary_lookup_required"
        patch.setattr(f"google.auth.credentials.{asks}", lambda _: False)  # Of Google, in a thread.
        yield GcsSettings(bucket=fake_gcs.BUCKET, prefix="reports", endpoint=url)


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureSettings]:
    """Settings of a container."""
    with azurite.running(tmp_path_factory.mktemp("azurite")) as store:
        yield AzureSettings(azurite.CONTAINER, store.endpoint, prefix="reports", account_key=azurite.KEY)


@pytest.fixture(params=["azure", "gcs", "s3"])
def open_store(request: pytest.FixtureRequest) -> Open:
    """Open the store anew."""
    settings: AzureSettings | GcsSettings | S3Settings
    settings = request.getfixturevalue("settings" if request.param == "s3" else request.param)
    match settings:
        case AzureSettings():
            return lambda: AzureStore(settings)
        case GcsSettings():
            return lambda: GcsStore(settings)
        case S3Settings():
            return lambda: S3Store(settings)


@pytest.fixture
async def any_store(open_store: Open) -> AsyncIterator[Store]:
    """An empty store."""
    store = open_store()
    await store.delete("")
    yield store
    store.close()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


def get(http: httpx.Client, url: str) -> httpx.Response:
    return http.get(url)


def send(http: httpx.Client, request: SignedRequest, content: bytes = b"content", **headers: str) -> httpx.Response:
    return http.request(request.method, request.url, content=content, headers=request.headers | headers)


async def upload_of(store: Store, key: str, split: Split | None = None) -> Upload:
    return (await store.sign_uploads({key: split}, HOUR)).by_key[key]


async def test_a_signed_link_uploads_for_one_key(any_store: Store, http: httpx.Client) -> None:
    await any_store.ensure_bucket()
    whole = (await upload_of(any_store, KEY)).whole
    assert send(http, whole, b"%PDF").is_success
    assert send(http, whole, b"%PDF-2").is_success, "a retry replaces it"
    elsewhere = whole.model_copy(update={"url": whole.url.replace("report.pdf", "other.pdf")})
    assert send(http, elsewhere).status_code == httpx.codes.FORBIDDEN
    assert get(http, whole.url).status_code == httpx.codes.FORBIDDEN
    assert await any_store.sizes(FOLDER) == {KEY: 6}
    assert any_store.uri(KEY).endswith(f"/{KEY}")


async def test_what_was_damaged_on_its_way_is_refused(any_store: Store, http: httpx.Client) -> None:
    whole = (await upload_of(any_store, KEY)).whole
    wrong = {"Content-MD5": "XrY7u+Ae7tCTyyK7j1rNww=="}  # Of "hello world".
    assert send(http, whole, b"hello w0rld", **wrong).status_code == httpx.codes.BAD_REQUEST
    assert send(http, whole, b"hello world", **wrong).is_success


@pytest.mark.requirement("N1")
async def test_entries_of_a_ledger_are_written_once(any_store: Store, tmp_path: Path) -> None:
    """By the run's own hand."""
    entry = (await any_store.sign_ledger(FOLDER, ["a"], HOUR))["a"]
    links = Links(expires_at=datetime.now(UTC) + HOUR, uploads={}, entries={"a": entry})
    (tmp_path / "links").write_bytes(links.packed())

    def way(what: str) -> Callable[[Links], SignedRequest]:
        return lambda links: getattr(links.entries["a"], what)

    def url(what: str) -> Callable[[Links], str]:
        return lambda links: getattr(links.entries["a"], what)

    with StoreOfRun(LinksFile(tmp_path / "links")) as run:
        for put, get in (("claim", "claimed"), ("record", "recorded")):
            assert run.get("a", url(get)) is None
            assert run.create("a", way(put), b"first")
            assert not run.create("a", way(put), b"other")
            assert run.get("a", url(get)) == b"first"
        assert sorted(await any_store.sizes(FOLDER)) == [f"{FOLDER}ledger/a.intent", f"{FOLDER}ledger/a.record"]
        run.delete("a", url("release"))
        run.delete("a", url("release"))
        assert await any_store.sizes(FOLDER) == {f"{FOLDER}ledger/a.record": 5}


@pytest.mark.parametrize("open_store", ["gcs", "s3"], indirect=True)
async def test_the_condition_cannot_be_left_out(any_store: Store, http: httpx.Client) -> None:
    """It is part of the signature: the link replaces nothing. Azure signs no headers; there the run's word counts."""
    entry: EntryLinks = (await any_store.sign_ledger(FOLDER, ["a"], HOUR))["a"]
    assert send(http, entry.claim, b"first").is_success
    bare: SignedRequest = entry.claim.model_copy(update={"headers": {}})
    assert send(http, bare).status_code == httpx.codes.FORBIDDEN
    assert get(http, entry.claimed).content == b"first"
    assert send(http, SignedRequest(method="DELETE", url=entry.recorded)).status_code == httpx.codes.FORBIDDEN


async def test_links_tell_type_and_name(any_store: Store, http: httpx.Client) -> None:
    send(http, (await upload_of(any_store, KEY)).whole)
    download = await any_store.sign_download(KEY, "attachment", "weekly.pdf", "application/pdf", HOUR)
    view = await any_store.sign_download(KEY, "inline", "weekly.pdf", "text/html; charset=utf-8", HOUR)
    got = get(http, download.url)
    assert (got.content, got.headers["Content-Disposition"]) == (b"content", 'attachment; filename="weekly.pdf"')
    shown = get(http, view.url)
    assert shown.headers["Content-Disposition"] == 'inline; filename="weekly.pdf"'
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert get(http, (await any_store.sign_reads([KEY], HOUR))[KEY]).content == b"content"


@pytest.mark.requirement("N9")
async def test_links_end_when_they_say(any_store: Store, http: httpx.Client) -> None:
    send(http, (await upload_of(any_store, KEY)).whole)
    short = await any_store.sign_download(KEY, "inline", "weekly.pdf", "application/pdf", timedelta(seconds=2))
    assert short.expires_at <= datetime.now(UTC) + timedelta(seconds=2)
    await asyncio.sleep((short.expires_at - datetime.now(UTC)).total_seconds() + 1)
    assert get(http, short.url).status_code == httpx.codes.FORBIDDEN


async def test_large_files(any_store: Store, tmp_path: Path) -> None:
    """As a run uploads them: in parts where the store has parts, in one request at Google."""
    content = bytes(range(256)) * (5 << 12) * 3 + b"end"
    (tmp_path / "big.csv").write_bytes(content)
    upload = await upload_of(any_store, f"{FOLDER}big.csv", Split(5 << 20, 12, "text/csv"))
    assert (upload.parts is None) is isinstance(any_store, GcsStore)
    links = Links(expires_at=datetime.now(UTC) + HOUR, uploads={"big.csv": upload})
    (tmp_path / "links").write_bytes(links.packed())
    file = RenderedFile(name="big.csv", format=OutputFormat.CSV)
    with StoreOfRun(own := LinksFile(tmp_path / "links")) as run:
        stored = Uploader(run, own).put_file(file, tmp_path / "big.csv")
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert await any_store.get(f"{FOLDER}big.csv", len(content)) == content


async def test_deleting_a_folder_leaves_its_neighbours(any_store: Store) -> None:
    for key in (KEY, f"{FOLDER}result.json", "team-a/weekly/uid-10/report.pdf"):
        await any_store.put(key, b"x")
    await any_store.delete(FOLDER)
    await any_store.delete(FOLDER)
    await any_store.abandon_uploads(FOLDER)
    assert await any_store.sizes("") == {"team-a/weekly/uid-10/report.pdf": 1}


async def test_a_listing_of_all_goes_page_by_page(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [page async for page in any_store.pages() if page] == []
    if not isinstance(any_store, S3Store):
        monkeypatch.setattr(f"{type(any_store).__module__}._PAGE", 2)
    for number in range(5):
        await any_store.put(f"{number}", b"x")
    pages = [page async for page in any_store.pages() if page]
    assert [found.key for page in pages for found in page] == ["0", "1", "2", "3", "4"]
    assert abs(datetime.now(UTC) - pages[0][0].modified) < timedelta(minutes=5)
    assert len(pages) == (1 if isinstance(any_store, S3Store) else 3)


async def test_objects_are_read_up_to_a_limit(any_store: Store) -> None:
    assert await any_store.get(KEY, 10) is None
    await any_store.put(KEY, b"0123456789")
    assert await any_store.get(KEY, 10) == b"0123456789"
    with pytest.raises(StoreError, match="has 10 bytes; at most 9 are read"):
        await any_store.get(KEY, 9)


async def test_a_bucket_that_is_missing(gcs: GcsSettings, azure: AzureSettings) -> None:
    """Azure's containers are made; one of Google's would take a project and a location."""
    container = AzureStore(replace(azure, container="another"))
    await container.ensure_bucket()
    await container.ensure_bucket()
    await container.put("a", b"x")
    bucket = GcsStore(replace(gcs, bucket="another"))
    with pytest.raises(StoreError, match="There is no bucket gs://another: make it, or correct the operator's store"):
        await bucket.ensure_bucket()
    for store in (container, bucket):
        store.close()


async def test_an_outage_names_the_store(
    gcs: GcsSettings, azure: AzureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report_operator.store.gcs._CALL", {"retry": None})
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    stores = [AzureStore(replace(azure, account_url=f"{url}/{azurite.ACCOUNT}")), GcsStore(replace(gcs, endpoint=url))]
    for store, name in zip(stores, (url, "gs://reports"), strict=True):
        with pytest.raises(StoreError, match=f"The store {name}.* cannot be used: "):
            await store.sizes("")
        store.close()


async def test_wrong_credentials_are_named_and_not_shown(azure: AzureSettings) -> None:
    store = AzureStore(replace(azure, account_key="d3Jvbmctc2VjcmV0"))
    with pytest.raises(StoreError, match="answers 403: AuthorizationFailure") as raised:
        await store.sizes("")
    assert "d3Jvbm" not in str(raised.value)
    store.close()


async def test_no_credentials_at_all(gcs: GcsSettings, azure: AzureSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gcs.without_identity(monkeypatch)
    with pytest.raises(StoreError, match="There are no credentials for gs://reports: "):
        GcsStore(gcs)
    with pytest.raises(StoreError, match=r"cannot be used: .* Missing required arguments: 'tenant_id'"):
        AzureStore(replace(azure, account_key=None))


async def test_readers_get_the_public_endpoint_and_runs_the_inner_one(gcs: GcsSettings, azure: AzureSettings) -> None:
    public = "https://files.example.com"
    stores = [AzureStore(replace(azure, public_endpoint=public)), GcsStore(replace(gcs, public_endpoint=public))]
    for store, inner in zip(stores, (azure.account_url, str(gcs.endpoint)), strict=True):
        link = await store.sign_download(KEY, "inline", "weekly.pdf", "application/pdf", HOUR)
        assert link.url.startswith(f"{public}/reports/reports/{KEY}?")
        assert (await upload_of(store, KEY)).whole.url.startswith(f"{inner}/reports/reports/{KEY}?")
        store.close()


async def test_links_live_no_longer_than_a_week(gcs: GcsSettings) -> None:
    store = GcsStore(gcs)
    signed = await store.sign_uploads({KEY: None}, timedelta(days=30))
    assert signed.expires_at <= datetime.now(UTC) + timedelta(days=7)
    store.close()


def metadata_server(signs: list[str]) -> Callable[[Asked], Answer]:
    """Return what GKE's metadata server answers, and Google to requests to sign, which end up in `signs`."""

    def respond(asked: Asked) -> Answer:
        content: dict[str, Any] = {"email": fake_gcs.ACCOUNT, "scopes": ["x"], "aliases": []}
        if "/universe/" in asked.path or "/project/" in asked.path:
            return Answer(status=404)
        if "/token" in asked.path:
            content = json.loads(gcs_front.TOKEN)
        if asked.path.startswith("/sign/"):
            signs.append(asked.headers["authorization"])
            payload = base64.b64decode(json.loads(asked.body)["payload"])
            signature = fake_gcs.private_key().sign(payload, PKCS1v15(), SHA256())
            content = {"signedBlob": base64.b64encode(signature).decode()}
        headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        return Answer(json.dumps(content).encode(), headers=headers)

    return respond


async def test_google_signs_for_a_pod(gcs: GcsSettings, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in the place of GKE's metadata server and of IAM; the store takes what they sign as Google does."""
    signs: list[str] = []
    with http_server.running() as google:
        google.respond = metadata_server(signs)
        fake_gcs.with_metadata_server(monkeypatch, google.url)
        monkeypatch.setattr("google.auth.iam._IAM_SIGN_ENDPOINT", f"{google.url}/sign/{{}}")
        store = GcsStore(gcs)
        signed = await store.sign_uploads({KEY: None}, timedelta(days=7))
        assert send(http, signed.by_key[KEY].whole).is_success
        assert signed.expires_at <= datetime.now(UTC) + timedelta(hours=12), "as long as Google keeps its keys"
        await store.sign_ledger(FOLDER, ["a", "b"], HOUR)
        store.close()
    assert signs == ["Bearer t0ken"] * (1 + 2 * 5)


def token(lasting: timedelta) -> bytes:
    """Return what Microsoft Entra answers, with the claims that Azure looks at and no signature."""
    now = datetime.now(UTC)
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant/",
        "tid": "tenant",
        "oid": "pod",
        **dict.fromkeys(("iat", "nbf"), int((now - HOUR).timestamp())),
        "exp": int((now + lasting).timestamp()),
    }
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "x"}, claims)
    ]
    answer = {"access_token": ".".join([*parts, "x"]), "expires_in": lasting.seconds, "token_type": "Bearer"}
    return json.dumps(answer).encode()


async def test_azure_lends_a_key_to_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azurite, and a server in the place of Microsoft Entra: links are signed with a key that lasts for a week.

    Azurite gives such a key, but knows only older forms of what is signed with it: the links are read and not used.
    """
    certificates.authority(tmp_path)
    certificates.server(tmp_path, "server", ["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    (tmp_path / "federated").write_text("from-the-kubelet")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.crt"))
    with http_server.running(tls=context) as entra, azurite.running(tmp_path, tmp_path / "server.crt") as blobs:
        entra.respond = lambda _: Answer(token(HOUR), headers={"Content-Type": "application/json"})
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra.url)
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated"))
        for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
            monkeypatch.setenv(name, "one")
        store = AzureStore(AzureSettings(azurite.CONTAINER, blobs.endpoint))
        signed = await store.sign_uploads({KEY: None}, timedelta(days=30))
        week = datetime.now(UTC) + timedelta(days=7)
        assert week - timedelta(minutes=1) < signed.expires_at <= week
        link = await store.sign_download(KEY, "inline", "weekly.pdf", "application/pdf", HOUR)
        assert link.expires_at <= datetime.now(UTC) + HOUR
        told = dict(parse_qsl(urlsplit(signed.by_key[KEY].whole.url).query))
        assert (told["skoid"], told["sktid"], told["sp"]) == ("pod", "tenant", "cw")
        assert told["se"] == told["ske"] == signed.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        store.close()
    assert len(entra.asked) == 1
