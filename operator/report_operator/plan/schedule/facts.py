"""What a decision about a ScheduledReport is made from, and what it consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from report_operator.api.preflight import ProbeAnswer, Probed
from report_operator.api.schedule_status import ScheduledReportStatus
from report_operator.plan.facts import Announcement
from report_operator.plan.policy import Rules
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.subject import Subject


@dataclass(frozen=True)
class Found:
    """The Job of a probe."""

    has_ended: bool = False
    answer: ProbeAnswer | None = None
    """What it has said."""


@dataclass(frozen=True)
class Facts:
    """Everything that is known about a ScheduledReport at one moment."""

    now: datetime
    """UTC."""
    subject: Subject
    """The ScheduledReport."""
    children: tuple[Child, ...] = ()
    """All its Reports: those that `child.maker_of` says it has made."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Reports of the decision before that the API server does not take, by name, and what it said."""
    rules: Rules = field(default_factory=Rules)
    """The platform team's policy for its namespace."""
    has_place: bool = True
    """Whether another probe may begin: a thousand new schedules must not make a thousand pods at once."""
    probe: Found | None = None
    """What came of the probe that the status tells of; None when there is no Job."""


@dataclass(frozen=True)
class Ownership:
    """Whether Reports are to go with their ScheduledReport: set or remove its owner reference."""

    names: tuple[str, ...] = ()
    owned: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do now, in the order of the fields.

    A crash after any step leads to the same end: until the status is written the next decision makes the same Reports,
    whose names are taken, and only afterwards something is deleted.
    """

    creations: tuple[Mapping[str, Any], ...] = ()
    """Reports to make, in any order. One that exists and is ours is made. One that the API server refuses, or whose
    name another Report has, becomes a refusal, and the decision is made again. After an outage nothing more is done."""
    probe: Probed | None = None
    """The probe for which there has to be a Job; made and refused as Reports are."""
    cancellations: tuple[str, ...] = ()
    """Reports whose runs are to be ended."""
    ownership: Ownership = Ownership()
    """Owner references to change; before the status, after which a new process may see nothing to do."""
    status: ScheduledReportStatus | None = None
    """The status to write; None when it is right as it is."""
    deletions: tuple[str, ...] = ()
    """Reports to delete."""
    announcements: tuple[Announcement, ...] = ()
    """Events that tell of a transition."""
    wake_at: datetime | None = None
    """When to decide again at the latest; None when only an event can change anything."""

    @property
    def only_creates(self) -> bool:
        """Return whether there is nothing to do but to make Reports, besides the status."""
        others = (self.probe, self.cancellations, self.ownership.names, self.deletions, self.announcements)
        return bool(self.creations) and not any(others)
