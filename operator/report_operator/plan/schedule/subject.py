"""The ScheduledReport that a decision is about, as the API server holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from report_operator.api.report import ObjectMeta
from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_status import ScheduledReportStatus
from report_operator.plan.managed_fields import edited_at
from report_operator.plan.reading import read_spec, read_status


@dataclass(frozen=True)
class Subject:
    """A ScheduledReport whose parts were read one by one."""

    metadata: ObjectMeta
    spec: ScheduledReportSpec | None
    """None when this version cannot read it."""
    problem: str
    """Why there is no spec; empty when there is one."""
    status: ScheduledReportStatus
    """Without the fields that this version cannot read; empty when it is about an object that was there before."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """`spec.template.spec` as written, with fields that this version does not know."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    edited_at: datetime | None = None
    """When the spec was last edited, or later; None when that is not known."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read a ScheduledReport as it came from the API server."""
        metadata = ObjectMeta.model_validate(manifest["metadata"])
        spec, problem = read_spec(ScheduledReportSpec, manifest.get("spec"))
        status = read_status(ScheduledReportStatus, manifest.get("status") or {})
        if status.observed_generation > metadata.generation:  # restored from a backup, status and all
            status = ScheduledReportStatus()
        return cls(
            metadata=metadata,
            spec=spec,
            problem=problem,
            status=status,
            template=manifest["spec"]["template"]["spec"] if spec is not None else {},
            annotations=manifest["metadata"].get("annotations") or {},
            edited_at=edited_at(
                manifest["metadata"].get("managedFields") or [],
                metadata.creation_timestamp,
                edits=metadata.generation - max(status.observed_generation, 1),
            ),
        )

    @property
    def uid(self) -> str:
        """Return the UID."""
        return self.metadata.uid

    def created_at(self, now: datetime) -> datetime:
        """Return when the object was made; `now` for one that was not read from an API server."""
        return self.metadata.creation_timestamp or now

    @property
    def is_edited(self) -> bool:
        """Return whether the spec has changed since the status was written."""
        return self.status.observed_generation != self.metadata.generation

    def edited_by(self, now: datetime) -> datetime:
        """Return when the spec was last edited, or later; `now` when it was not, or nobody knows."""
        return min(now, self.edited_at or now) if self.is_edited else now
