"""Artifacts in a bucket of any S3: signed links for the runs and the readers, listing and deletion for the operator."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from report_operator.api.run import EntryLinks, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.store.errors import StoreError
from report_operator.store.store import Link, SignedUploads, Store, StoredObject

_Answer = TypeVar("_Answer")

_THREADS = 16
_BUCKET_SECONDS = 300.0
_ONCE = {"If-None-Match": "*"}
_LONGEST = timedelta(days=7)
"""The longest that Signature Version 4 allows (X-Amz-Expires)."""


@dataclass(frozen=True)
class S3Settings:
    """Where the artifacts are. Credentials come from boto3's own chain: environment, files, web identity, instance."""

    bucket: str
    prefix: str = ""
    """Folder of all our keys; empty for the bucket's root."""
    endpoint: str | None = None
    """URL as runs and the operator reach it; None is AWS."""
    public_endpoint: str | None = None
    """URL as readers reach it; `endpoint` when None."""
    region: str = "us-east-1"
    path_style: bool = False
    """`https://host/bucket/key` instead of `https://bucket.host/key`."""


class S3Store(Store):
    """A bucket."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        self._session = boto3.Session(region_name=settings.region)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._bucket_seen: float | None = None
        self._inside = self._client(settings.endpoint)
        public = settings.public_endpoint
        self._outside = self._client(public) if public else self._inside

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
        return self._session.client("s3", endpoint_url=endpoint, config=options)

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
        return await self._call(lambda: self._sign_uploads(files, ttl))

    def _sign_uploads(self, files: Mapping[str, Split | None], ttl: timedelta) -> SignedUploads:
        links = {key: self._sign(self._inside, "put_object", key, ttl) for key in files}
        uploads = {key: Upload(whole=SignedRequest(url=link.url)) for key, link in links.items()}
        return SignedUploads(uploads, min(link.expires_at for link in links.values()))

    async def sign_ledger(self, folder: str, ids: Iterable[str], ttl: timedelta) -> dict[str, EntryLinks]:
        """Return the links to the objects of a ledger's entries in a folder, for use inside the cluster, by id."""
        wanted = list(ids)
        return await self._call(lambda: {id_: self._sign_entry(f"{folder}ledger/{id_}", ttl) for id_ in wanted})

    async def sign_download(
        self, key: str, kind: Literal["attachment", "inline"], file_name: str, media_type: str, ttl: timedelta
    ) -> Link:
        """Return a GET link, for use from outside, that serves the object with this type and file name."""
        answer = {
            "ResponseContentDisposition": f'{kind}; filename="{file_name}"',
            "ResponseContentType": media_type,
        }
        return await self._call(lambda: self._sign(self._outside, "get_object", key, ttl, **answer))

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of all objects whose keys start with `folder`, by key."""
        return await self._call(lambda: dict(self._list(folder)))

    async def pages(self) -> AsyncIterator[list[StoredObject]]:
        """Yield all objects under our prefix, in the order of their keys, at most a thousand at a time."""
        after: str | None = ""
        while after is not None:
            page, after = await self._call(lambda token=after: self._page(token))  # type: ignore[misc]
            yield page

    async def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        name = f"{self._prefix}{key}"
        await self._call(lambda: self._inside.put_object(Bucket=self._settings.bucket, Key=name, Body=content))

    async def get(self, key: str, limit: int) -> bytes | None:
        """Return an object; None when it is not there. One of more than `limit` bytes raises StoreError."""
        return await self._call(lambda: self._get(key, limit))

    async def delete(self, folder: str) -> None:
        """Delete all objects whose keys start with `folder`."""
        await self._call(lambda: self._delete(folder))

    async def abandon_uploads(self, folder: str) -> None:
        """Delete what was uploaded of unfinished objects whose keys start with `folder`."""

    async def _call(self, work: Callable[[], _Answer]) -> _Answer:
        """Run in one of our threads: boto3 blocks, even signing may, when it has to fetch credentials first."""
        place = self._settings.endpoint or "AWS S3"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            code, said = _code(error), error.response.get("Error", {}).get("Message", "")
            raise StoreError(f"The store {place} answers {code}: {said}") from error
        except BotoCoreError as error:
            raise StoreError(f"The store {place} cannot be used: {error}") from error

    def _sign(self, client: Any, method: str, key: str, ttl: timedelta, **parameters: str) -> Link:
        asked = min(ttl, _LONGEST)
        now = datetime.now(UTC).replace(microsecond=0)
        arguments = {
            "Params": {"Bucket": self._settings.bucket, "Key": f"{self._prefix}{key}", **parameters},
            "ExpiresIn": int(asked.total_seconds()),
        }
        url, ends = self._sign_once(client, method, arguments)
        if ends[0] != ends[1]:  # New credentials came meanwhile: which of them signed it?
            url, ends = self._sign_once(client, method, arguments)
        return Link(url, min(filter(None, (now + asked, *ends))))

    def _sign_once(
        self, client: Any, method: str, arguments: dict[str, Any]
    ) -> tuple[str, tuple[datetime | None, ...]]:
        """Return a URL, and when the credentials end, before and after signing: signing may renew them."""
        credentials = self._session.get_credentials()
        before = _expiry(credentials)
        url: str = client.generate_presigned_url(method, **arguments)
        return url, (before, _expiry(credentials))

    def _sign_entry(self, stem: str, ttl: timedelta) -> EntryLinks:
        def link(method: str, what: str, **parameters: str) -> str:
            return self._sign(self._inside, method, f"{stem}.{what}", ttl, **parameters).url

        return EntryLinks(
            # The header is part of the signature: the link cannot replace what is there.
            claim=SignedRequest(url=link("put_object", "intent", IfNoneMatch="*"), headers=_ONCE),
            claimed=link("get_object", "intent"),
            release=link("delete_object", "intent"),
            record=SignedRequest(url=link("put_object", "record", IfNoneMatch="*"), headers=_ONCE),
            recorded=link("get_object", "record"),
        )

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


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error"))


def _expiry(credentials: Any) -> datetime | None:
    """Return when temporary credentials end; None when they do not, or nobody says so.

    botocore keeps the time to itself (botocore.credentials.RefreshableCredentials), but a link dies with it.
    """
    ends: datetime | None = getattr(credentials, "_expiry_time", None)
    return ends.astimezone(UTC).replace(microsecond=0) if ends is not None else None
