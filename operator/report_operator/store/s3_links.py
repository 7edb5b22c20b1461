"""Signs requests to a bucket of S3."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from report_operator.api.run import EntryLinks, Parts, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.store.store import Link

_LONGEST = timedelta(days=7)
"""The longest that Signature Version 4 allows (X-Amz-Expires)."""
_ONCE = {"If-None-Match": "*"}
_NAME = "name"
_NOTHING: Mapping[str, str] = {}
_LISTING = "<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
_LISTED = "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"


@dataclass(frozen=True)
class _Place:
    """Where a client reaches a bucket, and for which region and service it signs."""

    url: str
    """What the names of objects come after."""
    region: str
    service: str

    @classmethod
    def of(cls, client: Any, bucket: str) -> "_Place":
        """Ask botocore, which knows all endpoints and styles, with the link to an object."""
        link = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": _NAME})
        url, _, query = link.partition("?")
        _, _, region, service, _ = parse_qs(query)["X-Amz-Credential"][0].rsplit("/", 4)
        return cls(url.removesuffix(_NAME), region, service)


@dataclass
class Signer:
    """Signs with the credentials that a session has at the moment. Its methods block, and may raise botocore's errors.

    Names are those of objects in the bucket, with the prefix. Requests are signed as they are sent, by botocore's own
    signature: by way of its client, which finds out the endpoint for each anew, it takes three times as long.
    """

    session: Any
    """boto3.Session."""
    client: Any
    """The session's, for the endpoint that the links are to lead to."""
    bucket: str
    _place: _Place | None = field(default=None, init=False)
    _credentials: Any = field(default=None, init=False)
    """Those that something was signed with. botocore renews them in place."""

    @property
    def is_ready(self) -> bool:
        """Return whether signing asks nobody for credentials."""
        needs_new = getattr(self._credentials, "refresh_needed", None)  # Credentials that do not end have none.
        return self._credentials is not None and (needs_new is None or not needs_new())

    def link(
        self,
        method: str,
        name: str,
        ttl: timedelta,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
    ) -> Link:
        """Return the signed URL of a request, and when it stops working; the headers are to be sent with it."""
        asked = min(ttl, _LONGEST)
        now = datetime.now(UTC).replace(microsecond=0)
        if self._place is None:
            self._place = _Place.of(self.client, self.bucket)
        place, seconds = self._place, int(asked.total_seconds())
        request = AWSRequest(method, place.url + quote(name, safe="/-._~"), dict(headers), params=dict(query))
        credentials, end = self._take_credentials()
        S3SigV4QueryAuth(credentials, place.service, place.region, seconds).add_auth(request)
        return Link(request.url, min(filter(None, (now + asked, end))))

    def upload(self, name: str, split: Split | None, upload_id: str | None, ttl: timedelta) -> tuple[Upload, datetime]:
        """Return what a file is uploaded with, in parts where there is an upload, and when that stops working."""
        whole = self.link("PUT", name, ttl)
        if split is None or upload_id is None:
            return Upload(whole=SignedRequest(url=whole.url)), whole.expires_at
        puts = [
            self.link("PUT", name, ttl, {"uploadId": upload_id, "partNumber": str(number)})
            for number in range(1, split.count + 1)
        ]
        complete = self.link("POST", name, ttl, {"uploadId": upload_id})
        parts = Parts(
            size=split.part_size,
            puts=[SignedRequest(url=link.url) for link in puts],
            complete=SignedRequest(method="POST", url=complete.url),
            listing=_LISTING,
            listed=_LISTED,
        )
        end = min(link.expires_at for link in (whole, complete, *puts))
        return Upload(whole=SignedRequest(url=whole.url), parts=parts), end

    def entry(self, stem: str, ttl: timedelta) -> EntryLinks:
        """Return the links to the objects of a ledger's entry, whose names begin with `stem`."""

        def link(method: str, what: str, headers: Mapping[str, str] = _NOTHING) -> str:
            return self.link(method, f"{stem}.{what}", ttl, headers=headers).url

        def once(what: str) -> SignedRequest:
            # The header is part of the signature: the link cannot replace what is there.
            return SignedRequest(url=link("PUT", what, _ONCE), headers=_ONCE)

        return EntryLinks(
            claim=once("intent"),
            claimed=link("GET", "intent"),
            release=link("DELETE", "intent"),
            record=once("record"),
            recorded=link("GET", "record"),
        )

    def _take_credentials(self) -> tuple[Any, datetime | None]:
        """Return credentials as they are now, and when they end. To ask for them may renew them."""
        credentials = self.session.get_credentials()
        before, taken, after = _expiry(credentials), credentials.get_frozen_credentials(), _expiry(credentials)
        if before != after:  # New ones came meanwhile: which of them are these?
            before, taken, after = after, credentials.get_frozen_credentials(), _expiry(credentials)
        self._credentials = credentials
        return taken, min(filter(None, (before, after)), default=None)


def _expiry(credentials: Any) -> datetime | None:
    """Return when temporary credentials end; None when they do not, or nobody says so.

    botocore keeps the time to itself (botocore.credentials.RefreshableCredentials), but a link dies with it.
    """
    ends: datetime | None = getattr(credentials, "_expiry_time", None)
    return ends.astimezone(UTC).replace(microsecond=0) if ends is not None else None
