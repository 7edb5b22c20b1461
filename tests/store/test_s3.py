"""Links, listing and deletion on a real S3 (SeaweedFS)."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.store.errors import StoreError
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from report_operator.store.store import Link
from tests.support.ports import free_ports
from tests.support.seaweedfs import BUCKET, SeaweedFS

FOLDER = "team-a/weekly/uid-1/"
HOUR = timedelta(hours=1)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(autouse=True)
async def empty(store: S3Store) -> None:
    await store.delete("")


async def sign_upload(store: S3Store, key: str) -> str:
    signed = await store.sign_uploads({key: None}, HOUR)
    return signed.by_key[key].whole.url


async def put(store: S3Store, key: str, content: bytes = b"content") -> None:
    async with httpx.AsyncClient() as client:
        (await client.put(await sign_upload(store, key), content=content)).raise_for_status()


async def test_a_signed_link_uploads_without_credentials(store: S3Store, weed: SeaweedFS) -> None:
    await put(store, f"{FOLDER}report.pdf", b"%PDF")
    there = weed.client().get_object(Bucket=BUCKET, Key=f"reports/{FOLDER}report.pdf")
    assert there["Body"].read() == b"%PDF"
    assert store.uri(f"{FOLDER}report.pdf") == f"s3://{BUCKET}/reports/{FOLDER}report.pdf"


async def test_an_upload_link_is_for_one_key(store: S3Store, http: httpx.AsyncClient) -> None:
    key = f"{FOLDER}report.pdf"
    url = await sign_upload(store, key)
    assert (await http.put(url.replace("report.pdf", "other.pdf"), content=b"x")).status_code == 403
    assert (await http.get(url)).status_code == 403


async def test_links_of_a_ledger_write_once(store: S3Store, http: httpx.AsyncClient) -> None:
    """A link whose condition is left out is no link at all: the header is part of the signature."""
    entry = (await store.sign_ledger(FOLDER, ["a"], HOUR))["a"]
    for put, get in ((entry.claim, entry.claimed), (entry.record, entry.recorded)):
        assert (await http.get(get)).status_code == 404
        assert (await http.put(put.url, content=b"first")).status_code == 403
        assert (await http.put(put.url, content=b"first", headers=put.headers)).status_code == 200
        assert (await http.put(put.url, content=b"other", headers=put.headers)).status_code == 412
        assert (await http.get(get)).content == b"first"
    assert sorted(await store.sizes(FOLDER)) == [f"{FOLDER}ledger/a.intent", f"{FOLDER}ledger/a.record"]
    assert (await http.delete(entry.release)).status_code == 204
    assert sorted(await store.sizes(FOLDER)) == [f"{FOLDER}ledger/a.record"]
    assert (await http.delete(entry.recorded)).status_code == 403


async def test_download_and_view_differ_in_disposition(store: S3Store, http: httpx.AsyncClient) -> None:
    key = f"{FOLDER}report.pdf"
    await put(store, key)
    download = await store.sign_download(key, "attachment", "weekly.pdf", "application/pdf", HOUR)
    view = await store.sign_download(key, "inline", "weekly.pdf", "text/html; charset=utf-8", HOUR)
    got = await http.get(download.url)
    assert (got.content, got.headers["Content-Disposition"]) == (b"content", 'attachment; filename="weekly.pdf"')
    shown = await http.get(view.url)
    assert shown.headers["Content-Disposition"] == 'inline; filename="weekly.pdf"'
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_links_expire_when_they_say(store: S3Store, http: httpx.AsyncClient) -> None:
    key = f"{FOLDER}report.pdf"
    await put(store, key)
    short = await store.sign_download(key, "inline", "weekly.pdf", "application/pdf", timedelta(seconds=1))
    assert short.expires_at <= datetime.now(UTC) + timedelta(seconds=1)
    await asyncio.sleep((short.expires_at - datetime.now(UTC)).total_seconds() + 1)
    assert (await http.get(short.url)).status_code == 403


async def test_links_live_no_longer_than_a_week(store: S3Store) -> None:
    key = f"{FOLDER}report.pdf"
    signed = await store.sign_uploads({key: None}, timedelta(days=30))
    assert signed.expires_at <= datetime.now(UTC) + timedelta(days=7)


def use_credentials(monkeypatch: pytest.MonkeyPatch, folder: Path, *ends: datetime) -> None:
    """Have boto3 ask a program for temporary credentials, which gives others each time, and in the end the last."""
    for number, end in enumerate(ends):
        content = {"Version": 1, "AccessKeyId": f"key{number}", "SecretAccessKey": "b", "SessionToken": "c"}
        (folder / f"{number}.json").write_text(json.dumps(content | {"Expiration": end.isoformat()}))
    script = folder / "credentials"
    script.write_text(f"""#!/bin/sh
