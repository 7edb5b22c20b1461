"""Who may come in."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

from report_operator.api.relay import Grant, GrantError, granted


@dataclass(frozen=True)
class Gate:
    """Who may send, and as whom."""

    key: bytes
    """What the leave of runs is signed with."""
    sender: str
    """The address that all mails are from."""

    def admit(self, argument: str) -> Grant:
        """Return what the argument of AUTH PLAIN (RFC 4616) allows; raises GrantError."""
        try:
            _, username, password = base64.b64decode(argument, validate=True).decode().split("\0")
        except (binascii.Error, ValueError) as error:
            raise GrantError("this is not AUTH PLAIN") from error
        return granted(self.key, username, password, datetime.now(UTC))
