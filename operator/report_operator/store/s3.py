"""Artifacts in a bucket of any S3: signed links for the runs and the readers, listing and deletion for the operator."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from report_operator.api.run import EntryLinks
from report_operator.plan.uploads import Split
from report_operator.store import certificates, s3_role
from report_operator.store.errors import StoreError
from report_operator.store.s3_links import Signer
from report_operator.store.s3_parts import PartUploads
from report_operator.store.settings import S3Settings
from report_operator.store.store import Link, SignedUploads, Store, StoredObject

_Answer = TypeVar("_Answer")

_THREADS = 16
_BUCKET_SECONDS = 300.0
_FEW_LINKS = 8
"""Links that are signed where the operator's other work waits for it: each takes 0.1 ms."""


class S3Store(Store):
    """A bucket."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        self._session = s3_role.session(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._bucket_seen: float | None = None
        self._inside = self._client(settings.endpoint)
        public = settings.public_endpoint
        self._outside = self._client(public) if public else self._inside
        self._signer = Signer(self._session, self._inside, settings.bucket)
        self._signer_outside = Signer(self._session, self._outside, settings.bucket)
        self._parts = PartUploads(self._inside, settings.bucket)

    def _client(self, endpoint: str | None) -> Any:
        # boto3's "auto" would mean path style with every endpoint of one's own.
        style = "path" if self._settings.path_style else "virtual" if endpoint else "auto"
        options = Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=_THREADS,
            # Other S3s do not know the newer checksums, and a signed one would bind publish to it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        verify = str(self._settings.ca_file) if self._settings.ca_file else None
        return self._session.client("s3", endpoint_url=endpoint, config=options, verify=verify)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._inside.close()
        self._outside.close()

    def uri(self, key: str) -> str:
        """Return `s3://bucket/key` with the prefix in it."""
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is missing and may be made; one that was seen a while ago is believed in."""
        now = time.monotonic()
        if self._bucket_seen is None or now - self._bucket_seen > _BUCKET_SECONDS:
            await self._call(self._ensure_bucket)
            self._bucket_seen = now

    async def sign_uploads(
        self, files: Mapping[str, Split | None], ttl: timedelta, *, again: bool = False
    ) -> SignedUploads:
        """Return what files are uploaded with."""
        if any(files.values()):  # Uploads in parts: the store is asked to begin them.
            return await self._call(lambda: self._sign_uploads(files, ttl, again))
        return await self._sign(self._signer, len(files), lambda: self._sign_uploads(files, ttl, again))

    async def sign_ledger(self, folder: str, ids: Iterable[str], ttl: timedelta) -> dict[str, EntryLinks]:
        """Return the links to the objects of a ledger's entries in a folder, for use inside the cluster, by id."""
        stems = {id_: f"{self._prefix}{folder}ledger/{id_}" for id_ in ids}
        sign = self._signer.entry
        return await self._call(lambda: {id_: sign(stem, ttl) for id_, stem in stems.items()})

    async def sign_download(
        self, key: str, kind: Literal["attachment", "inline"], file_name: str, media_type: str, ttl: timedelta
    ) -> Link:
        """Return a GET link, for use from outside, that serves the object with this type and file name."""
        answer = {
            "response-content-disposition": f'{kind}; filename="{file_name}"',
            "response-content-type": media_type,
        }
        name = f"{self._prefix}{key}"
        signer = self._signer_outside
        return await self._sign(signer, 1, lambda: signer.link("GET", name, ttl, answer))

    async def sign_reads(self, keys: Iterable[str], ttl: timedelta) -> dict[str, str]:
        """Return a GET link, for use inside the cluster, by key."""
        names = {key: f"{self._prefix}{key}" for key in keys}
        sign = self._signer.link
        return await self._sign(
            self._signer, len(names), lambda: {key: sign("GET", name, ttl).url for key, name in names.items()}
        )

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of all objects whose keys start with `folder`, by key."""
        return await self._call(lambda: dict(self._list(folder)))

    async def pages(self) -> AsyncIterator[list[StoredObject]]:
        """Yield all objects under our prefix, in the order of their keys, then the unfinished uploads."""
        after: str | None = ""
        while after is not None:
            page, after = await self._call(lambda token=after: self._page(token))  # type: ignore[misc]
            yield page
        begun = await self._call(lambda: list(self._parts.list(self._prefix)))
        if begun:
            yield [StoredObject(each.name.removeprefix(self._prefix), each.begun) for each in begun]

    async def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        name = f"{self._prefix}{key}"
        await self._call(lambda: self._inside.put_object(Bucket=self._settings.bucket, Key=name, Body=content))

    async def get(self, key: str, limit: int) -> bytes | None:
        """Return an object; None when it is not there. One of more than `limit` bytes raises StoreError."""
        return await self._call(lambda: self._get(key, limit))

    async def delete(self, folder: str) -> None:
        """Delete all objects whose keys start with `folder`, and what was uploaded of unfinished ones."""
        await self._call(lambda: self._delete(folder))

    async def abandon_uploads(self, folder: str) -> None:
        """Delete what was uploaded of unfinished objects whose keys start with `folder`."""
        await self._call(lambda: self._parts.abort(f"{self._prefix}{folder}"))

    async def _sign(self, signer: Signer, links: int, work: Callable[[], _Answer]) -> _Answer:
        """Make so many links: few at once, as a thread costs much more than they do."""
        if links > _FEW_LINKS or not signer.is_ready:
            return await self._call(work)
        with self._told():
            return work()

    async def _call(self, work: Callable[[], _Answer]) -> _Answer:
        """Run in one of our threads: boto3 blocks, even signing may, when it has to fetch credentials first."""
        with self._told():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Raise StoreError for botocore's errors."""
        place = self._settings.endpoint or "AWS S3"
        try:
            yield
        except ClientError as error:
            code, said = _code(error), error.response.get("Error", {}).get("Message", "")
            if self._settings.role and error.operation_name == "AssumeRole":
                raise StoreError(f"The role {self._settings.role.arn} is refused: {code}: {said}") from error
            raise StoreError(f"The store {place} answers {code}: {said}") from error
        except BotoCoreError as error:
            raise StoreError(f"The store {place} cannot be used: {error}") from error

    def _sign_uploads(self, files: Mapping[str, Split | None], ttl: timedelta, again: bool) -> SignedUploads:
        uploads, ends = {}, []
        for key, split in files.items():
            name = f"{self._prefix}{key}"
            upload_id = None
            if split is not None:
                upload_id = self._parts.newest(name) if again else self._parts.begin(name, split.media_type)
            uploads[key], end = self._signer.upload(name, split, upload_id, ttl)
            ends.append(end)
        ca_file = self._settings.ca_file
        return SignedUploads(uploads, min(ends), certificates.read(ca_file) if ca_file else None)

    def _ensure_bucket(self) -> None:
        bucket = self._settings.bucket
        try:
            self._inside.head_bucket(Bucket=bucket)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.FORBIDDEN:
                return  # Whoever may not look at a bucket may still put into it.
            if status != HTTPStatus.NOT_FOUND:
                raise
            self._create_bucket(bucket)

    def _create_bucket(self, bucket: str) -> None:
        elsewhere = self._settings.endpoint is None and self._settings.region != "us-east-1"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self._settings.region}} if elsewhere else {}
        try:
            self._inside.create_bucket(Bucket=bucket, **place)
        except ClientError as error:
            if _code(error) not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    def _list(self, folder: str) -> Iterable[tuple[str, int]]:
        pages = self._inside.get_paginator("list_objects_v2").paginate(
            Bucket=self._settings.bucket, Prefix=f"{self._prefix}{folder}"
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(self._prefix), item["Size"]

    def _page(self, after: str) -> tuple[list[StoredObject], str | None]:
        """Return a page of a listing, and the token of the next one."""
        place = {"ContinuationToken": after} if after else {}
        answer = self._inside.list_objects_v2(Bucket=self._settings.bucket, Prefix=self._prefix, **place)
        page = [
            StoredObject(item["Key"].removeprefix(self._prefix), item["LastModified"].astimezone(UTC))
            for item in answer.get("Contents", [])
        ]
        return page, answer.get("NextContinuationToken")

    def _get(self, key: str, limit: int) -> bytes | None:
        try:
            answer = self._inside.get_object(Bucket=self._settings.bucket, Key=f"{self._prefix}{key}")
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise StoreError(f"{key} has {answer['ContentLength']} bytes; at most {limit} are read")
            content: bytes = body.read()
        return content

    def _delete(self, folder: str) -> None:
        # One by one: not every S3 has DeleteObjects, and a run has few files.
        for key, _ in list(self._list(folder)):
            self._inside.delete_object(Bucket=self._settings.bucket, Key=f"{self._prefix}{key}")
        self._parts.abort(f"{self._prefix}{folder}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error"))