cd {folder}
cat $(ls [0-9].json | head -1)
[ $(ls [0-9].json | wc -l) = 1 ] || rm $(ls [0-9].json | head -1)
""")
    script.chmod(0o755)
    (folder / "config").write_text(f"[default]\ncredential_process = {script}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))


def after(minutes: int) -> datetime:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).replace(microsecond=0)


async def sign(settings: S3Settings) -> Link:
    store = S3Store(settings)
    link = await store.sign_download(f"{FOLDER}report.pdf", "inline", "weekly.pdf", "application/pdf", HOUR)
    store.close()
    return link


@pytest.mark.requirement("N9")
async def test_links_live_no_longer_than_the_credentials(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    end = after(minutes=30)
    use_credentials(monkeypatch, tmp_path, end)
    link = await sign(settings)
    assert link.expires_at == end
    assert "X-Amz-Security-Token=c" in link.url


@pytest.mark.requirement("N9")
async def test_a_link_ends_with_the_credentials_that_signed_it(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another thread may take new ones in the middle of signing; here that is done at the worst moment."""
    use_credentials(monkeypatch, tmp_path, after(minutes=20), end := after(minutes=40))
    store = S3Store(settings)
    credentials = store._session.get_credentials()
    take = credentials.get_frozen_credentials

    def interrupted() -> Any:
        taken = take()
        credentials._protected_refresh(is_mandatory=True)
        return taken

    monkeypatch.setattr(credentials, "get_frozen_credentials", interrupted)
    link = await store.sign_download(f"{FOLDER}report.pdf", "inline", "weekly.pdf", "application/pdf", HOUR)
    store.close()
    assert "X-Amz-Credential=key1" in link.url
    assert link.expires_at == end


