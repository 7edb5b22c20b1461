"""Places that a report is sent to, one module for each kind."""

from typing import Protocol

from report_operator.api.buckets import S3, Azure, Gcs
from report_operator.api.deliveries import Entry
from report_operator.api.destinations import Destination, Email, Slack, Webhook
from report_operator.run.destinations.outcome import Outcome
from report_operator.run.destinations.package import Package


class Channel(Protocol):
    """The way to one destination. Safe for `parallel` threads."""

    parallel: int
    """Sends at the same time."""
    repeatable: bool
    """A second send changes nothing at the other side, so that an unknown end is no reason to hold back."""

    def send(self, entry: Entry) -> Outcome:
        """Send the report to the entry's recipient, once. Raises RunError for what the author has to mend."""

    def probe(self) -> Outcome:
        """Find out whether it would be taken: Sent when it would, and nothing is left there. Raises as `send`."""

    def close(self) -> None:
        """Let go of connections."""


def prepare(destination: Destination, package: Package) -> Channel:
    """Return the way to a destination; raises RunError when a Secret or a value in it cannot be used."""
    match destination.kind:
        case Azure() as kind:
            from report_operator.run.destinations.azure import AzureChannel  # noqa: PLC0415

            return AzureChannel(kind, package)
        case Email() as kind:
            from report_operator.run.destinations.email import EmailChannel  # noqa: PLC0415

            return EmailChannel(destination.name, kind, package)
        case Gcs() as kind:
            from report_operator.run.destinations.gcs import GcsChannel  # noqa: PLC0415

            return GcsChannel(kind, package)
        case S3() as kind:
            from report_operator.run.destinations.s3 import S3Channel  # noqa: PLC0415

            return S3Channel(kind, package)
        case Slack() as kind:
            from report_operator.run.destinations.slack import SlackChannel  # noqa: PLC0415

            return SlackChannel(destination.name, kind, package)
        case Webhook() as kind:
            from report_operator.run.destinations.webhook import WebhookChannel  # noqa: PLC0415

            return WebhookChannel(destination.name, kind, package)
