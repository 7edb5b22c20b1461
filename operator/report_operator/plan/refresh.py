"""New links in the status because an annotation asks for them: at once, without a run."""

from dataclasses import replace

from report_operator.api.conditions import Reason
from report_operator.api.download import LinkPolicy, LinkRefresh, Refresh
from report_operator.api.metadata import REFRESH_LINKS_ANNOTATION
from report_operator.api.report import ReportStatus
from report_operator.api.trial import TOKEN_LENGTH
from report_operator.plan import links
from report_operator.plan.facts import Announcement, Decision, Facts, Question, SignLinks
from report_operator.plan.subject import Subject


def requested(subject: Subject) -> str:
    """Return the token of a request that the status does not know; empty when there is none."""
    token = subject.metadata.annotations.get(REFRESH_LINKS_ANNOTATION, "")[:TOKEN_LENGTH]
    known = subject.status.link_refresh
    return "" if known is not None and known.token == token else token


def beside(facts: Facts, decision: Decision) -> Decision:
    """Return the decision about a Report with the new links that are asked for, or why there are none."""
    token = requested(facts.subject)
    if not token or any(isinstance(action, Question) for action in decision.actions):
        return decision
    base = decision.status or facts.subject.status
    problem = _problem(facts.subject, base)
    if not problem and facts.new_links is None:
        return replace(decision, retry=True) if facts.outage is not None else Decision(actions=(SignLinks(),))
    if not problem and not facts.new_links:
        problem = "The platform team allows no links (chart value links.enabled, or maxLinkTTL of the policy)."
    made = LinkRefresh(token=token, message=problem[:2048] or None)
    signed = base if problem else _with_links(facts, base)
    told = (Announcement("Warning", Reason.LINK_REFRESH_REFUSED, problem),) if problem else ()
    status = signed.model_copy(update={"link_refresh": made})
    return replace(decision, status=status, announcements=(*decision.announcements, *told))


def _with_links(facts: Facts, base: ReportStatus) -> ReportStatus:
    subject = facts.subject
    if subject.spec is None or not facts.new_links:
        return base
    return links.with_links(base, facts.new_links, subject.metadata.uid, facts.now, subject.spec.download.refresh)


def _problem(subject: Subject, known: ReportStatus) -> str:
    """Return why there can be no new links; empty when there can."""
    if subject.spec is None:
        return subject.problem
    if subject.spec.download.links is LinkPolicy.DISABLED:
        return "spec.download.links is Disabled: the Report has no links."
    if subject.spec.download.refresh is Refresh.NEVER:
        return "spec.download.refresh is Never: the links are made once. Set it to OnDemand or Auto."
    if not subject.is_settled or not known.artifacts:
        return "There are no files to link to: the run has not ended, it made none, or they have expired."
    return ""
