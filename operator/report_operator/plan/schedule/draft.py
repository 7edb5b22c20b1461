"""A decision in the making: the Reports that are there, those that are to be made, and the slots that get none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from report_operator.api.metadata import Trigger
from report_operator.api.report import Period
from report_operator.api.schedule import ConcurrencyPolicy, ScheduledReportSpec
from report_operator.api.schedule_conditions import SlotReason
from report_operator.api.schedule_status import Tally
from report_operator.plan.schedule import tally
from report_operator.plan.schedule.child import Child, Run
from report_operator.plan.schedule.facts import Facts
from report_operator.plan.schedule.timing import Timing


@dataclass
class Draft:
    """What is decided so far."""

    facts: Facts
    spec: ScheduledReportSpec
    timing: Timing
    skipped: Tally
    children: dict[str, Child]
    """By name: those that are there, and those that will be."""
    creations: list[Mapping[str, Any]] = field(default_factory=list)
    cancellations: list[str] = field(default_factory=list)
    wake_at: datetime | None = None
    """When to decide again although nothing is due."""

    @classmethod
    def of(cls, facts: Facts, spec: ScheduledReportSpec, timing: Timing) -> Self:
        """Return a draft that does nothing."""
        children = {child.name: child for child in facts.children}
        return cls(facts, spec, timing, facts.subject.status.skipped, children)

    @property
    def now(self) -> datetime:
        """Return the time of the decision, in whole seconds as Kubernetes writes it."""
        return self.facts.now.replace(microsecond=0)

    def runs(self, trigger: Trigger, slot: datetime, token: str = "") -> list[Run]:
        """Return the runs of a slot, or of one call by hand: one for each active variant."""
        return [Run(self.facts.subject, trigger, name, slot, token) for name in active_variants(self.spec)]

    def is_made(self, trigger: Trigger, slot: datetime) -> bool:
        """Return whether all Reports of a slot are there."""
        return all(run.name in self.children for run in self.runs(trigger, slot))

    def start_slot(self, slot: datetime) -> None:
        """Make the Reports of a slot of the schedule, as the concurrency policy allows."""
        admitted, waited_for = [], []
        for run in self.runs(Trigger.SCHEDULED, slot):
            active = [child for child in self.active() if child.variant == run.variant and child.name != run.name]
            if self.spec.concurrency_policy is ConcurrencyPolicy.FORBID and active and run.name not in self.children:
                waited_for.append(active[0].name)
                continue
            admitted.append(run)
            if self.spec.concurrency_policy is ConcurrencyPolicy.REPLACE and run.name not in self.facts.refusals:
                self.cancellations += [child.name for child in active if child.slot < slot]
        if waited_for:
            text = f"The slot of {slot:%Y-%m-%dT%H:%MZ} was skipped: not ended yet: {', '.join(waited_for)}."
            self.skip(SlotReason.ALREADY_RUNNING, text, slot)
        self.start(admitted, self.timing.period_of(slot))

    def start(self, runs: list[Run], period: Period | None) -> None:
        """Make the Reports of runs that are of one slot; those that are there stay as they are."""
        for run in runs:
            if run.name not in self.facts.refusals and run.name not in self.children:
                self.creations.append(run.manifest(self.spec, period, self.timing.slots.zone))
                self.children[run.name] = run.child(self.now)
        refused = self.refused(runs)
        if refused:
            self.skip(SlotReason.REPORT_REFUSED, refused, runs[0].slot)

    def refused(self, runs: list[Run]) -> str:
        """Return which Reports of a slot the API server does not take, and what it said; empty when it takes all."""
        refusals = [f"{run.name}: {self.facts.refusals[run.name]}" for run in runs if run.name in self.facts.refusals]
        return tally.cut(f"The API server refuses {' '.join(refusals)}") if refusals else ""

    def try_again_in(self, pause: timedelta) -> None:
        """Have the next decision made after a pause, if nothing brings it earlier."""
        self.wake_at = self.now + pause

    def skip(self, reason: SlotReason, message: str, slot: datetime) -> None:
        """Count a slot, or a call by hand, that for some variant at least gets no Report."""
        self.skipped = tally.add(self.skipped, 1, reason, message, slot)

    def active(self, trigger: Trigger | None = None) -> list[Child]:
        """Return the Reports that have not ended, oldest slots first: of a trigger, or else all but backfilled ones."""
        found = [child for child in self.children.values() if child.is_active]
        if trigger is None:
            wanted = [child for child in found if child.trigger is not Trigger.BACKFILL]
        else:
            wanted = [child for child in found if child.trigger is trigger]
        return sorted(wanted, key=lambda child: (child.slot, child.name))


def active_variants(spec: ScheduledReportSpec) -> list[str]:
    """Return the names of the variants that run; one empty name without variants."""
    if spec.variants is None:
        return [""]
    return [variant.name for variant in spec.variants if not variant.suspend]
