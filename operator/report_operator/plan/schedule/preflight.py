"""Whether the destinations of a schedule can be reached: a Job in its namespace finds out before it is accepted.

What was found is remembered for the destinations as they are, so neither a restart of the operator nor an edit of
anything else probes again. A schedule that was accepted by an operator without probes stays accepted.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.destinations import Destination
from report_operator.api.metadata import PREFLIGHT_LABEL, SCHEDULE_LABEL
from report_operator.api.preflight import Preflight, Probed, ProbeOrder, ProbeState
from report_operator.api.relay import Access
from report_operator.api.report import ReportSpec
from report_operator.api.run import Request
from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_conditions import ScheduleConditionType, ScheduleReason
from report_operator.plan import job
from report_operator.plan.policy import Rules
from report_operator.plan.schedule import names
from report_operator.plan.schedule.child import owner_reference
from report_operator.plan.schedule.conclusion import Conclusion
from report_operator.plan.schedule.facts import Facts
from report_operator.plan.schedule.subject import Subject

POLL = timedelta(seconds=3)
"""How often the Job of a probe is looked at."""
_GIVEN_UP = timedelta(minutes=4)
"""After that a Job that tells nothing is none: its own deadline is half of it."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
"""Between two probes that fail, doubled each time."""
_EMAIL = ("server", "from")
"""Fields of a mail that tell where it goes to; of whom it goes to, or what is in it, a probe knows nothing."""
_MESSAGE = 2000
_NAME = 63
"""Characters of a destination's name."""


@dataclass(frozen=True)
class Look:
    """What there is to do about the destinations, and what is known of them then."""

    probed: Probed | None
    """For the status."""
    conclusion: Conclusion | None = None
    """Why the schedule is not accepted; None when nothing stands in its way."""
    wake_at: datetime | None = None
    """When to look again."""
    probe: Probed | None = None
    """The probe for which there has to be a Job."""


def look(facts: Facts, spec: ScheduledReportSpec) -> Look:
    """Return what is known of the destinations, and whether they have to be probed."""
    if spec.preflight is Preflight.SKIP or not _all(spec):
        return Look(None)
    known, now = facts.subject.status.preflight, facts.now.replace(microsecond=0)
    what = _digest(spec)
    if known is None and _was_accepted(facts.subject):
        known = Probed(destinations=what, state=ProbeState.PASSED, time=now)
    if known is None or known.destinations != what:
        return _begin(facts, what, 1, now)
    if known.state is ProbeState.PASSED:
        return Look(known)
    return _of_probe(facts, known, now) if known.state is ProbeState.PROBING else _of_failure(facts, known, now)


def lasting(known: Probed | None) -> Probed | None:
    """Return what stays known where nobody looks at the Job of a probe: not that it is on its way.

    A state that nobody ends would hold the place of a probe for ever, and be taken for one that gives no answer later.
    """
    return known if known is not None and known.state is not ProbeState.PROBING else None


def manifest(
    subject: Subject, spec: ScheduledReportSpec, probed: Probed, rules: Rules, defaults: job.RunDefaults
) -> Any:
    """Return the Job of a probe, of which there is one for each attempt; the garbage collector deletes it."""
    template = spec.template.spec
    asked = template.model_copy(update={"destinations": _all(spec)})
    order = ProbeOrder(
        request=Request(
            run_id="preflight",
            namespace=subject.metadata.namespace,
            name=subject.metadata.name,
            created_at=probed.time,
            spec=ReportSpec.model_validate(
                {"outputs": [{"format": "json"}], "destinations": [_place(each) for each in _all(spec)]}
            ),
            policy=rules.policy,
        ),
        relay=_relay(rules),
    )
    metadata = {
        "name": name(subject, probed),
        "namespace": subject.metadata.namespace,
        "ownerReferences": [owner_reference(subject)],
        "labels": {SCHEDULE_LABEL: subject.metadata.name, PREFLIGHT_LABEL: subject.uid},
    }
    return job.probe(metadata, order.model_dump_json(by_alias=True, exclude_none=True), asked, defaults)


def name(subject: Subject, probed: Probed) -> str:
    """Return the name of the Job of a probe: another for each, also of the same destinations."""
    key = f"preflight/{probed.destinations}/{probed.attempt}/{probed.time.isoformat()}"
    return names.name_of(subject.metadata.name, subject.uid, "preflight", key=key)


