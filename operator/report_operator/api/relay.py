"""Leave to send through the platform team's mail relay: the operator gives it to a run, the relay asks for it.

A name and a password of SMTP AUTH (RFC 4954) that end with the run. The name says what is allowed, the password is its
HMAC by a key that only the operator and the relay have.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, ValidationError

from report_operator.api.fields import Model, Time

MAX_SIZE = 52_428_800
"""Bytes of the largest mail that the relay takes: 25 MiB of attachments in Base64, and its texts."""
_CONTEXT = b"report-operator mail relay, version 1\n"
"""Makes the key's signatures good for nothing else."""


_MARK = 5
"""Bytes that stand for a recipient. A thousand of them leave the login below the 12,288 bytes of RFC 4954, section 4;
without the key nobody knows another address that has one of them."""


class GrantError(Exception):
    """A name and password that are no leave to send; the text says why."""


class Grant(Model):
    """What a run may send."""

    namespace: str
    """Namespace of the Report."""
    run_id: str
    """The run."""
    expires_at: Time
    """When the leave ends."""
    recipients: str
    """The mark of each recipient, one after the other, in Base64."""

    @classmethod
    def of(cls, key: bytes, namespace: str, run_id: str, expires_at: datetime, recipients: Iterable[str]) -> Self:
        """Return leave to send to these addresses."""
        marks = b"".join(sorted({_mark(key, run_id, each) for each in recipients}))
        return cls(namespace=namespace, run_id=run_id, expires_at=expires_at, recipients=_encoded(marks))

    def allows(self, key: bytes, address: str) -> bool:
        """Return whether mails may go to an address."""
        marks = base64.urlsafe_b64decode(self.recipients)
        return _mark(key, self.run_id, address) in {marks[n : n + _MARK] for n in range(0, len(marks), _MARK)}

    def credentials(self, key: bytes) -> tuple[str, str]:
        """Return the name and the password that stand for this."""
        name = _encoded(self.model_dump_json(by_alias=True).encode())
        return name, _signature(key, name)


class Access(Model):
    """How a run reaches the relay."""

    host: str
    """Name of the relay's Service."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Its port."""
    sender: str
    """The address that mails are from."""
    username: str
    """Name of the leave."""
    password: str
    """Password of the leave."""


def granted(key: bytes, username: str, password: str, now: datetime) -> Grant:
    """Return what a name and password allow; raises GrantError."""
    if not hmac.compare_digest(_signature(key, username).encode(), password.encode()):
        raise GrantError("the password is not that of a run")
    try:
        grant = Grant.model_validate_json(base64.urlsafe_b64decode(username))
    except (binascii.Error, ValidationError) as error:
        raise GrantError("the name is not that of a run") from error
    if grant.expires_at <= now:
        raise GrantError(f"the leave of run {grant.run_id} ended at {grant.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return grant


def _signature(key: bytes, name: str) -> str:
    return _encoded(hmac.new(key, _CONTEXT + name.encode(), hashlib.sha256).digest())


def _mark(key: bytes, run_id: str, address: str) -> bytes:
    text = f"{_CONTEXT.decode()}{run_id}\n{address.lower()}"
    return hmac.new(key, text.encode(), hashlib.sha256).digest()[:_MARK]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
