"""Signs requests to a bucket of S3."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from report_operator.api.run import EntryLinks, Parts, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.store.store import Link

_LONGEST = timedelta(days=7)
"""The longest that Signature Version 4 allows (X-Amz-Expires)."""
_ONCE = {"If-None-Match": "*"}
_LISTING = "<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
_LISTED = "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"


@dataclass
class Signer:
    """Signs with the credentials that a session has at the moment. Its methods block, and may raise botocore's errors.

    Names are those of objects in the bucket, with the prefix.
    """

    session: Any
    """boto3.Session."""
    bucket: str
    _credentials: Any = field(default=None, init=False)
    """Those that something was signed with. botocore renews them in place."""

    @property
    def is_ready(self) -> bool:
        """Return whether signing asks nobody for credentials."""
        needs_new = getattr(self._credentials, "refresh_needed", None)  # Credentials that do not end have none.
        return self._credentials is not None and (needs_new is None or not needs_new())

    def link(self, client: Any, method: str, name: str, ttl: timedelta, **parameters: Any) -> Link:
        """Return a signed URL for a method of the client, and when it stops working."""
        asked = min(ttl, _LONGEST)
        now = datetime.now(UTC).replace(microsecond=0)
        arguments = {
            "Params": {"Bucket": self.bucket, "Key": name, **parameters},
            "ExpiresIn": int(asked.total_seconds()),
        }
        url, ends = self._sign_once(client, method, arguments)
        if ends[0] != ends[1]:  # New credentials came meanwhile: which of them signed it?
            url, ends = self._sign_once(client, method, arguments)
        return Link(url, min(filter(None, (now + asked, *ends))))

    def upload(
        self, client: Any, name: str, split: Split | None, upload_id: str | None, ttl: timedelta
    ) -> tuple[Upload, datetime]:
        """Return what a file is uploaded with, in parts where there is an upload, and when that stops working."""
        whole = self.link(client, "put_object", name, ttl)
        if split is None or upload_id is None:
            return Upload(whole=SignedRequest(url=whole.url)), whole.expires_at
        puts = [
            self.link(client, "upload_part", name, ttl, UploadId=upload_id, PartNumber=number)
            for number in range(1, split.count + 1)
        ]
        complete = self.link(client, "complete_multipart_upload", name, ttl, UploadId=upload_id)
        parts = Parts(
            size=split.part_size,
            puts=[SignedRequest(url=link.url) for link in puts],
            complete=SignedRequest(method="POST", url=complete.url),
            listing=_LISTING,
            listed=_LISTED,
        )
        end = min(link.expires_at for link in (whole, complete, *puts))
        return Upload(whole=SignedRequest(url=whole.url), parts=parts), end

    def entry(self, client: Any, stem: str, ttl: timedelta) -> EntryLinks:
        """Return the links to the objects of a ledger's entry, whose names begin with `stem`."""

        def link(method: str, what: str, **parameters: str) -> str:
            return self.link(client, method, f"{stem}.{what}", ttl, **parameters).url

        def once(what: str) -> SignedRequest:
            # The header is part of the signature: the link cannot replace what is there.
            return SignedRequest(url=link("put_object", what, IfNoneMatch="*"), headers=_ONCE)

        return EntryLinks(
            claim=once("intent"),
            claimed=link("get_object", "intent"),
            release=link("delete_object", "intent"),
            record=once("record"),
            recorded=link("get_object", "record"),
        )

    def _sign_once(
        self, client: Any, method: str, arguments: dict[str, Any]
    ) -> tuple[str, tuple[datetime | None, ...]]:
        """Return a URL, and when the credentials end, before and after signing: signing may renew them."""
        credentials = self.session.get_credentials()
        before = _expiry(credentials)
        url: str = client.generate_presigned_url(method, **arguments)
        self._credentials = credentials
        return url, (before, _expiry(credentials))


def _expiry(credentials: Any) -> datetime | None:
    """Return when temporary credentials end; None when they do not, or nobody says so.

    botocore keeps the time to itself (botocore.credentials.RefreshableCredentials), but a link dies with it.
    """
    ends: datetime | None = getattr(credentials, "_expiry_time", None)
    return ends.astimezone(UTC).replace(microsecond=0) if ends is not None else None
