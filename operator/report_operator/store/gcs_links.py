"""Signs requests to a bucket of Google Cloud Storage (V4 signatures of the XML API)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth.credentials import Signing
from google.auth.transport.requests import Request

from report_operator.store.store import Link

_LONGEST = timedelta(days=7)
"""The longest that V4 signatures allow (X-Goog-Expires)."""
_LONGEST_OF_GOOGLE_S_KEYS = timedelta(hours=12)
"""How long links last that Google signs for us: the keys that it keeps itself may change after that."""
_FRESH = timedelta(minutes=5)
_GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True)
class Signer:
    """Signs with the key of a service account, or has Google sign where we have none (IAM signBlob).

    Its methods block, and may raise errors of google-auth and requests.
    """

    credentials: Any
    """google.auth.credentials.Credentials."""
    bucket: Any
    """google.cloud.storage.Bucket."""
    endpoint: str | None
    """URL as runs reach the store; None is Google's."""
    public_endpoint: str | None
    """URL as readers reach it; `endpoint` when None."""

    def link(self, method: str, name: str, ttl: timedelta, *, outside: bool = False, **parameters: Any) -> Link:
        """Return a signed URL for an object by its whole name, and when it stops working."""
        own = isinstance(self.credentials, Signing)
        asked = min(ttl, _LONGEST if own else _LONGEST_OF_GOOGLE_S_KEYS)
        now = datetime.now(UTC).replace(microsecond=0)
        inside = self.endpoint or _GOOGLE
        url: str = self.bucket.blob(name).generate_signed_url(
            version="v4",
            expiration=asked,
            method=method,
            api_access_endpoint=(self.public_endpoint if outside else None) or inside,
            credentials=self.credentials,
            **({} if own else self._asking()),
            **parameters,
        )
        return Link(url, now + asked)

    def _asking(self) -> dict[str, str]:
        """Return what Google is asked with to sign; the library asks for each link."""
        expiry = self.credentials.expiry
        if expiry is None or expiry.replace(tzinfo=UTC) < datetime.now(UTC) + _FRESH:
            self.credentials.refresh(Request())
        return {
            "service_account_email": self.credentials.service_account_email,
            "access_token": self.credentials.token,
        }
