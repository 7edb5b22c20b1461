"""Artifacts in a bucket of Google Cloud Storage."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any, Literal, TypeVar

import google.auth
import requests
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from report_operator.api.run import EntryLinks, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.store.errors import StoreError
from report_operator.store.gcs_links import Signer, signing
from report_operator.store.settings import GcsSettings
from report_operator.store.store import Link, SignedUploads, Store, StoredObject

_Answer = TypeVar("_Answer")

_THREADS = 16
_BUCKET_SECONDS = 300.0
_PAGE = 1000
_CALL: dict[str, Any] = {"timeout": (5, 30), "retry": DEFAULT_RETRY.with_timeout(10)}
"""Seconds to connect, and between two pieces of an answer; passing errors are tried again for ten seconds."""
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_ONCE = {"x-goog-if-generation-match": "0"}
"""Header of a PUT that succeeds only where there is no such object (XML API)."""

# Telemetry that nobody reads: the library would ask about the bucket, which needs a right of its own.
os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"


class GcsStore(Store):
    """A bucket. Files go there in one request however large they are: Google takes 5 TiB."""

    def __init__(self, settings: GcsSettings) -> None:
        """Find the credentials; raises StoreError when there are none."""
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except GoogleAuthError as error:
            raise StoreError(f"There are no credentials for gs://{settings.bucket}: {error}") from error
        options = {"api_endpoint": settings.endpoint} if settings.endpoint else None
        self._client = storage.Client(project=None, credentials=credentials, client_options=options)
        self._bucket = self._client.bucket(settings.bucket)
        self._signer = Signer(signing(credentials), self._bucket, settings.endpoint, settings.public_endpoint)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._bucket_seen: float | None = None

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def uri(self, key: str) -> str:
        """Return `gs://bucket/name` with the prefix in it."""
        return f"gs://{self._settings.bucket}/{self._prefix}{key}"

    async def ensure_bucket(self) -> None:
        """See that the bucket is there, now and again: making one would take a project and a location."""
        now = time.monotonic()
        if self._bucket_seen is None or now - self._bucket_seen > _BUCKET_SECONDS:
            await self._call(self._look_for_bucket)
            self._bucket_seen = now

    async def sign_uploads(
        self, files: Mapping[str, Split | None], ttl: timedelta, *, again: bool = False
    ) -> SignedUploads:
        """Return what files are uploaded with."""
        links = await self._links("PUT", files, ttl)
        uploads = {key: Upload(whole=SignedRequest(url=link.url)) for key, link in links.items()}
        return SignedUploads(uploads, min(link.expires_at for link in links.values()))

    async def sign_ledger(self, folder: str, ids: Iterable[str], ttl: timedelta) -> dict[str, EntryLinks]:
        """Return the links to the objects of a ledger's entries in a folder, for use inside the cluster, by id."""
        stems = {f"{folder}ledger/{id_}": id_ for id_ in ids}
        intents, records = ([f"{stem}.{what}" for stem in stems] for what in ("intent", "record"))
        both = [*intents, *records]
        puts = await self._links("PUT", both, ttl, headers=_ONCE)
        gets = await self._links("GET", both, ttl)
        deletes = await self._links("DELETE", intents, ttl)
        return {
            id_: EntryLinks(
                claim=SignedRequest(url=puts[f"{stem}.intent"].url, headers=_ONCE),
                claimed=gets[f"{stem}.intent"].url,
                release=deletes[f"{stem}.intent"].url,
                record=SignedRequest(url=puts[f"{stem}.record"].url, headers=_ONCE),
                recorded=gets[f"{stem}.record"].url,
            )
            for stem, id_ in stems.items()
        }

    async def sign_download(
        self, key: str, kind: Literal["attachment", "inline"], file_name: str, media_type: str, ttl: timedelta
    ) -> Link:
        """Return a GET link, for use from outside, that serves the object with this type and file name."""
        answer = {"response_disposition": f'{kind}; filename="{file_name}"', "response_type": media_type}
        sign = self._signer.link
        return await self._call(lambda: sign("GET", f"{self._prefix}{key}", ttl, outside=True, **answer))

    async def sign_reads(self, keys: Iterable[str], ttl: timedelta) -> dict[str, str]:
        """Return a GET link, for use from inside the cluster, by key."""
        return {key: link.url for key, link in (await self._links("GET", keys, ttl)).items()}

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of all objects whose keys start with `folder`, by key."""
        return await self._call(lambda: {self._key(blob): blob.size for blob in self._list(folder)})

    async def pages(self) -> AsyncIterator[list[StoredObject]]:
        """Yield all objects under our prefix, in the order of their names, a thousand at a time."""
        after: str | None = ""
        while after is not None:
            page, after = await self._call(lambda token=after: self._page(token))  # type: ignore[misc]
            yield page

    async def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        await self._call(lambda: self._blob(key).upload_from_string(content, **_CALL))

    async def get(self, key: str, limit: int) -> bytes | None:
        """Return an object; None when it is not there. One of more than `limit` bytes raises StoreError."""
        return await self._call(lambda: self._get(key, limit))

    async def delete(self, folder: str) -> None:
        """Delete all objects whose keys start with `folder`."""
        await self._call(lambda: self._delete(folder))

    async def abandon_uploads(self, folder: str) -> None:
        """Nothing is uploaded in parts."""

    async def _call(self, work: Callable[[], _Answer]) -> _Answer:
        """Run in one of our threads: the library blocks, even signing may, when it has to ask Google for it."""
        place = f"The store gs://{self._settings.bucket}"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except GoogleAPICallError as error:
            raise StoreError(f"{place} answers {error.code}: {error.message}") from error
        except (GoogleAuthError, RetryError, requests.exceptions.RequestException) as error:
            raise StoreError(f"{place} cannot be used: {error}") from error

    async def _links(self, method: str, keys: Iterable[str], ttl: timedelta, **parameters: Any) -> dict[str, Link]:
        """Return signed URLs by key. In all threads at once, because Google may be asked for each."""
        wanted = list(keys)
        sign = self._signer.link
        links = [
            self._call(lambda name=f"{self._prefix}{key}": sign(method, name, ttl, **parameters))  # type: ignore[misc]
            for key in wanted
        ]
        return dict(zip(wanted, await asyncio.gather(*links), strict=True))

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(f"{self._prefix}{key}")

    def _key(self, blob: Any) -> str:
        return str(blob.name).removeprefix(self._prefix)

    def _look_for_bucket(self) -> None:
        try:
            there = self._bucket.exists(**_CALL)
        except Forbidden:
            return  # Whoever may not look at a bucket may still put into it.
        if not there:
            raise StoreError(
                f"There is no bucket gs://{self._settings.bucket}: make it, or correct the operator's store"
            )

    def _list(self, folder: str) -> Iterator[Any]:
        yield from self._client.list_blobs(self._bucket, prefix=f"{self._prefix}{folder}", **_CALL)

    def _page(self, after: str) -> tuple[list[StoredObject], str | None]:
        """Return a page of a listing, and the token of the next one."""
        found = self._client.list_blobs(
            self._bucket, prefix=self._prefix, page_token=after or None, page_size=_PAGE, **_CALL
        )
        blobs = next(found.pages, ())
        return [StoredObject(self._key(blob), blob.updated.astimezone(UTC)) for blob in blobs], found.next_page_token

    def _get(self, key: str, limit: int) -> bytes | None:
        try:
            blob = self._blob(key)
            blob.reload(**_CALL)
            if blob.size > limit:
                raise StoreError(f"{key} has {blob.size} bytes; at most {limit} are read")
            content: bytes = blob.download_as_bytes(**_CALL)
        except NotFound:
            return None
        return content

    def _delete(self, folder: str) -> None:
        for blob in list(self._list(folder)):
            try:
                blob.delete(**_CALL)
            except NotFound:
                continue  # Somebody else was faster.