async def test_credentials_that_never_last_long_give_links_that_say_so(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends = [after(minutes=11) + timedelta(seconds=number) for number in range(9)]
    use_credentials(monkeypatch, tmp_path, *ends)
    link = await sign(settings)
    signed_by = int(link.url.partition("X-Amz-Credential=key")[2][0])
    assert link.expires_at <= ends[signed_by]


@pytest.mark.parametrize(("minutes", "asks"), [(None, False), (60, False), (10, True)])
async def test_nobody_waits_for_credentials_but_the_thread_that_asks_for_them(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, minutes: int | None, asks: bool
) -> None:
    """Ten minutes before their end botocore asks for new ones, which takes seconds where the network is slow."""
    if minutes is not None:
        use_credentials(monkeypatch, tmp_path, *(after(minutes=minutes) for _ in range(9)))
    store, threads = S3Store(settings), []
    link = store._signer.link

    def noted(*arguments: Any, **named: Any) -> Link:
        threads.append(threading.current_thread() is not threading.main_thread())
        return link(*arguments, **named)

    monkeypatch.setattr(store._signer, "link", noted)
    for _ in range(2):
        await store.sign_reads([f"{FOLDER}report.pdf"], HOUR)
    await store.sign_reads([f"{FOLDER}{number}" for number in range(9)], HOUR)
    store.close()
    assert threads == [True, asks, *[True] * 9]


async def test_readers_get_the_public_endpoint_and_runs_the_inner_one(settings: S3Settings) -> None:
    store = S3Store(replace(settings, public_endpoint="https://files.example.com"))
    key = f"{FOLDER}report.pdf"
    upload = await sign_upload(store, key)
    download = await store.sign_download(key, "inline", "weekly.pdf", "application/pdf", HOUR)
    store.close()
    assert upload.startswith(f"{settings.endpoint}/{BUCKET}/reports/{FOLDER}report.pdf?")
    assert download.url.startswith(f"https://files.example.com/{BUCKET}/reports/{FOLDER}report.pdf?")


async def test_virtual_host_style(settings: S3Settings) -> None:
    store = S3Store(replace(settings, endpoint="https://s3.example.com", path_style=False, prefix=""))
    upload = await sign_upload(store, "report.pdf")
    store.close()
    assert upload.startswith(f"https://{BUCKET}.s3.example.com/report.pdf?")


async def test_sizes_of_a_folder(store: S3Store) -> None:
    await put(store, f"{FOLDER}a", b"1")
    await put(store, f"{FOLDER}b", b"22")
    await put(store, "team-a/weekly/uid-10/c", b"333")
    assert await store.sizes(FOLDER) == {f"{FOLDER}a": 1, f"{FOLDER}b": 2}
    assert await store.sizes("nowhere/") == {}


async def test_deleting_a_folder_leaves_its_neighbours(store: S3Store) -> None:
    await put(store, f"{FOLDER}a")
    await put(store, "team-a/weekly/uid-10/c")
    await store.delete(FOLDER)
    await store.delete(FOLDER)
    assert list(await store.sizes("team-a/")) == ["team-a/weekly/uid-10/c"]


async def test_a_listing_of_all_goes_page_by_page(store: S3Store, weed: SeaweedFS) -> None:
    begun = datetime.now(UTC).replace(microsecond=0)
    client = weed.client()
    for number in range(1100):
        client.put_object(Bucket=BUCKET, Key=f"reports/team-a/weekly/uid-{number:04}/a", Body=b"")
    client.put_object(Bucket=BUCKET, Key="elsewhere/a", Body=b"")
    pages = [page async for page in store.pages()]
    assert [len(page) for page in pages] == [1000, 100]
    keys = [each.key for page in pages for each in page]
    assert keys == [f"team-a/weekly/uid-{number:04}/a" for number in range(1100)]
    assert all(begun <= each.modified <= datetime.now(UTC) for page in pages for each in page)


async def test_a_listing_of_nothing_is_empty(store: S3Store) -> None:
    assert [page async for page in store.pages()] == [[]]


async def test_what_is_put_is_there(store: S3Store) -> None:
    await store.put(f"{FOLDER}keep", b"1")
    await store.put(f"{FOLDER}keep", b"2")
    assert await store.get(f"{FOLDER}keep", 10) == b"2"


async def test_objects_are_read_up_to_a_limit(store: S3Store) -> None:
    await put(store, f"{FOLDER}result.json", b"12345")
    assert await store.get(f"{FOLDER}result.json", 5) == b"12345"
    assert await store.get(f"{FOLDER}missing.json", 5) is None
    with pytest.raises(StoreError, match="has 5 bytes; at most 4 are read"):
        await store.get(f"{FOLDER}result.json", 4)


async def test_a_missing_bucket_is_made_once(settings: S3Settings, weed: SeaweedFS) -> None:
    store = S3Store(replace(settings, bucket="made-by-test"))
    await store.ensure_bucket()
    await store.ensure_bucket()
    store.close()
    assert "made-by-test" in {bucket["Name"] for bucket in weed.client().list_buckets()["Buckets"]}


async def test_an_outage_names_the_store(settings: S3Settings) -> None:
    (port,) = free_ports(1)
    store = S3Store(replace(settings, endpoint=f"http://127.0.0.1:{port}"))
    with pytest.raises(StoreError, match=f"http://127.0.0.1:{port}"):
        await store.sizes(FOLDER)
    store.close()


async def test_wrong_credentials_are_named_and_not_shown(settings: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
    store = S3Store(settings)
    with pytest.raises(StoreError, match="SignatureDoesNotMatch") as raised:
        await store.sizes(FOLDER)
    store.close()
    assert "wrong-and-secret" not in str(raised.value)


async def test_no_credentials_at_all(settings: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store(settings)
    with pytest.raises(StoreError, match="credentials"):
        await store.sign_uploads({f"{FOLDER}a": None}, HOUR)
    store.close()
