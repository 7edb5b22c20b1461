"""The platform team's mail relay, and the leave of runs to use it."""

from dataclasses import dataclass, field
from datetime import datetime

from report_operator.api.policy import Policy
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


def leave(
    relay: MailRelay | None, subject: Subject, spec: ReportSpec, policy: Policy, expires_at: datetime
) -> Access | None:
    """Return how a run reaches the relay; None when there is none, or no destination needs it."""
    needed = any(each.email is not None and each.email.server is None for each in spec.destinations)
    return relay.access(subject, policy, expires_at) if relay is not None and needed else None
