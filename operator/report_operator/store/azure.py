"""Artifacts in a container of Azure Blob Storage."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any, Literal, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import WorkloadIdentityCredential
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from report_operator.api.run import EntryLinks, Upload
from report_operator.plan.uploads import Split
from report_operator.store.azure_links import Signer
from report_operator.store.errors import StoreError
from report_operator.store.settings import AzureSettings
from report_operator.store.store import Link, SignedUploads, Store, StoredObject

_Answer = TypeVar("_Answer")

_THREADS = 16
_BUCKET_SECONDS = 300.0
_PAGE = 1000
_FORBIDDEN = 403


class AzureStore(Store):
    """A container."""

    def __init__(self, settings: AzureSettings) -> None:
        """Find the credentials; raises StoreError when there are none, or what is set cannot be used."""
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        try:
            credential: Any = settings.account_key or WorkloadIdentityCredential()
            again = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=2, random_jitter_range=1)
            options: dict[str, Any] = {"retry_policy": again, "connection_timeout": 5, "read_timeout": 30}
            self._service = BlobServiceClient(settings.account_url, credential, **options)
        except ValueError as error:
            raise StoreError(f"The store {settings.account_url} cannot be used: {error}") from error
        self._container = self._service.get_container_client(settings.container)
        self._signer = Signer(self._service, settings.container, settings.account_key, settings.public_endpoint)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._bucket_seen: float | None = None

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._service.close()

    def uri(self, key: str) -> str:
        """Return the URL of the blob, without a signature."""
        return f"{self._container.url}/{self._prefix}{key}"

    async def ensure_bucket(self) -> None:
        """Make the container if it is missing and may be made; one that was seen a while ago is believed in."""
        now = time.monotonic()
        if self._bucket_seen is None or now - self._bucket_seen > _BUCKET_SECONDS:
            await self._call(self._ensure_container)
            self._bucket_seen = now

    async def sign_uploads(
        self, files: Mapping[str, Split | None], ttl: timedelta, *, again: bool = False
    ) -> SignedUploads:
        """Return what files are uploaded with. Blocks that were sent before count again: they go by their numbers."""
        return await self._call(lambda: self._sign_uploads(files, ttl))

    async def sign_ledger(self, folder: str, ids: Iterable[str], ttl: timedelta) -> dict[str, EntryLinks]:
        """Return the links to the objects of a ledger's entries in a folder, for use inside the cluster, by id."""
        stems = {id_: f"{self._prefix}{folder}ledger/{id_}" for id_ in ids}
        return await self._call(lambda: {id_: self._signer.entry(stem, ttl) for id_, stem in stems.items()})

    async def sign_download(
        self, key: str, kind: Literal["attachment", "inline"], file_name: str, media_type: str, ttl: timedelta
    ) -> Link:
        """Return a GET link, for use from outside, that serves the object with this type and file name."""
        answer = {"content_disposition": f'{kind}; filename="{file_name}"', "content_type": media_type}
        name = f"{self._prefix}{key}"
        return await self._call(lambda: self._signer.link(name, "r", ttl, outside=True, **answer))

    async def sign_reads(self, keys: Iterable[str], ttl: timedelta) -> dict[str, str]:
        """Return a GET link, for use inside the cluster, by key."""
        names = {key: f"{self._prefix}{key}" for key in keys}
        return await self._call(lambda: {key: self._signer.link(name, "r", ttl).url for key, name in names.items()})

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of all objects whose keys start with `folder`, by key."""
        return await self._call(lambda: {self._key(blob): blob.size for blob in self._list(folder)})

    async def pages(self) -> AsyncIterator[list[StoredObject]]:
        """Yield all objects under our prefix, in the order of their names, a thousand at a time.

        Blocks of unfinished uploads are in no listing; Azure deletes them after a week.
        """
        after: str | None = ""
        while after is not None:
            page, after = await self._call(lambda token=after: self._page(token))  # type: ignore[misc]
            yield page

    async def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        await self._call(lambda: self._container.upload_blob(f"{self._prefix}{key}", content, overwrite=True))

    async def get(self, key: str, limit: int) -> bytes | None:
        """Return an object; None when it is not there. One of more than `limit` bytes raises StoreError."""
        return await self._call(lambda: self._get(key, limit))

    async def delete(self, folder: str) -> None:
        """Delete all objects whose keys start with `folder`."""
        await self._call(lambda: self._delete(folder))

    async def abandon_uploads(self, folder: str) -> None:
        """Leave blocks of unfinished uploads to Azure, which deletes them after a week."""

    async def _call(self, work: Callable[[], _Answer]) -> _Answer:
        """Run in one of our threads: the library blocks, even signing may, when it has to fetch a key first."""
        place = f"The store {self._settings.account_url}"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except HttpResponseError as error:
            code = getattr(error, "error_code", None)
            said = getattr(code, "value", code) or error.reason or error.message
            raise StoreError(f"{place} answers {error.status_code or 'nothing'}: {said}") from error
        except AzureError as error:
            raise StoreError(f"{place} cannot be used: {error}") from error

    def _sign_uploads(self, files: Mapping[str, Split | None], ttl: timedelta) -> SignedUploads:
        uploads: dict[str, Upload] = {}
        ends = []
        for key, split in files.items():
            uploads[key], end = self._signer.upload(f"{self._prefix}{key}", split, ttl)
            ends.append(end)
        return SignedUploads(uploads, min(ends))

    def _key(self, blob: Any) -> str:
        return str(blob.name).removeprefix(self._prefix)

    def _ensure_container(self) -> None:
        try:
            self._container.get_container_properties()
        except ResourceNotFoundError:
            self._create_container()
        except HttpResponseError as error:
            if error.status_code != _FORBIDDEN:  # Whoever may not look at a container may still put into it.
                raise

    def _create_container(self) -> None:
        try:
            self._container.create_container()
        except ResourceExistsError:
            return  # Somebody else was faster.

    def _list(self, folder: str) -> Iterable[Any]:
        return self._container.list_blobs(name_starts_with=f"{self._prefix}{folder}", results_per_page=_PAGE)

    def _page(self, after: str) -> tuple[list[StoredObject], str | None]:
        """Return a page of a listing, and the token of the next one."""
        pages = self._container.list_blobs(name_starts_with=self._prefix, results_per_page=_PAGE).by_page(after or None)
        page = [StoredObject(self._key(blob), blob.last_modified.astimezone(UTC)) for blob in next(pages, ())]
        return page, getattr(pages, "continuation_token", None) or None

    def _get(self, key: str, limit: int) -> bytes | None:
        try:
            blob = self._container.get_blob_client(f"{self._prefix}{key}")
            size = blob.get_blob_properties().size
            if size > limit:
                raise StoreError(f"{key} has {size} bytes; at most {limit} are read")
            content: bytes = blob.download_blob().readall()
        except ResourceNotFoundError:
            return None
        return content

    def _delete(self, folder: str) -> None:
        for blob in list(self._list(folder)):
            try:
                self._container.delete_blob(blob.name)
            except ResourceNotFoundError:
                continue  # Somebody else was faster.
