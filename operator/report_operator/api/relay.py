"""Leave to send through the platform team's mail relay: the operator gives it to a run, the relay asks for it.

A name and a password of SMTP AUTH (RFC 4954) that end with the run. The name says what is allowed, the password is its
HMAC by a key that only the operator and the relay have.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationError

from report_operator.api.fields import Model, Time

MAX_SIZE = 52_428_800
"""Bytes of the largest mail that the relay takes: 25 MiB of attachments in Base64, and its texts."""
_CONTEXT = b"report-operator mail relay, version 1\n"
"""Makes the key's signatures good for nothing else."""


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
    recipient_domains: list[str]
    """Domains of recipients, as in the policy of the namespace."""

    def credentials(self, key: bytes) -> tuple[str, str]:
        """Return the name and the password that stand for this."""
        name = base64.urlsafe_b64encode(self.model_dump_json(by_alias=True).encode()).decode()
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
    return base64.urlsafe_b64encode(hmac.new(key, _CONTEXT + name.encode(), hashlib.sha256).digest()).decode()
