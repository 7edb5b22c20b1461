"""Signs requests to a bucket of Google Cloud Storage (V4 signatures of the XML API)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth import iam
from google.auth.credentials import Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from report_operator.store.store import Link

_LONGEST = timedelta(days=7)
"""The longest that V4 signatures allow (X-Goog-Expires)."""
_LONGEST_OF_GOOGLE_S_KEYS = timedelta(hours=12)
"""How long links last that Google signs for us: the keys that it keeps itself may change after that."""
_GOOGLE = "https://storage.googleapis.com"


def signing(credentials: Any) -> Signing:
    """Return credentials that can sign: these, when they have a key, or else by asking Google (IAM signBlob)."""
    return credentials if isinstance(credentials, Signing) else _SignedByGoogle(credentials)


class _SignedByGoogle(Signing):
    """The identity of a pod, whose key Google keeps."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._request = Request()

    @property
    def signer_email(self) -> str:
        """Return the address of the service account."""
        if self._credentials.token is None:
            self._credentials.refresh(self._request)  # It knows its address only then.
        email: str | None = getattr(self._credentials, "service_account_email", None)
        if email is None or "@" not in email:
            raise GoogleAuthError("nobody can sign for an identity that is no service account: link it to one")
        return email

    @property
    def signer(self) -> iam.Signer:
        """Return what asks Google."""
        return iam.Signer(self._request, self._credentials, self.signer_email)

    def sign_bytes(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        signature: bytes = self.signer.sign(message)
        return signature


@dataclass(frozen=True)
class Signer:
    """Signs URLs. Its methods block, and may raise errors of google-auth and requests."""

    credentials: Signing
    """See `signing`."""
    bucket: Any
    """google.cloud.storage.Bucket."""
    endpoint: str | None
    """URL as runs reach the store; None is Google's."""
    public_endpoint: str | None
    """URL as readers reach it; `endpoint` when None."""

    def link(self, method: str, name: str, ttl: timedelta, *, outside: bool = False, **parameters: Any) -> Link:
        """Return a signed URL for an object by its whole name, and when it stops working."""
        own = isinstance(self.credentials, service_account.Credentials)
        asked = min(ttl, _LONGEST if own else _LONGEST_OF_GOOGLE_S_KEYS)
        now = datetime.now(UTC).replace(microsecond=0)
        inside = self.endpoint or _GOOGLE
        url: str = self.bucket.blob(name).generate_signed_url(
            version="v4",
            expiration=asked,
            method=method,
            api_access_endpoint=(self.public_endpoint if outside else None) or inside,
            credentials=self.credentials,
            **parameters,
        )
        return Link(url, now + asked)
