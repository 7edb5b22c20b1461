"""A ScheduledReport and its Reports in memory, for histories that no real cluster can be made to play in time.

A fake: the real API server's clock cannot be set. Objects are the JSON that it would hold, and what is written has to
fit the CRDs; tests/server holds the real one to the same manifests.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema

from report_operator.api.crd import REPORT, SCHEDULED_REPORT, schema_of
from report_operator.api.preflight import ProbeAnswer, Probed
from report_operator.plan.job import RunDefaults
from report_operator.plan.managed_fields import in_brief
from report_operator.plan.policy import Rules
from report_operator.plan.schedule import preflight
from report_operator.plan.schedule.child import Child, maker_of
from report_operator.plan.schedule.facts import Decision, Facts, Found
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.scheduled_report import decide

Json = dict[str, Any]
UID = "0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10"
TEMPLATE: Json = {
    "spec": {"outputs": [{"format": "pdf"}], "template": {"name": "standard", "params": {"a": 1, "b": 2}}}
}
DAILY: Json = {"schedule": ["0 9 * * *"]}
HOURLY: Json = {"schedule": ["0 * * * *"]}
MINUTELY: Json = {"schedule": ["* * * * *"]}
TWO: Json = {"variants": [{"name": "emea", "params": {"b": 3, "c": 4}}, {"name": "apac"}]}
_REPORT = jsonschema.Draft202012Validator(schema_of(REPORT))
_STATUS = jsonschema.Draft202012Validator(schema_of(SCHEDULED_REPORT)["properties"]["status"])


def utc(text: str) -> datetime:
    """Return a time written without its zone, which is UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rfc3339(time: datetime) -> str:
    """Return a time as the API server writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ANSWERED = Found(has_ended=True, answer=ProbeAnswer(problems=[]))
"""All destinations answer."""


class CrashError(Exception):
    """The operator was killed."""


@dataclass
class World:
    """What is true, whoever looks."""

    now: datetime
    manifest: Json
    reports: dict[str, Json] = field(default_factory=dict)
    """Reports that exist, by name."""
    made: list[str] = field(default_factory=list)
    """Names of all Reports that were ever made, in order."""
    made_for: list[datetime] = field(default_factory=list)
    """Their slots."""
    cancelled: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """What the API server says to Reports, by a part of their name."""
    probe: Found | None = ANSWERED
    """What came of the probe, whenever there is one."""
    has_place: bool = True
    """Whether another probe may begin."""
    probes: list[str] = field(default_factory=list)
    """Names of the Jobs of probes."""
    told: list[str] = field(default_factory=list)
    """Reasons of all Events."""

    @classmethod
    def of(cls, now: str, **spec: Any) -> "World":
        """Return a world in which a ScheduledReport was just made."""
        metadata = {"name": "weekly", "namespace": "team-a", "uid": UID, "generation": 1}
        metadata |= {"creationTimestamp": rfc3339(utc(now)), "labels": {"argocd.argoproj.io/instance": "reports"}}
        metadata["managedFields"] = [_noted("kubectl-create", utc(now), {"f:spec": {}})]
        return cls(utc(now), {"metadata": metadata, "spec": {"template": copy.deepcopy(TEMPLATE), **spec}})

    @property
    def status(self) -> Json:
        """Return the status of the ScheduledReport."""
        status: Json = self.manifest.get("status", {})
        return status

    def edit(self, **changes: Any) -> None:
        """Change fields of the spec, as a user; None removes one.

        As by the API server, the time is noted only where something was added or has another value.
        """
        before = self.manifest["spec"]
        self.manifest["spec"] = {k: v for k, v in (before | changes).items() if v is not None}
        self.manifest["metadata"]["generation"] += 1
        if not _is_less(self.manifest["spec"], before):
            self._note(_noted("kubectl", self.now, {"f:spec": {}}))

    def _note(self, entry: Json) -> None:
        """Note a writer in `metadata.managedFields`, each once."""
        metadata = self.manifest["metadata"]
        others = [each for each in metadata.get("managedFields", []) if each["manager"] != entry["manager"]]
        metadata["managedFields"] = [*others, entry]

    def annotate(self, **annotations: str) -> None:
        """Set annotations of ours, named with `_` for `-`, as a user."""
        ours = {f"report-operator.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
        self.manifest["metadata"].setdefault("annotations", {}).update(ours)

    def facts(self, refusals: Mapping[str, str] | None = None) -> Facts:
        """Return what an operator gathers, from what it keeps of objects; and what a probe has found."""
        subject = Subject.from_manifest(in_brief(self.manifest))
        children = tuple(
            Child.from_manifest(report) for report in self.reports.values() if maker_of(report) == subject.uid
        )
        return Facts(self.now, subject, children, refusals or {}, has_place=self.has_place, probe=self.probe)

    def operate(self, steps: int | None = None, to: str | None = None) -> Decision:
        """Have the operator decide and do, at a time; after so many steps it is killed (CrashError)."""
        self.now = utc(to) if to else self.now
        budget = _Budget(steps)
        decision = decide(self.facts())
        refusals = self._create(decision, budget)
        if refusals:
            decision = decide(self.facts(refusals))
            self._create(decision, budget)
        self._finish(decision, budget)
        return decision

    def run(self, until: str, succeed: bool = True) -> None:
        """Let time pass; the operator looks when it said that it would, and every run ends before."""
        end = utc(until)
        while True:
            wake = self.operate().wake_at
            if succeed:
                self.end_all()
            if wake is None or wake > end:
                break
            self.now = max(wake, self.now)
        self.now = end
        self.operate()

    def end(self, name: str, phase: str = "Succeeded") -> None:
        """End the run of a Report."""
        done = {"phase": phase, "reason": phase, "message": f"It has {phase}.", "completionTime": rfc3339(self.now)}
        self.reports[name]["status"] = done

    def end_all(self, phase: str = "Succeeded") -> None:
        """End every run."""
        for name in self.active():
            self.end(name, phase)

    def active(self) -> list[str]:
        """Return the names of Reports whose runs have not ended."""
        return [name for name, report in self.reports.items() if "status" not in report]

    def slots(self, variant: str | None = None, trigger: str | None = None) -> list[str]:
        """Return the slots of the Reports that exist, in order, as `05-04 09:00`."""
        wanted = {"report-operator.io/variant": variant, "report-operator.io/trigger": trigger}
        asked = {label: value for label, value in wanted.items() if value is not None}
        found = [r["metadata"] for r in self.reports.values() if asked.items() <= r["metadata"]["labels"].items()]
        slots = sorted(datetime.fromisoformat(meta["annotations"]["report-operator.io/slot"]) for meta in found)
        return [slot.strftime("%m-%d %H:%M") for slot in slots]

    def _create(self, decision: Decision, budget: "_Budget") -> dict[str, str]:
        refusals: dict[str, str] = {}
        if decision.probe is not None:
            budget.spend()
            self._make_probe(decision.probe, refusals)
        for manifest in decision.creations:
            budget.spend()
            name = manifest["metadata"]["name"]
            said = next((text for part, text in self.refused.items() if part in name), None)
            if said is not None:
                refusals[name] = said
            elif name not in self.reports:
                _REPORT.validate(manifest)
                report: Json = copy.deepcopy(dict(manifest))
                report["metadata"]["creationTimestamp"] = rfc3339(self.now + timedelta(seconds=1))
                self.reports[name] = report
                self.made.append(name)
                self.made_for.append(Child.from_manifest(report).slot)
        return refusals

    def _make_probe(self, probed: Probed, refusals: dict[str, str]) -> None:
        subject = Subject.from_manifest(self.manifest)
        assert subject.spec
        job = preflight.manifest(subject, subject.spec, probed, Rules(), RunDefaults(image="image"))
        name = job["metadata"]["name"]
        if "preflight" in self.refused:
            refusals[name] = self.refused["preflight"]
        elif name not in self.probes:
            self.probes.append(name)

    def _finish(self, decision: Decision, budget: "_Budget") -> None:
        for name in decision.cancellations:
            budget.spend()
            self.cancelled.append(name)
            self.end(name, "Cancelled")
        for name in decision.ownership.names:
            budget.spend()
            owner = [{"uid": UID}] if decision.ownership.owned else []
            self.reports[name]["metadata"]["ownerReferences"] = owner
        if decision.status is not None:
            budget.spend()
            self.manifest["status"] = decision.status.to_wire()
            self._note(_noted("report-operator", self.now, {"f:status": {}}, subresource="status"))
            _STATUS.validate(self.manifest["status"])
        for name in decision.deletions:
            budget.spend()
            del self.reports[name]
        self.told += [event.reason for event in decision.announcements]


def _noted(manager: str, time: datetime, fields: Json, **others: str) -> Json:
    """Return an entry of `metadata.managedFields`."""
    return {"manager": manager, "operation": "Update", "time": rfc3339(time), "fieldsV1": fields, **others}


def _is_less(new: Any, old: Any) -> bool:
    """Return whether a value is another one with nothing but parts left out; lists are of things with names."""
    if isinstance(new, dict) and isinstance(old, dict):
        return all(key in old and _is_less(value, old[key]) for key, value in new.items())
    if isinstance(new, list) and isinstance(old, list) and new != old:
        named = {item.get("name"): item for item in old if isinstance(item, dict)}
        return all(isinstance(item, dict) and _is_less(item, named.get(item.get("name"))) for item in new)
    return bool(new == old)


def condition(world: World, kind: str) -> tuple[str, str] | None:
    """Return status and reason of a condition; None when it is not there."""
    found = [c for c in world.status["conditions"] if c["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else None


@dataclass
class _Budget:
    """Steps that the operator may do before it is killed."""

    left: int | None

    def spend(self) -> None:
        if self.left == 0:
            raise CrashError
        self.left = self.left - 1 if self.left is not None else None
