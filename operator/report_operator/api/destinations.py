"""Where a report is sent. A new kind of destination is a class here and a module in `run/destinations/`."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from report_operator.api.fields import HttpUrl, Model, Rule, exactly_one, list_map, rules
from report_operator.api.sources import Header, KeySelector, SecretSource

KINDS = ("webhook",)
"""Members of a Destination, of which one is set."""
OWN_HEADERS = ("content-length", "content-type", "host", "transfer-encoding", "user-agent")
"""Headers of a webhook message, beside webhook-*, that the run sets."""


class OnUnknown(StrEnum):
    """What to do about a delivery that was begun and whose end is not known."""

    HOLD = "Hold"
    """Leave it: a message may be missing."""
    RESEND = "Resend"
    """Send it again with the same id: a message may arrive twice."""


class Webhook(Model):
    """A server that gets a JSON message by POST, signed as in Standard Webhooks."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("url", "urlFrom")))

    url: HttpUrl | None = None
    """Absolute URL; one that holds a token belongs into urlFrom."""
    url_from: SecretSource | None = None
    """Takes the URL from a Secret."""
    signing_secret_from: SecretSource | None = None
    """Secret that messages are signed with: `whsec_` and Base64; during a change several, with blanks between."""
    headers: Annotated[
        list[Header],
        Field(max_length=20),
        list_map("name"),
        Rule(
            rule="self.all(h, !h.name.lowerAscii().startsWith('webhook-')"
            f" && !(h.name.lowerAscii() in {list(OWN_HEADERS)}))",
            message=f"webhook-* and {', '.join(OWN_HEADERS)} are set by the run: use other names",
        ),
    ] = []
    """Further request headers."""
    ca_from: SecretSource | None = None
    """PEM certificates to trust instead of the public authorities."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        found = [self.url_from, self.signing_secret_from, self.ca_from, *(h.value_from for h in self.headers)]
        return [source.secret_key_ref for source in found if source]


class Destination(Model):
    """A named place that the report is sent to; exactly one kind."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one(*KINDS)))

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Name in status and ledger."""
    on_unknown: OnUnknown = OnUnknown.HOLD
    """What to do when a run was ended between a send and the note about it: Hold (send nothing again unasked), or
    Resend (with the same id)."""
    webhook: Webhook | None = None
    """A server that gets a JSON message."""

    @property
    def kind(self) -> Webhook:
        """Return the one kind that is set; raises ValueError when the API server's rule was not applied."""
        chosen = [kind for kind in (self.webhook,) if kind is not None]
        if len(chosen) != 1:
            raise ValueError(f"destination {self.name!r}: set exactly one of {', '.join(KINDS)}")
        return chosen[0]

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        return self.kind.secrets

    @property
    def recipients(self) -> list[str | None]:
        """Return who gets a delivery each, in order and once; [None] where the destination itself is the recipient."""
        return [None]
