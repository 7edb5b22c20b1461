"""The platform team's mail relay, and the leave of runs to use it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from report_operator.api.destinations import Destination
from report_operator.api.policy import Policy
from report_operator.api.relay import Access, Grant
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

    def access(self, subject: Subject, policy: Policy, expires_at: datetime) -> Access:
        """Return how the run of a Report reaches the relay until a time."""
        grant = Grant(
            namespace=subject.metadata.namespace,
            run_id=subject.run_id,
            expires_at=expires_at,
            recipient_domains=policy.recipient_domains,
        )
        username, password = grant.credentials(self.key)
        return Access(host=self.host, port=self.port, sender=self.sender, username=username, password=password)


def is_wanted(destinations: Iterable[Destination]) -> bool:
    """Return whether any of these destinations needs the relay."""
    return any(each.email is not None and each.email.server is None for each in destinations)
