"""The core/v1 Event that tells of a transition on a Report."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from report_operator.api.metadata import API_VERSION, MANAGER
from report_operator.plan import child
from report_operator.plan.facts import Announcement
from report_operator.plan.subject import Subject

_MESSAGE = 1024
"""Most characters of an Event's message (kubernetes/kubernetes pkg/apis/core/validation/events.go)."""


def manifest(subject: Subject, announcement: Announcement, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event; `instance` is the name of the operator's pod."""
    moment = now.astimezone(UTC)
    told = f"{subject.run_id} {announcement.reason} {moment.isoformat()}"
    seconds = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{subject.metadata.name}.{sha256(told.encode()).hexdigest()[:16]}",
            "namespace": subject.metadata.namespace,
            "labels": child.labels(subject),
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "Report",
            "namespace": subject.metadata.namespace,
            "name": subject.metadata.name,
            "uid": subject.metadata.uid,
            "resourceVersion": subject.metadata.resource_version,
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
