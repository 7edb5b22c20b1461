"""Test sends: the real report, made anew and mailed to one address only, because an annotation asks for it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from report_operator.api.conditions import Reason
from report_operator.api.destinations import Address
from report_operator.api.metadata import (
    API_VERSION,
    MANAGED_BY_LABEL,
    MANAGER,
    RUN_NOW_ANNOTATION,
    TEST_SEND_ANNOTATION,
    TRIGGER_LABEL,
    Trigger,
)
from report_operator.api.report import ReportSpec
from report_operator.api.retention import parse_lifetime
from report_operator.api.trial import TOKEN_LENGTH, Trial
from report_operator.plan import names, policy
from report_operator.plan.facts import Announcement, Decision, Facts, MakeTrial, Question
from report_operator.plan.policy import Rules
from report_operator.plan.subject import Subject

KEPT = "1d"
"""How long the files of a test are kept, and its Report with them; not longer than the report's own."""
_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
_NOT_TESTED = ("cancel", "idempotencyKey")
"""Fields of a spec that a test does not have."""


class RefusedTrialError(ValueError):
    """The test cannot be made; the text says why, and the way out."""


def requested(annotations: Mapping[str, str], known: Trial | None) -> str:
    """Return the token of a request that the status does not know; empty when there is none."""
    token = annotations.get(TEST_SEND_ANNOTATION, "")[:TOKEN_LENGTH]
    return "" if known is not None and known.token == token else token


def is_test(manifest: Mapping[str, Any]) -> bool:
    """Return whether a Report is that of a test of another one; what a user copies from it has another name."""
    metadata, ours = manifest["metadata"], {MANAGED_BY_LABEL: MANAGER, TRIGGER_LABEL: Trigger.TEST.value}
    token = (metadata.get("annotations") or {}).get(RUN_NOW_ANNOTATION, "")
    names_of_tests = (names.trial_name(o["name"], o["uid"], token) for o in metadata.get("ownerReferences") or ())
    return ours.items() <= (metadata.get("labels") or {}).items() and metadata["name"] in names_of_tests


def spec_of(wire: Mapping[str, Any], token: str, rules: Rules) -> dict[str, Any]:
    """Return the spec of a test, from that of the report as it is written: everything as it is, but who gets it.

    Raises RefusedTrialError.
    """
    body = {name: content for name, content in wire.items() if name not in _NOT_TESTED}
    body["destinations"] = [_destination(body.get("destinations") or [], _address(token), rules)]
    own = (body.get("retention") or {}).get("ttl") or ReportSpec.model_fields["retention"].default.ttl
    body["retention"] = {"ttl": min((own, KEPT), key=lambda ttl: parse_lifetime(ttl) or timedelta.max)}
    forbidden = policy.refusal(ReportSpec.model_validate(body), rules)
    if forbidden:
        raise RefusedTrialError(forbidden)
    return body


def beside(facts: Facts, decision: Decision) -> Decision:
    """Return the decision about a Report with the test that is asked for, whatever its run does."""
    subject = facts.subject
    token = requested(subject.metadata.annotations, subject.status.test_send)
    if not token or any(isinstance(action, Question) for action in decision.actions):
        return decision
    if facts.outage is not None:
        return replace(decision, retry=True)
    problem = facts.trial_problem
    if problem is None:
        try:
            return Decision(actions=(MakeTrial(_manifest(facts, token), _before(subject)),))
        except RefusedTrialError as error:
            problem = str(error)
    told = (Announcement("Warning", Reason.TEST_REFUSED, problem),) if problem else ()
    made = Trial(token=token, message=problem[:2048] or None)
    status = (decision.status or subject.status).model_copy(update={"test_send": made})
    return replace(decision, status=status, announcements=(*decision.announcements, *told))


def _manifest(facts: Facts, token: str) -> dict[str, Any]:
    """Return the Report of a test, which the garbage collector deletes with the Report that is tested."""
    subject = facts.subject
    if subject.spec is None:
        raise RefusedTrialError(subject.problem)
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Report",
        "name": subject.metadata.name,
        "uid": subject.metadata.uid,
        "controller": True,
    }
    metadata = {
        "name": names.trial_name(subject.metadata.name, subject.metadata.uid, token),
        "namespace": subject.metadata.namespace,
        "labels": {MANAGED_BY_LABEL: MANAGER, TRIGGER_LABEL: Trigger.TEST.value},
        "annotations": {RUN_NOW_ANNOTATION: token},
        "ownerReferences": [owner],
    }
    titled = {"title": subject.metadata.name} | subject.spec.to_wire()
    return {
        "apiVersion": API_VERSION,
        "kind": "Report",
        "metadata": metadata,
        "spec": spec_of(titled, token, facts.rules),
    }


def _before(subject: Subject) -> str | None:
    """Return the name of the Report of the last test; None when there was none."""
    known = subject.status.test_send
    if known is None or known.message is not None:
        return None
    return names.trial_name(subject.metadata.name, subject.metadata.uid, known.token)


def _address(token: str) -> str:
    try:
        return _ADDRESS.validate_python(token.partition("/")[2])
    except ValidationError as error:
        raise RefusedTrialError(
            f"Annotation {TEST_SEND_ANNOTATION} is {token}: write <token>/<address>, such as 1/me@example.com."
        ) from error


def _destination(destinations: list[Any], address: str, rules: Rules) -> dict[str, Any]:
    """Return the first destination of kind email with nobody but this address; the platform's relay without one."""
    found = next((each for each in destinations if each.get("email") is not None), None)
    if found is None and rules.relay is None:
        raise RefusedTrialError(
            "The report has no destination of kind email, whose server a test could be sent by. Add one, or try"
            " it on a copy of the Report that has one."
        )
    if found is None:
        return {"name": "test", "email": {"to": [address]}}
    email = {name: content for name, content in found["email"].items() if name not in ("cc", "bcc")}
    return {**found, "email": {**email, "to": [address]}}
