"""Uploads in parts on a real S3 (SeaweedFS): only who has the links uploads, and nothing is there by half."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from report_operator.api.run import Links, Parts
from report_operator.plan.uploads import Split
from report_operator.store.s3 import S3Store
from report_operator.store.s3_parts import PartUploads
from report_operator.store.settings import S3Settings
from tests.support import http_server
from tests.support.http_server import Answer
from tests.support.seaweedfs import BUCKET, SeaweedFS

FOLDER = "team-a/weekly/uid-1/"
KEY = f"{FOLDER}sales.csv"
HOUR = timedelta(hours=1)
MIB = 1 << 20
SPLIT = Split(5 * MIB, 3, "text/csv; charset=utf-8")
"""S3 takes no smaller part but the last (AWS, "Amazon S3 multipart upload limits")."""
PIECES = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c"]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(autouse=True)
async def empty(store: S3Store) -> AsyncIterator[None]:
    await store.delete("")
    yield
    await store.delete("")


async def signed(store: S3Store, *, again: bool = False) -> Parts | None:
    found = await store.sign_uploads({KEY: SPLIT, f"{FOLDER}report.pdf": None}, HOUR, again=again)
    assert found.by_key[f"{FOLDER}report.pdf"].parts is None
    return found.by_key[KEY].parts


async def put(http: httpx.AsyncClient, parts: Parts, number: int) -> str:
    answer = (await http.put(parts.puts[number].url, content=PIECES[number])).raise_for_status()
    tag: str = answer.headers["ETag"]
    return tag


async def complete(http: httpx.AsyncClient, parts: Parts, tags: list[str]) -> httpx.Response:
    listed = (parts.listed.format(number=number, etag=tag) for number, tag in enumerate(tags, start=1))
    content = parts.listing.format(parts="".join(listed))
    return await http.request(parts.complete.method, parts.complete.url, content=content)


async def listed(store: S3Store) -> list[str]:
    return [each.key for page in [page async for page in store.pages()] for each in page]


async def test_a_file_is_there_when_it_is_complete_and_not_before(
    store: S3Store, http: httpx.AsyncClient, weed: SeaweedFS
) -> None:
    parts = await signed(store)
    assert parts is not None
    assert (parts.size, len(parts.puts)) == (SPLIT.part_size, SPLIT.count)
    tags = [await put(http, parts, number) for number in (0, 1, 2)]
    assert await store.sizes(FOLDER) == {}
    assert weed.keys("reports/") == []
    assert (await complete(http, parts, tags)).status_code == 200
    assert await store.sizes(FOLDER) == {KEY: sum(map(len, PIECES))}
    there = weed.client().get_object(Bucket=BUCKET, Key=f"reports/{KEY}")
    assert there["Body"].read() == b"".join(PIECES)
    assert there["ContentType"] == SPLIT.media_type


async def test_the_store_verifies_each_part(store: S3Store, http: httpx.AsyncClient) -> None:
    parts = await signed(store)
    assert parts is not None
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    answer = await http.put(parts.puts[0].url, content=PIECES[0], headers={"Content-MD5": wrong})
    assert (answer.status_code, "<Code>BadDigest</Code>" in answer.text) == (400, True)
    assert (await complete(http, parts, [f'"{hashlib.md5(b"never sent").hexdigest()}"'])).is_client_error


async def test_a_part_link_is_for_one_part_of_one_upload(store: S3Store, http: httpx.AsyncClient) -> None:
    parts = await signed(store)
    assert parts is not None
    other = parts.puts[0].url.replace("partNumber=1", "partNumber=2")
    assert (await http.put(other, content=b"x")).status_code == 403
    assert (await http.put(parts.puts[0].url.replace("sales.csv", "other.csv"), content=b"x")).status_code == 403


async def test_new_links_go_on_with_the_upload(store: S3Store, http: httpx.AsyncClient) -> None:
    before = await signed(store)
    assert before is not None
    first = await put(http, before, 0)
    after = await signed(store, again=True)
    assert after is not None
    assert (await complete(http, after, [first, await put(http, after, 1)])).status_code == 200
    assert await store.sizes(FOLDER) == {KEY: 10 * MIB}
    assert await signed(store, again=True) is None, "it is complete"


async def test_of_several_uploads_the_links_are_of_the_newest(store: S3Store, http: httpx.AsyncClient) -> None:
    """An operator that was ended between its Secret and its Job begins anew; stores count in whole seconds."""
    await signed(store)
    await asyncio.sleep(1)
    newest = await signed(store)
    assert newest is not None
    tag = await put(http, newest, 0)
    renewed = await signed(store, again=True)
    assert renewed is not None
    assert (await complete(http, renewed, [tag])).status_code == 200


async def test_unfinished_uploads_are_listed_with_their_age_and_can_be_abandoned(
    store: S3Store, http: httpx.AsyncClient
) -> None:
    parts = await signed(store)
    assert parts is not None
    await put(http, parts, 0)
    await store.put(f"{FOLDER}report.pdf", b"%PDF")
    neighbour = "team-a/weekly/uid-10/sales.csv"
    await store.sign_uploads({neighbour: SPLIT}, HOUR)
    pages = [page async for page in store.pages()]
    assert [[each.key for each in page] for page in pages] == [[f"{FOLDER}report.pdf"], [KEY, neighbour]]
    assert all(abs(each.modified - datetime.now(UTC)) < HOUR for each in pages[1])
    await store.abandon_uploads(FOLDER)
    assert await listed(store) == [f"{FOLDER}report.pdf", neighbour]
    assert (await http.put(parts.puts[1].url, content=PIECES[1])).status_code == 404


async def test_deleting_a_folder_deletes_its_unfinished_uploads(store: S3Store) -> None:
    await signed(store)
    await signed(store)
    await store.delete(FOLDER)
    assert await listed(store) == []


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501)])
async def test_a_store_that_does_not_tell_of_uploads(settings: S3Settings, code: str, status: int) -> None:
    """A fake: the one identity of this SeaweedFS may do everything. Files are deleted all the same."""
    with http_server.running() as web:
        error = Answer(f"<Error><Code>{code}</Code></Error>".encode(), status)
        listed = Answer(
            f"<ListBucketResult><Contents><Key>reports/{KEY}</Key><Size>1</Size></Contents></ListBucketResult>".encode()
        )
        web.respond = lambda asked: error if "uploads" in asked.path else listed
        denied = S3Store(replace(settings, endpoint=web.url))
        await denied.abandon_uploads(FOLDER)
        await denied.delete(FOLDER)
        denied.close()
    assert [asked.path for asked in web.asked if asked.method == "DELETE"] == [f"/{BUCKET}/reports/{KEY}"]


async def test_the_links_of_the_largest_run_fit_into_a_secret(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 recipients, 16 files in 32 parts, and a session token as long as those of AWS: half a Secret (1 MiB)."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", base64.b64encode(hashlib.sha512(b"token").digest() * 20).decode())
    monkeypatch.setattr(PartUploads, "begin", lambda *_: hashlib.sha512(b"id").hexdigest())  # It knows no such token.
    signing = S3Store(settings)
    files = {f"{FOLDER}sales-{number}.csv": Split(1 << 30, 2, "text/csv; charset=utf-8") for number in range(16)}
    uploads = await signing.sign_uploads(files, HOUR)
    entries = await signing.sign_ledger(FOLDER, map(str, range(1000)), HOUR)
    signing.close()
    links = Links(expires_at=uploads.expires_at, uploads=dict(uploads.by_key), entries=entries)
    assert len(links.packed()) < 512 * 1024
