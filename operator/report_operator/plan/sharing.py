"""Reports with the same idempotency key in a namespace: one of them runs, the others have what it makes.

The first is the one that has run, or begun to; of several, or of none, the one that was made first, then by name.
Reports that were cancelled, or whose files have expired, count no more: the next one runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from report_operator.api.conditions import ENDED, Phase, Reason
from report_operator.api.report import ReportSpec
from report_operator.plan import status, transition
from report_operator.plan.facts import Decision, Facts
from report_operator.plan.failure import Cause
from report_operator.plan.subject import Subject

LOOK_AGAIN = timedelta(seconds=60)
"""At the first one; its changes are told sooner."""
_GONE = frozenset({Phase.CANCELLED, Phase.EXPIRED})


@dataclass(frozen=True)
class Sharer:
    """What is of interest in a Report with a key, read without the models: every Report comes by here."""

    name: str
    uid: str
    key: str
    created_at: datetime
    generation: int
    counts: bool
    """Whether it can be the first."""
    has_run: bool
    """Whether a run of its own is on record for its spec."""
    is_settled: bool
    """Whether it has its final status."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self | None:
        """Read a Report as it came from the API server; None without a key, or when it is being deleted."""
        metadata, known = manifest["metadata"], manifest.get("status") or {}
        key = manifest["spec"].get("idempotencyKey")
        if not key or "deletionTimestamp" in metadata:
            return None
        is_observed = known.get("observedGeneration") == metadata["generation"]
        own_run = is_observed and "runID" in known and "sameAs" not in known
        is_gone = is_observed and known.get("phase") in _GONE
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            key=key,
            created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
            generation=metadata["generation"],
            counts=not is_gone and not manifest["spec"].get("cancel"),
            has_run=own_run,
            is_settled=is_observed and known.get("phase") in ENDED and "runID" in known,
        )

    @property
    def rank(self) -> tuple[bool, datetime, str]:
        """Return what the first one has the least of."""
        return not self.has_run, self.created_at, self.name


def follow(facts: Facts, first: Subject) -> Decision:
    """Return what a Report does whose key another one had before: nothing but tell what becomes of that one."""
    name = first.metadata.name
    if first.spec is None or not _is_same(first.spec, facts.subject.spec):
        text = (
            f"Report {name} has the same spec.idempotencyKey and another spec. Make the specs alike, or use another"
            " key: a key stands for one result."
        )
        return transition.to(facts, status.of_rejected(facts, Cause(Reason.IDEMPOTENCY_CONFLICT, text)))
    known = first.status
    is_observed = first.is_observed and known.reason is not None
    if is_observed and known.phase in ENDED:
        return transition.to(facts, status.of_same(facts, first))
    told = known.message if is_observed and known.message else "It has not begun."
    reason = known.reason if is_observed and known.reason is not None else Reason.QUEUED
    cause = Cause(reason, f"Report {name} has the same spec.idempotencyKey; its run is this one's too. {told}")
    written = transition.to(facts, status.of_awaiting(facts, first if is_observed else None, name, cause))
    return Decision(written.actions, written.status, written.announcements, requeue_after=LOOK_AGAIN)


def _is_same(one: ReportSpec, other: ReportSpec | None) -> bool:
    return other is not None and one.model_copy(update={"cancel": False}) == other.model_copy(update={"cancel": False})
