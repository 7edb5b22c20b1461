"""Uploads in parts that have been begun in a bucket of S3 and are not completed: no listing of objects shows them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

_UNTOLD = ("AccessDenied", "NotImplemented")
_GONE = ("NoSuchUpload", "AccessDenied")


@dataclass(frozen=True)
class Unfinished:
    """An upload."""

    name: str
    """Of the object, with the prefix."""
    upload_id: str
    begun: datetime


@dataclass(frozen=True)
class PartUploads:
    """The uploads of a bucket. Its methods block, and may raise botocore's errors."""

    client: Any
    bucket: str

    def begin(self, name: str, media_type: str) -> str:
        """Begin one; return its id."""
        answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=name, ContentType=media_type)
        upload_id: str = answer["UploadId"]
        return upload_id

    def newest(self, name: str) -> str | None:
        """Return the id of the one that was begun last for an object; None when there is none."""
        found = [each for each in self.list(name) if each.name == name]
        return max(found, key=lambda each: each.begun).upload_id if found else None

    def list(self, prefix: str) -> Iterator[Unfinished]:
        """Yield those of all objects whose names start with `prefix`.

        MinIO lists only those of one whole name, and drops what nobody has completed in a day by itself. A store that
        does not tell of them, or not to us, has none: a rule of the bucket has to delete them.
        """
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
        try:
            for page in pages:
                for item in page.get("Uploads", []):
                    yield Unfinished(item["Key"], item["UploadId"], item["Initiated"].astimezone(UTC))
        except ClientError as error:
            if _code(error) not in _UNTOLD:
                raise

    def abort(self, prefix: str) -> None:
        """Delete what was uploaded of unfinished objects whose names start with `prefix`."""
        for each in list(self.list(prefix)):
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=each.name, UploadId=each.upload_id)
            except ClientError as error:
                if _code(error) not in _GONE:
                    raise


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
