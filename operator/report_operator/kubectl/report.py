"""What the plugin tells of a Report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from report_operator.api.conditions import Phase
from report_operator.kubectl.client import Json

_GOING = ("", Phase.QUEUED, Phase.RUNNING)


@dataclass(frozen=True)
class Artifact:
    """A file of a Report."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    uri: str
    """Where it is in the store."""
    download_url: str | None
    expires_at: datetime | None
    """When the link stops working."""

    @classmethod
    def from_wire(cls, wire: Json) -> "Artifact":
        """Read an item of `status.artifacts`."""
        expiry = wire.get("urlExpiresAt")
        return cls(
            name=wire["name"],
            size=wire["size"],
            sha256=wire["sha256"],
            uri=wire["uri"],
            download_url=wire.get("downloadURL"),
            expires_at=datetime.fromisoformat(expiry) if expiry else None,
        )


@dataclass(frozen=True)
class Report:
    """A Report as the API server holds it. Any version of the operator may have written the status."""

    manifest: Json

    @property
    def name(self) -> str:
        """Return its name."""
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """Return its namespace."""
        namespace: str = self.manifest["metadata"]["namespace"]
        return namespace

    @property
    def is_observed(self) -> bool:
        """Return whether the status is about the spec as it is."""
        return bool(self._status.get("observedGeneration") == self.manifest["metadata"]["generation"])

    @property
    def phase(self) -> str:
        """Return the phase; empty while the operator has not seen the spec."""
        return self.text("phase") if self.is_observed else ""

    @property
    def has_ended(self) -> bool:
        """Return whether the run is over; a phase that this version does not know is an end."""
        return self.phase not in _GOING

    @property
    def has_succeeded(self) -> bool:
        """Return whether the run is over and its files are there."""
        return self.phase == Phase.SUCCEEDED

    @property
    def is_cancelled(self) -> bool:
        """Return whether the run is to end."""
        return bool(self.manifest["spec"].get("cancel"))

    @property
    def state(self) -> str:
        """Return phase and stage in words."""
        if not self.phase:
            return "not seen by the operator yet"
        return ", ".join(filter(None, (self.phase, self.text("stage") and f"stage {self.text('stage')}")))

    @property
    def period(self) -> Json | None:
        """Return start and end of the time that it is about."""
        period: Json | None = self._status.get("period") or self.manifest["spec"].get("period")
        return period

    @property
    def subject(self) -> Json:
        """Return id and label of the entity that it is about; empty when it is about none, or that is not known yet."""
        subject: Json = self._status.get("subject") or {}
        return subject if self.is_observed else {}

    @property
    def queue(self) -> Json:
        """Return its place among the runs that wait; empty when it does not wait."""
        queue: Json = self._status.get("queue") or {}
        return queue

    @property
    def deliveries(self) -> Sequence[Json]:
        """Return what became of its destinations."""
        deliveries: Sequence[Json] = self._status.get("deliveries") or []
        return deliveries

    @property
    def redelivery(self) -> Json:
        """Return what became of the last request to send again; empty when there was none."""
        redelivery: Json = self._status.get("redelivery") or {}
        return redelivery

    @property
    def link_refresh(self) -> Json:
        """Return what became of the last request for new links; empty when there was none."""
        refresh: Json = self._status.get("linkRefresh") or {}
        return refresh

    @property
    def artifacts(self) -> Sequence[Artifact]:
        """Return its files."""
        return [Artifact.from_wire(wire) for wire in self._status.get("artifacts", [])]

    def text(self, field: str) -> str:
        """Return a field of the status; empty when it is not set."""
        return str(self._status.get(field, ""))

    def digest(self) -> dict[str, Any]:
        """Return what is of interest, for programs: wire names, nothing that is not known."""
        status = ["stage", "reason", "message", "attempt", "queue", "startTime", "completionTime", "runID", "jobName"]
        status += ["deliveries", "redelivery", "sameAs"]
        found = {"name": self.name, "namespace": self.namespace, "phase": self.phase, "period": self.period}
        found |= {"subject": self.subject}
        found |= {field: self._status.get(field) for field in status} | {"artifacts": self._status.get("artifacts")}
        return {field: value for field, value in found.items() if value}

    @property
    def _status(self) -> Json:
        status: Json = self.manifest.get("status", {})
        return status
