"""The Secret of a run: what it has to do, and the links that it may upload with."""

import base64
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.deliveries import delivery_time, entry_id
from report_operator.api.fields import parse_duration
from report_operator.api.metadata import SCHEDULE_LABEL, TRIGGER_LABEL, Trigger
from report_operator.api.policy import Policy
from report_operator.api.redelivery import MESSAGES_FILE
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, LINKS_FILE, REQUEST_FILE, RESULT_FILE, Links, Request
from report_operator.plan import child
from report_operator.plan.subject import Subject

_START_MARGIN = timedelta(minutes=5)
"""From signing the links to the start of the Job, whose deadline then counts."""
_SLACK = timedelta(minutes=1)
"""Between a decision and the signing that comes of it."""
_LONGEST = timedelta(hours=168)
"""What S3 signs at most."""


def planned_files(spec: ReportSpec) -> list[str]:
    """Return the names of all files that a run may upload: its outputs, its ledger, its messages and its result."""
    delivered = [LEDGER_FILE, MESSAGES_FILE] if spec.destinations else []
    return [*(output.file_name for output in spec.outputs), *delivered, RESULT_FILE]


def files_read(spec: ReportSpec) -> list[str]:
    """Return the names of all files in its folder that whoever delivers a run may read."""
    return [MESSAGES_FILE, RESULT_FILE, *(output.file_name for output in spec.outputs)]


def planned_entries(spec: ReportSpec) -> list[str]:
    """Return the ids of the ledger's entries: one for every recipient of every destination."""
    return [entry_id(each.name, recipient) for each in spec.destinations for recipient in each.recipients]


def links_ttl(spec: ReportSpec) -> timedelta:
    """Return how long the upload links have to work: as long as the run may take.

    Nobody knows how long a Job waits in a queue of Kueue: as long as S3 allows.
    """
    if spec.run.kueue_queue_name is not None:
        return _LONGEST
    return parse_duration(spec.run.timeout) + _START_MARGIN


def are_cut_short(spec: ReportSpec, links: Links, ordered_at: datetime) -> bool:
    """Return whether links may end before a run that was ordered then: with the credentials that signed them."""
    return links.expires_at < ordered_at + links_ttl(spec) - _SLACK


def deliver_until(spec: ReportSpec, now: datetime) -> datetime | None:
    """Return when deliveries have to end at the latest; None when there are none.

    The Job's deadline counts from its start, which comes after `now`, so that there is time left to store the result.
    How long a Job waits in a queue of Kueue is not known beforehand: there the run counts from the start of its pod.
    """
    if not spec.destinations:
        return None
    if spec.run.kueue_queue_name is not None:
        return now + _LONGEST
    return now + delivery_time(parse_duration(spec.run.timeout))


def message_links_ttl(spec: ReportSpec, ordered_at: datetime, now: datetime) -> timedelta:
    """Return how long links have to work that are signed now and go into messages of a run that was ordered then.

    Nobody knows when it sends them: `urlTTL` counts from the last moment at which it may.
    """
    until = deliver_until(spec, ordered_at)
    return parse_duration(spec.download.url_ttl) + (max(until - now, timedelta()) if until else timedelta())


def request(subject: Subject, spec: ReportSpec, policy: Policy, ordered_at: datetime) -> Request:
    """Return what a run has to do that is ordered then."""
    return Request(
        run_id=subject.run_id,
        namespace=subject.metadata.namespace,
        name=subject.metadata.name,
        schedule=subject.metadata.labels.get(SCHEDULE_LABEL),
        is_test=subject.metadata.labels.get(TRIGGER_LABEL) == Trigger.TEST,
        created_at=ordered_at,
        spec=spec,
        policy=policy,
    )


def manifest(subject: Subject, ordered: Request, links: Links) -> dict[str, Any]:
    """Return the Secret, named like the Job; with links that are cut short it can be replaced."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "report-operator.io/run",
        "metadata": child.metadata(subject),
        "immutable": not are_cut_short(ordered.spec, links, ordered.created_at),
        "stringData": {REQUEST_FILE.name: ordered.encoded().decode()},
        "data": {LINKS_FILE.name: base64.b64encode(links.packed()).decode()},
    }
