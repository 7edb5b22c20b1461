"""Where a report is sent. A new kind of destination is a class here and a module in `run/destinations/`."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from report_operator.api.buckets import S3, Azure, Gcs
from report_operator.api.fields import (
    INT32,
    LIST_ATOMIC,
    HttpUrl,
    Line,
    Markdown,
    Model,
    Rule,
    exactly_one,
    list_map,
    rules,
)
from report_operator.api.outputs import OutputFormat
from report_operator.api.sources import Header, KeySelector, SecretSource

RECIPIENTS = 1000
"""Most deliveries of one run: each needs links of its own in the run's Secret, which holds 1 MiB."""
Address = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$",
    ),
]
"""Mail address without a name (ASCII; international domains as xn--)."""
KINDS = ("azure", "email", "gcs", "s3", "slack", "webhook")
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


class Encryption(StrEnum):
    """How the connection to a mail server is protected."""

    START_TLS = "StartTLS"
    """TLS from the command STARTTLS on (RFC 3207); nothing is sent to a server that has none."""
    TLS = "TLS"
    """TLS from the start (RFC 8314)."""
    NONE = "None"
    """None; for a relay within the cluster."""


class Login(Model):
    """A user of a mail server."""

    username_from: SecretSource
    """Takes the user's name from a Secret."""
    password_from: SecretSource
    """Takes the password from a Secret."""


class MailServer(Model):
    """The server that takes the mails (SMTP submission, RFC 6409)."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="!has(self.login) || self.encryption != 'None'",
                message="login needs encryption StartTLS or TLS: the password would be readable on the way",
            )
        )
    )

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$")]
    """Name or address."""
    port: Annotated[int, Field(ge=1, le=65535), INT32] | None = None
    """Port; 587 for StartTLS, 465 for TLS, 25 for None when not set."""
    encryption: Encryption = Encryption.START_TLS
    """StartTLS, TLS or None."""
    login: Login | None = None
    """The user to log in as."""
    ca_from: SecretSource | None = None
    """PEM certificates to trust instead of the public authorities."""

    @property
    def chosen_port(self) -> int:
        """Return the port to connect to."""
        usual = {Encryption.START_TLS: 587, Encryption.TLS: 465, Encryption.NONE: 25}
        return self.port or usual[self.encryption]


class Attachments(Model):
    """Files that come with a mail, beside their links."""

    formats: Annotated[list[OutputFormat], Field(max_length=len(OutputFormat)), LIST_ATOMIC] = []
    """Formats to attach; all when empty."""
    max_bytes: Annotated[int, Field(ge=1, le=26_214_400), INT32] = 10_485_760
    """Most bytes of all attached files together, at most 25 MiB; what does not fit is a link, and the mail says so."""


class Email(Model):
    """Mails, one to each recipient, with links to the files."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="self.to.size() + self.cc.size() + self.bcc.size() > 0",
                message="there is no recipient: set to, cc or bcc",
            ),
            Rule(
                rule="has(self.server) == has(self.from)",
                message="set server and from, or neither: mails of the platform team's relay are from its own address",
            ),
        )
    )

    server: MailServer | None = None
    """The server that takes the mails; the platform team's relay when not set."""
    from_: Address | None = None
    """Address of the sender, with server."""
    from_name: Line | None = None
    """Name of the sender."""
    to: Annotated[list[Address], Field(max_length=RECIPIENTS), LIST_ATOMIC] = []
    """Recipients; all of them are named in every mail."""
    cc: Annotated[list[Address], Field(max_length=100), LIST_ATOMIC] = []
    """Further recipients that are named in every mail."""
    bcc: Annotated[list[Address], Field(max_length=RECIPIENTS), LIST_ATOMIC] = []
    """Recipients that are named in no mail."""
    reply_to: Annotated[list[Address], Field(max_length=10), LIST_ATOMIC] = []
    """Where answers go; to the sender when empty."""
    subject: Line | None = None
    """Subject, with the template language of texts; title and period when not set."""
    body: Markdown | None = None
    """Markdown above metrics and links, with the template language of texts."""
    attachments: Attachments | None = None
    """Files to attach; none when not set: mails have links to all files."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        if self.server is None:
            return []
        login = self.server.login
        found = [self.server.ca_from, *((login.username_from, login.password_from) if login else ())]
        return [source.secret_key_ref for source in found if source]

    @property
    def recipients(self) -> list[str]:
        """Return the addresses, each once however it is written."""
        first: dict[str, str] = {}
        for address in (*self.to, *self.cc, *self.bcc):
            first.setdefault(address.lower(), address)
        return list(first.values())


class Slack(Model):
    """A message to a channel of Slack, or of a chat that takes Slack's incoming webhooks (Mattermost, Rocket.Chat)."""

    url_from: SecretSource
    """Takes the URL of the incoming webhook from a Secret; who knows it can write to the channel."""
    text: Markdown | None = None
    """Text above metrics and links, in the chat's own markup, with the template language of texts."""
    ca_from: SecretSource | None = None
    """PEM certificates to trust instead of the public authorities."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        return [source.secret_key_ref for source in (self.url_from, self.ca_from) if source]


class Destination(Model):
    """A named place that the report is sent to; exactly one kind."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one(*KINDS)))

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Name in status and ledger."""
    on_unknown: OnUnknown = OnUnknown.HOLD
    """What to do when a run was ended between a send and the note about it: Hold (send nothing again unasked), or
    Resend (with the same id)."""
    azure: Azure | None = None
    """Copies of all files in a container of Azure Blob Storage."""
    email: Email | None = None
    """Mails with links to the files."""
    gcs: Gcs | None = None
    """Copies of all files in a bucket of Google Cloud Storage."""
    s3: S3 | None = None
    """Copies of all files in a bucket of any S3."""
    slack: Slack | None = None
    """A message to a channel of a chat."""
    webhook: Webhook | None = None
    """A server that gets a JSON message."""

    @property
    def kind(self) -> Azure | Email | Gcs | S3 | Slack | Webhook:
        """Return the one kind that is set; raises ValueError when the API server's rule was not applied."""
        kinds = (self.azure, self.email, self.gcs, self.s3, self.slack, self.webhook)
        chosen = [kind for kind in kinds if kind is not None]
        if len(chosen) != 1:
            raise ValueError(f"destination {self.name!r}: set exactly one of {', '.join(KINDS)}")
        return chosen[0]

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        return self.kind.secrets

    @property
    def recipients(self) -> Sequence[str | None]:
        """Return who gets a delivery each, in order and once; [None] where the destination itself is the recipient."""
        return self.email.recipients if self.email else [None]