def _all(spec: ScheduledReportSpec) -> list[Destination]:
    """Return all destinations; those of notices have names that show it."""
    notified = spec.on_failure.notify if spec.on_failure is not None else []
    renamed = [each.model_copy(update={"name": _name_of_notice(each.name)}) for each in notified]
    return [*spec.template.spec.destinations, *renamed]


def _name_of_notice(destination: str) -> str:
    """Return a name of at most 63 characters, another one for each destination."""
    whole = f"notify-{destination}"
    return whole if len(whole) <= _NAME else f"{whole[: _NAME - 9]}-{_hash([destination])[:8]}"


def _place(destination: Destination) -> Mapping[str, Any]:
    """Return what tells where a destination is."""
    wire: dict[str, Any] = destination.to_wire()
    wire.pop("onUnknown", None)
    if "email" in wire:
        wire["email"] = {field: value for field, value in wire["email"].items() if field in _EMAIL}
    return wire


def _digest(spec: ScheduledReportSpec) -> str:
    """Return what is the same as long as a probe would ask for the same."""
    places = [_place(each) for each in _all(spec)]
    return _hash([places, spec.template.spec.run.service_account_name])


def _hash(content: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _relay(rules: Rules) -> Access | None:
    relay = rules.relay
    return Access(host=relay.host, port=relay.port, sender=relay.sender, username="", password="") if relay else None


def _was_accepted(subject: Subject) -> bool:
    """Return whether an operator that knew nothing of probes has accepted the spec as it is."""
    ready = any(c.type == ScheduleConditionType.READY and c.status == "True" for c in subject.status.conditions)
    return ready and not subject.is_edited


def _begin(facts: Facts, what: str, attempt: int, now: datetime) -> Look:
    if not facts.has_place:
        return Look(lasting(facts.subject.status.preflight), _WAITING, now + POLL)
    probed = Probed(destinations=what, state=ProbeState.PROBING, attempt=attempt, time=now)
    return _refused(facts, probed, now) or Look(probed, _PROBING, now + POLL, probed)


def _refused(facts: Facts, probed: Probed, now: datetime) -> Look | None:
    said = facts.refusals.get(name(facts.subject, probed))
    return _failed(probed, f"The API server refuses the Job that probes: {said}", now) if said is not None else None


def _of_probe(facts: Facts, known: Probed, now: datetime) -> Look:
    """Return what a probe that was begun has found."""
    refused, found = _refused(facts, known, now), facts.probe
    if refused is not None:
        return refused
    if found is not None and found.answer is not None:
        if found.answer.problems:
            return _failed(known, " ".join(f"{each.rstrip('.')}." for each in found.answer.problems), now)
        passed = {"state": ProbeState.PASSED, "time": now, "message": None}
        return Look(known.model_copy(update=passed))
    if (found is not None and found.has_ended) or now >= known.time + _GIVEN_UP:
        text = f"The Job {name(facts.subject, known)}, which probes the destinations, ended without an answer."
        return _failed(known, text, now)
    return Look(known, _PROBING, facts.now + POLL, None if found is not None else known)


def _of_failure(facts: Facts, known: Probed, now: datetime) -> Look:
    """Return what is to be done after a probe that has failed: another one when it is time, or the spec was edited."""
    retry_at = known.time + _wait(known)
    if facts.subject.is_edited or now >= retry_at:
        return _begin(facts, known.destinations, known.attempt + 1, now)
    return Look(known, _unreachable(known.message or ""), retry_at)


def _failed(known: Probed, message: str, now: datetime) -> Look:
    text = message[:_MESSAGE]
    failed = known.model_copy(update={"state": ProbeState.FAILED, "time": now, "message": text})
    return Look(failed, _unreachable(text), now + _wait(known))


def _wait(known: Probed) -> timedelta:
    """Return the time from a probe that has failed to the next one."""
    doublings = min(max(known.attempt - 1, 0), 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


_WAITING = Conclusion(ScheduleReason.PROBING, "The destinations are probed after those of other schedules.")
_PROBING = Conclusion(ScheduleReason.PROBING, "The destinations are being probed; see spec.preflight.")


def _unreachable(message: str) -> Conclusion:
    way_out = "It is tried again by itself, and at once when the spec is edited; spec.preflight: Skip leaves it out."
    return Conclusion(ScheduleReason.DESTINATION_UNREACHABLE, f"{message} {way_out}")
