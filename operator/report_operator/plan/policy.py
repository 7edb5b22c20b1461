"""Whether the platform team's policy allows what a spec asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from report_operator.api.destinations import KINDS, Destination
from report_operator.api.download import Download, LinkPolicy
from report_operator.api.fields import parse_duration
from report_operator.api.job import Resources, Run, parse_quantity
from report_operator.api.networks import ANY, Reach, matches
from report_operator.api.outputs import OutputFormat
from report_operator.api.policy import Policy
from report_operator.api.report import ReportSpec
from report_operator.api.retention import OnDelete, Retention, parse_lifetime
from report_operator.plan.relay import MailRelay

OPERATOR_WIDE = "the value policy of the operator's chart"
NOTICE_FORMAT = OutputFormat.HTML
"""Format of the Reports that tell owners of failures."""
_UNBOUNDED = frozenset({"cpu", "memory", "ephemeral-storage"})
"""Resources of which a container without a limit may use all that a node has; of others it gets none."""
_SHOWN = 3
"""Addresses that a message names."""


@dataclass(frozen=True)
class Rules:
    """The policy of a namespace."""

    policy: Policy = field(default_factory=Policy)
    origin: str = OPERATOR_WIDE
    """Where the platform team can change it."""
    problem: str = ""
    """Why it cannot be read; then nothing is allowed. Empty when it can."""
    relay: MailRelay | None = None
    """The platform team's mail relay."""


NO_RULES = Rules()
"""Nothing is limited."""


@dataclass(frozen=True)
class Violation:
    """Something that a rule does not allow."""

    rule: str
    """Field of the policy."""
    text: str
    """Field and value of the spec, and what is allowed."""

    def __str__(self) -> str:
        """Return both."""
        return f"{self.rule}: {self.text}."


def longest_kept(rules: Rules) -> timedelta | None:
    """Return how long files may be kept; None for ever, and where nobody knows because it cannot be read."""
    return None if rules.problem else parse_lifetime(rules.policy.max_retention)


def refusal(spec: ReportSpec, rules: Rules, place: str = "spec") -> str:
    """Return why a spec is not allowed, each rule with the value and the way out; empty when it is.

    `place` is what messages call the spec.
    """
    if rules.problem:
        return f"No run is allowed until the platform team mends {rules.origin}: {rules.problem}."
    without = _without_server(spec.destinations, rules, f"{place}.destinations")
    return _sentence([*violations(spec, rules.policy, place), *without], rules)


def refusal_of_notices(destinations: Sequence[Destination], rules: Rules) -> str:
    """Return why notices must not be sent to these destinations; empty when they may, or there are none."""
    place = "spec.onFailure.notify"
    found = [*_of_destinations(destinations, rules.policy, place), *_without_server(destinations, rules, place)]
    if destinations and not _allowed(NOTICE_FORMAT.value, rules.policy.formats):
        found.append(
            Violation("formats", f"spec.onFailure.notify needs {NOTICE_FORMAT}, {_only(rules.policy.formats)}")
        )
    return _sentence(found, rules)


def keeping_within(policy: Policy) -> dict[str, Any]:
    """Return fields for the spec of a Report of the operator's own, where a default is more than the policy allows."""
    run, ttl = Run(), Download().url_ttl
    timeout = min(run.timeout, policy.max_timeout, key=parse_duration)
    shorter = {"timeout": timeout} if timeout != run.timeout else {}
    fewer = {"retries": policy.max_retries} if policy.max_retries < run.retries else {}
    sooner = parse_duration(policy.max_link_ttl) < parse_duration(ttl)
    passing = any(_of_retention(Retention(), policy.max_retention, ""))
    fields = {
        "run": shorter | fewer,
        "download": {"urlTTL": policy.max_link_ttl} if sooner else {},
        "retention": {"ttl": policy.max_retention} if passing else {},
    }
    return {name: content for name, content in fields.items() if content}


def violations(spec: ReportSpec, policy: Policy, place: str = "spec") -> Iterator[Violation]:
    """Yield what a policy does not allow, as far as the spec alone tells; see `Request.policy` for the rest."""
    for i, output in enumerate(spec.outputs):
        if not _allowed(output.format.value, policy.formats):
            text = f"{place}.outputs[{i}].format is {output.format}, {_only(policy.formats)}"
            yield Violation("formats", text)
    yield from _of_destinations(spec.destinations, policy, f"{place}.destinations")
    for source in spec.sources:
        if source.http is not None:
            yield from _of_url(source.http.url, policy.http_sources, f"{place}.sources[{source.name}].http.url")
    if spec.download.links is not LinkPolicy.DISABLED:
        yield from _of_duration(spec.download.url_ttl, "maxLinkTTL", policy.max_link_ttl, f"{place}.download.urlTTL")
    yield from _of_retention(spec.retention, policy.max_retention, f"{place}.retention")
    yield from _of_run(spec.run, policy, f"{place}.run")


