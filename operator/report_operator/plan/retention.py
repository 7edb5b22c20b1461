"""How long the files of a Report are kept, and what its status says when they are gone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from report_operator.api.conditions import ConditionType, Phase, Reason
from report_operator.api.report import Condition, ReportStatus
from report_operator.api.retention import Retention, parse_lifetime
from report_operator.plan.subject import Subject


def expires_at(retention: Retention, completed: datetime) -> datetime | None:
    """Return when the files of a run that ended at `completed` are to go; None for never."""
    ttl = parse_lifetime(retention.ttl)
    return completed + ttl if ttl is not None else None


def lifetime(spec: Mapping[str, Any], longest: timedelta | None) -> timedelta | None:
    """Return how long the files of a Report are kept by its spec as it came from the API server; None for ever.

    `longest` is what the policy allows, None for ever: a spec that asks for more is on record, but was never run.
    """
    try:
        asked = parse_lifetime(Retention.model_validate(spec.get("retention") or {}).ttl)
    except ValidationError:  # Of a newer operator.
        asked = None
    return min((each for each in (asked, longest) if each is not None), default=None)


def of_expired(subject: Subject, now: datetime) -> ReportStatus:
    """Return the status of a Report whose files were kept for their time: nothing of their content is left in it.

    There is no Ready condition any more: it would be a lie as True, and as False kstatus would take the Report for one
    that is still being worked on, so that Flux and `helm upgrade --wait` would wait for it in vain.
    """
    known = subject.status
    until = f"until {known.expires_at:%Y-%m-%dT%H:%M:%SZ}" if known.expires_at is not None else "for their time"
    message = f"The files were kept {until} (spec.retention.ttl). Edit the spec to make them again."
    expired = Condition(
        type=ConditionType.EXPIRED,
        status="True",
        reason=Reason.EXPIRED,
        message=message,
        last_transition_time=now.astimezone(UTC).replace(microsecond=0),
        observed_generation=subject.metadata.generation,
    )
    kept = [each for each in known.conditions if each.type == ConditionType.DELIVERED]
    return known.model_copy(
        update={
            "phase": Phase.EXPIRED,
            "reason": Reason.EXPIRED,
            "message": message,
            "artifacts": [],
            "links_renew_at": None,
            "metrics": {},
            "subject": None,
            "inline": None,
            "conditions": [*kept, expired],
        }
    )
