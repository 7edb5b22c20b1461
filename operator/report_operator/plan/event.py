"""The core/v1 Event that tells of a transition on a Report or ScheduledReport."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from report_operator.api.metadata import API_VERSION, MANAGED_BY_LABEL, MANAGER
from report_operator.api.report import ObjectMeta
from report_operator.plan import child
from report_operator.plan.facts import Announcement
from report_operator.plan.schedule.subject import Subject as Schedule
from report_operator.plan.subject import Subject

_MESSAGE = 1024
"""Most characters of an Event's message (kubernetes/kubernetes pkg/apis/core/validation/events.go)."""


class _Object(NamedTuple):
    """What an Event is about."""

    kind: str
    metadata: ObjectMeta
    labels: Mapping[str, str]
    identity: str


def of_report(subject: Subject, announcement: Announcement, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event about a run; `instance` is the name of the operator's pod."""
    about = _Object("Report", subject.metadata, child.labels(subject), identity=subject.run_id)
    return _manifest(about, announcement, instance, now)


def of_schedule(subject: Schedule, announcement: Announcement, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event about a ScheduledReport; `instance` is the name of the operator's pod."""
    about = _Object("ScheduledReport", subject.metadata, {MANAGED_BY_LABEL: MANAGER}, identity=subject.uid)
    return _manifest(about, announcement, instance, now)


def _manifest(about: _Object, announcement: Announcement, instance: str, now: datetime) -> dict[str, Any]:
    metadata, moment = about.metadata, now.astimezone(UTC)
    told = f"{about.identity} {announcement.reason} {moment.isoformat()}"
    seconds = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{sha256(told.encode()).hexdigest()[:16]}",
            "namespace": metadata.namespace,
            "labels": dict(about.labels),
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": about.kind,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "type": announcement.type,
        "reason": announcement.reason,
        "message": announcement.message[:_MESSAGE],
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": instance,
        "count": 1,
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
    }