def _sentence(found: Sequence[Violation], rules: Rules) -> str:
    if not found:
        return ""
    told = " ".join(dict.fromkeys(map(str, found)))
    return f"Not allowed by the platform team: {told} Change the spec, or ask them to change {rules.origin}."


def _allowed(name: str, allowed: Sequence[str]) -> bool:
    return ANY in allowed or name in allowed


def _only(allowed: Sequence[str]) -> str:
    return f"allowed: {', '.join(allowed) or 'none'}"


def _of_destinations(destinations: Sequence[Destination], policy: Policy, place: str) -> Iterator[Violation]:
    for destination in destinations:
        here = f"{place}[{destination.name}]"
        kind = next(name for name in KINDS if getattr(destination, name) is not None)
        if not _allowed(kind, policy.destinations):
            yield Violation("destinations", f"{here} is of kind {kind}, {_only(policy.destinations)}")
        if destination.email is not None:
            yield from _of_recipients(destination.email.recipients, policy.recipient_domains, f"{here}.email")
        if destination.webhook is not None and destination.webhook.url is not None:
            yield from _of_url(destination.webhook.url, policy.webhooks, f"{here}.webhook.url")
        yield from _of_bucket(destination, policy, here)


def _of_bucket(destination: Destination, policy: Policy, place: str) -> Iterator[Violation]:
    azure, gcs, s3 = destination.azure, destination.gcs, destination.s3
    if azure is not None and azure.account_url is not None:
        yield from _of_url(azure.account_url, policy.buckets, f"{place}.azure.accountURL")
    if gcs is not None and gcs.endpoint is not None:
        yield from _of_url(gcs.endpoint, policy.buckets, f"{place}.gcs.endpoint")
    if s3 is not None and s3.endpoint is not None:
        yield from _of_url(s3.endpoint, policy.buckets, f"{place}.s3.endpoint")
    for kind, bucket in (("azure", azure), ("gcs", gcs), ("s3", s3)):
        if bucket is not None and bucket.as_pod and not policy.pod_identity:
            text = f"{place}.{kind} names no Secret, and the cloud identity of the run's pod must not be used"
            yield Violation("podIdentity", text)


def _without_server(destinations: Sequence[Destination], rules: Rules, place: str) -> Iterator[Violation]:
    """Yield the mails that want a relay which is not there."""
    for each in destinations:
        if each.email is not None and each.email.server is None and rules.relay is None:
            text = f"{place}[{each.name}].email has no server, and there is no relay (the chart's value mail.relay)"
            yield Violation("mail", text)


def _of_recipients(recipients: Sequence[str], domains: Sequence[str], place: str) -> Iterator[Violation]:
    others = [each for each in recipients if not matches(each.rpartition("@")[2].lower(), domains)]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        text = f"{place} has {', '.join(others[:_SHOWN])}{more}, {_only(domains)}"
        yield Violation("recipientDomains", text)


def _of_url(url: str, reach: Reach, place: str) -> Iterator[Violation]:
    """Yield what is wrong about the host as it is written; the run asks again for what it really connects to."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return  # No valid URL, which the run tells.
    rule, _, why = reach.refusal_of_host(host).partition(": ")
    if rule:
        yield Violation(rule, f"{place}: {why}")


def _of_duration(value: str, rule: str, longest: str, place: str) -> Iterator[Violation]:
    if parse_duration(value) > parse_duration(longest):
        yield Violation(rule, f"{place} is {value}, at most {longest}")


def _of_retention(retention: Retention, longest: str, place: str) -> Iterator[Violation]:
    most, asked = parse_lifetime(longest), parse_lifetime(retention.ttl)
    if most is not None and (asked is None or asked > most):
        yield Violation("maxRetention", f"{place}.ttl is {retention.ttl}, at most {longest}")
    if most is not None and retention.on_delete is OnDelete.RETAIN:
        yield Violation("maxRetention", f"{place}.onDelete is Retain, which keeps files for ever, at most {longest}")


def _of_run(run: Run, policy: Policy, place: str) -> Iterator[Violation]:
    yield from _of_duration(run.timeout, "maxTimeout", policy.max_timeout, f"{place}.timeout")
    if run.retries > policy.max_retries:
        yield Violation("maxRetries", f"{place}.retries is {run.retries}, at most {policy.max_retries}")
    if run.resources is not None:
        yield from _of_resources(run.resources, policy, f"{place}.resources")


def _of_resources(resources: Resources, policy: Policy, place: str) -> Iterator[Violation]:
    for name, most in policy.max_resources.items():
        for kind, quantities in (("requests", resources.requests), ("limits", resources.limits)):
            asked = quantities.get(name)
            if asked is not None and parse_quantity(asked) > parse_quantity(most):
                yield Violation("maxResources", f"{place}.{kind}.{name} is {asked}, at most {most}")
        if name in _UNBOUNDED and name not in resources.limits:
            yield Violation("maxResources", f"{place}.limits.{name} is not set, at most {most}")
