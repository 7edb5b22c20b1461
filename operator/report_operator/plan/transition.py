"""From one status to the next: what is written, and the Event that tells of it."""

from report_operator.api.conditions import Reason
from report_operator.api.report import ReportStatus
from report_operator.plan import leftovers
from report_operator.plan.conditions import GOES_ON
from report_operator.plan.facts import Announcement, Decision, Facts

_GOOD = frozenset({*GOES_ON, Reason.SUCCEEDED, Reason.CANCELLED})


def to(facts: Facts, new: ReportStatus) -> Decision:
    """Return the decision that writes a status, unless it is there already."""
    old = facts.subject.status
    if new == old:
        return Decision()
    obsolete = leftovers.of_unended(facts)
    told = facts.subject.is_observed and old.reason is new.reason
    if told or new.reason in (None, Reason.RUNNING) or new.message is None:
        return Decision(actions=obsolete, status=new)
    return Decision(
        actions=obsolete,
        status=new,
        announcements=(Announcement("Normal" if new.reason in _GOOD else "Warning", new.reason, new.message),),
    )
