"""The platform team's mail relay, and the leave of runs to use it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from report_operator.api.relay import Access, Grant
from report_operator.api.report import ReportSpec
from report_operator.plan.subject import Subject


@dataclass(frozen=True)
class MailRelay:
    """The relay as the operator knows it."""

    host: str
    """Name of its Service."""
    port: int
    sender: str
    """The address that mails are from."""
    key: bytes = field(repr=False)
    """What leave is signed with."""

    def access(self, subject: Subject, recipients: Iterable[str], expires_at: datetime) -> Access:
        """Return how the run of a Report reaches the relay until a time."""
        grant = Grant.of(self.key, subject.metadata.namespace, subject.run_id, expires_at, recipients)
        username, password = grant.credentials(self.key)
        return Access(host=self.host, port=self.port, sender=self.sender, username=username, password=password)


def leave(relay: MailRelay | None, subject: Subject, spec: ReportSpec, expires_at: datetime) -> Access | None:
    """Return how a run reaches the relay; None when there is none, or no destination needs it."""
    served = [each for each in spec.destinations if each.email is not None and each.email.server is None]
    recipients = [recipient for each in served for recipient in each.recipients if recipient is not None]
    return relay.access(subject, recipients, expires_at) if relay is not None and recipients else None
