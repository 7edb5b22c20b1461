"""The conditions in a Report's status, with the meaning of kstatus."""

from datetime import UTC
from typing import Literal

from report_operator.api.conditions import ConditionType, Reason
from report_operator.api.report import Condition
from report_operator.api.run import Result
from report_operator.plan import artifacts
from report_operator.plan.facts import Facts
from report_operator.plan.failure import Cause

GOES_ON = frozenset(
    {
        Reason.QUEUED,
        Reason.RUNNING,
        Reason.RETRYING,
        Reason.RUN_LIMIT_REACHED,
        Reason.CANCELLING,
        Reason.REPLACING,
        Reason.UNSCHEDULABLE,
        Reason.REDELIVERING,
        Reason.OPERATOR_RETRYING,
    }
)
"""Reasons that need nobody: Reconciling holds. With any other, until success, Stalled holds."""


def of_cause(facts: Facts, cause: Cause) -> list[Condition]:
    """Return Ready, and Reconciling or Stalled where they hold.

    Ready is Unknown while a run goes on, so that `kubectl wait --for=condition=Ready=False` waits for a failure.
    """
    if cause.reason is Reason.SUCCEEDED:
        return [make(facts, ConditionType.READY, "True", cause)]
    if cause.reason in GOES_ON:
        ready = make(facts, ConditionType.READY, "Unknown", cause)
        return [ready, make(facts, ConditionType.RECONCILING, "True", cause)]
    ready = make(facts, ConditionType.READY, "False", cause)
    return [ready, make(facts, ConditionType.STALLED, "True", cause)]


def inlined(facts: Facts, result: Result) -> list[Condition]:
    """Return the condition Inlined where the spec asks for an inline document."""
    outputs = facts.subject.spec.outputs if facts.subject.spec is not None else []
    name = next((output.file_name for output in outputs if output.inline), None)
    if name is None:
        return []
    if artifacts.inline(result) is not None:
        held = Cause(Reason.SUCCEEDED, f"{name} is in status.inline.")
        return [make(facts, ConditionType.INLINED, "True", held)]
    known = f" ({result.inline_size} bytes)" if result.inline_size is not None else ""
    text = f"{name}{known} is larger than 16 KiB; use the links in status.artifacts."
    return [make(facts, ConditionType.INLINED, "False", Cause(Reason.INLINE_TOO_LARGE, text))]


def make(facts: Facts, kind: ConditionType, status: Literal["True", "False", "Unknown"], cause: Cause) -> Condition:
    """Return a condition, with the time since when it has this status."""
    before = next((c for c in facts.subject.status.conditions if c.type == kind and c.status == status), None)
    now = facts.now.astimezone(UTC).replace(microsecond=0)
    return Condition(
        type=kind,
        status=status,
        reason=cause.reason,
        message=cause.message,
        last_transition_time=before.last_transition_time if before is not None else now,
        observed_generation=facts.subject.metadata.generation,
    )
