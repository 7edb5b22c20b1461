"""What the operator wants of a store, whoever makes it. Runs need no more than the links that it signs."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from report_operator.api.run import EntryLinks, Upload
from report_operator.plan.uploads import Split


@dataclass(frozen=True)
class StoredObject:
    """An object of a listing."""

    key: str
    modified: datetime
    """When it was written."""


@dataclass(frozen=True)
class Link:
    """A signed URL for reading."""

    url: str
    expires_at: datetime
    """When it stops working: as asked, or earlier with the credentials that signed it."""


@dataclass(frozen=True)
class SignedUploads:
    """What files are uploaded with."""

    by_key: Mapping[str, Upload]
    expires_at: datetime
    """When the first of them stops working: as asked, or earlier with the credentials that signed it."""
    authorities: str | None = None
    """PEM certificates that runs trust the store by, instead of the public authorities."""


class Store(Protocol):
    """A bucket or container. Keys are without the folder that is set for all of them.

    Every method but `close` and `uri` may raise StoreError.
    """

    def close(self) -> None:
        """Let go of threads and connections."""

    def uri(self, key: str) -> str:
        """Return the address of an object in the vendor's own form, such as `s3://bucket/key`."""

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is missing and may be made; one that was seen a while ago is believed in."""

    async def sign_uploads(
        self, files: Mapping[str, Split | None], ttl: timedelta, *, again: bool = False
    ) -> SignedUploads:
        """Return what files are uploaded with from inside the cluster; `files` are keys, each with its Split, if any.

        `again` is for a run that has such links already: what it has begun to upload in parts goes on.
        """

    async def sign_ledger(self, folder: str, ids: Iterable[str], ttl: timedelta) -> dict[str, EntryLinks]:
        """Return the links to the objects of a ledger's entries in a folder, for use inside the cluster, by id.

        They are `<folder>ledger/<id>.intent` and `<folder>ledger/<id>.record`.
        """

    async def sign_download(
        self, key: str, kind: Literal["attachment", "inline"], file_name: str, media_type: str, ttl: timedelta
    ) -> Link:
        """Return a GET link, for use from outside, that serves the object with this type and file name."""

    async def sign_reads(self, keys: Iterable[str], ttl: timedelta) -> dict[str, str]:
        """Return a GET link, for use from inside the cluster, by key."""

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of all objects whose keys start with `folder`, by key."""

    def pages(self) -> AsyncIterator[list[StoredObject]]:
        """Yield all objects, a thousand at a time, then the unfinished uploads, each with the time when it began."""

    async def put(self, key: str, content: bytes) -> None:
        """Write an object."""

    async def get(self, key: str, limit: int) -> bytes | None:
        """Return an object; None when it is not there. One of more than `limit` bytes raises StoreError."""

    async def delete(self, folder: str) -> None:
        """Delete all objects whose keys start with `folder`, and what was uploaded of unfinished ones."""

    async def abandon_uploads(self, folder: str) -> None:
        """Delete what was uploaded of unfinished objects whose keys start with `folder`."""
