"""The Report that a decision is about, as the API server holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from report_operator.api.conditions import ENDED, WITHOUT_RUN, Phase
from report_operator.api.metadata import REDELIVER_ANNOTATION
from report_operator.api.report import ObjectMeta, ReportSpec, ReportStatus
from report_operator.plan import names
from report_operator.plan.reading import read_spec, read_status

_PHASES = frozenset(phase.value for phase in Phase)


@dataclass(frozen=True)
class Subject:
    """A Report whose parts were read one by one, so that a part that cannot be read does not hide the others."""

    metadata: ObjectMeta
    spec: ReportSpec | None
    """None when this version cannot read it."""
    problem: str
    """Why there is no spec; empty when there is one."""
    status: ReportStatus
    """Without the fields that this version cannot read."""
    raw_phase: str
    """The phase as written, which a newer operator may have."""
    is_cancelled: bool
    """Whether `spec.cancel` is set, also in a spec that this version cannot read."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read a Report as it came from the API server."""
        spec, problem = read_spec(ReportSpec, manifest.get("spec"))
        raw_status = manifest.get("status") or {}
        return cls(
            metadata=ObjectMeta.model_validate(manifest["metadata"]),
            spec=spec,
            problem=problem,
            status=read_status(ReportStatus, raw_status),
            raw_phase=raw_status.get("phase", ""),
            is_cancelled=(manifest.get("spec") or {}).get("cancel") is True,
        )

    @property
    def key(self) -> tuple[str, str]:
        """Return namespace and name."""
        return self.metadata.namespace, self.metadata.name

    @property
    def run_id(self) -> str:
        """Return the identity of this generation's run."""
        return names.run_id(self.metadata.uid, self.metadata.generation)

    @property
    def job_name(self) -> str:
        """Return the name of this generation's Job and Secret."""
        return self.job_name_of(self.metadata.generation)

    def job_name_of(self, generation: int) -> str:
        """Return the name of a generation's Job and Secret."""
        return names.job_name(self.metadata.name, self.metadata.uid, generation)

    @property
    def redelivery_name(self) -> str:
        """Return the name of the Job and Secret of the redelivery that the status tells of; empty without one."""
        known = self.status
        if known.redelivery is None or known.run_id is None:
            return ""
        return names.redelivery_name(self.metadata.name, known.run_id, known.redelivery.token)

    @property
    def prefix(self) -> str:
        """Return this generation's folder in the store."""
        return names.run_prefix(self.metadata.namespace, self.metadata.name, self.run_id)

    @property
    def is_observed(self) -> bool:
        """Return whether the status is about this generation."""
        return self.status.observed_generation == self.metadata.generation

    @property
    def is_new(self) -> bool:
        """Return whether nothing has been done for it, or so little that making the run's Secret and Job tells."""
        return self.metadata.generation == 1 and self.status.observed_generation < 1

    @property
    def has_one_job_at_most(self) -> bool:
        """Return whether there can be no Job but that of the run: neither of an earlier one nor of a redelivery."""
        annotated = REDELIVER_ANNOTATION in self.metadata.annotations
        return self.metadata.generation == 1 and self.status.redelivery is None and not annotated

    @property
    def is_settled(self) -> bool:
        """Return whether this generation has its final status.

        A phase of a newer operator counts as final: after a downgrade its Reports are left alone until they are edited.
        What could not be read or was not allowed, so that there was no run, does not: it may be now.
        """
        if not self.is_observed or (self.status.reason in WITHOUT_RUN and self.status.run_id is None):
            return False
        return self.has_ended

    @property
    def has_ended(self) -> bool:
        """Return whether the run that the status is about, of whatever generation, is over."""
        return self.status.phase in ENDED or bool(self.raw_phase and self.raw_phase not in _PHASES)
