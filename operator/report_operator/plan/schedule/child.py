"""The Reports of a ScheduledReport: what is known of those that are there, and the manifests of new ones.

Metadata comes from `spec.template.metadata` and from us, never from the ScheduledReport: a tracking label of a GitOps
tool that is copied to a child gets the child pruned (vmware-tanzu/velero #2975). They have no owner reference, so that
deleting the ScheduledReport keeps them, unless `history.onDelete` is Delete: then the garbage collector deletes them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Self
from zoneinfo import ZoneInfo

from report_operator.api.metadata import (
    API_VERSION,
    MANAGED_BY_LABEL,
    MANAGER,
    NOTICE_ANNOTATION,
    RUN_NOW_ANNOTATION,
    SCHEDULE_LABEL,
    SCHEDULE_UID_LABEL,
    SLOT_ANNOTATION,
    TRIGGER_LABEL,
    VARIANT_LABEL,
    Trigger,
)
from report_operator.api.report import Period
from report_operator.api.schedule import OnDelete, ScheduledReportSpec
from report_operator.plan.reading import is_sent_again
from report_operator.plan.schedule import entity, names
from report_operator.plan.schedule.names import rfc3339
from report_operator.plan.schedule.subject import Subject

_ENDED = frozenset({"Succeeded", "Failed", "Cancelled", "Expired"})
"""Phases after which nothing happens; any other, also one of a newer operator, counts as unfinished."""
_TRIGGERS = frozenset(trigger.value for trigger in Trigger)


@dataclass(frozen=True, slots=True)
class Child:
    """A Report that a ScheduledReport has made."""

    name: str
    trigger: Trigger
    variant: str
    """Empty without variants."""
    slot: datetime
    """The nominal time of its slot, or when it was asked for by hand."""
    token: str
    """What a manual run or a test was asked for with; else empty."""
    created_at: datetime
    phase: str = ""
    reason: str = ""
    message: str = ""
    stage: str = ""
    log: tuple[str, ...] = ()
    """The end of the log, where the run failed."""
    run_id: str = ""
    completed_at: datetime | None = None
    is_owned: bool = False
    """Whether it goes with its ScheduledReport."""
    is_deleted: bool = False
    """Whether somebody has deleted it and it is not gone yet."""
    is_sent_again: bool = False
    """Whether a redelivery of it is under way."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read a Report that a ScheduledReport has made (`maker_of`), as it came from the API server."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        labels, annotations = metadata["labels"], metadata.get("annotations") or {}
        created_at = datetime.fromisoformat(metadata["creationTimestamp"])
        return cls(
            name=metadata["name"],
            trigger=Trigger(labels[TRIGGER_LABEL]),
            variant=labels.get(VARIANT_LABEL, ""),
            slot=_time(annotations.get(SLOT_ANNOTATION)) or created_at,
            token=annotations.get(RUN_NOW_ANNOTATION, ""),
            created_at=created_at,
            phase=status.get("phase") or "",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            stage=status.get("stage") or "",
            log=tuple(status.get("log") or ()),
            run_id=status.get("runID") or "",
            completed_at=_time(status.get("completionTime")),
            is_owned=any(o["uid"] == labels[SCHEDULE_UID_LABEL] for o in metadata.get("ownerReferences") or ()),
            is_deleted="deletionTimestamp" in metadata,
            is_sent_again=is_sent_again(manifest),
        )

    @property
    def has_ended(self) -> bool:
        """Return whether its run is over."""
        return self.phase in _ENDED

    @property
    def may_be_deleted(self) -> bool:
        """Return whether nothing is lost with it but what it tells: the Job that sends it again would go with it."""
        return self.has_ended and not self.is_deleted and not self.is_sent_again

    @property
    def is_active(self) -> bool:
        """Return whether its run waits or runs."""
        return not self.has_ended and not self.is_deleted


def maker_of(manifest: Mapping[str, Any]) -> str | None:
    """Return the UID of the ScheduledReport that has made a Report; None when a user has made it.

    A user may have copied it, labels and annotations and all, from one that a ScheduledReport has made. Then it has
    another name than the one that follows from them.
    """
    metadata = manifest["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    uid = labels.get(SCHEDULE_UID_LABEL)
    if uid is None or labels.get(MANAGED_BY_LABEL) != MANAGER:
        return None
    return uid if metadata["name"] == _name_by(uid, labels, annotations) else None


def _name_by(uid: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """Return the name that a ScheduledReport gives to a Report with these labels and annotations; None for none."""
    schedule, trigger = labels.get(SCHEDULE_LABEL, ""), labels.get(TRIGGER_LABEL)
    if trigger == Trigger.NOTICE:
        return names.of_notice(schedule, uid, annotations.get(NOTICE_ANNOTATION, ""))
    slot = _time(annotations.get(SLOT_ANNOTATION))
    if trigger not in _TRIGGERS or slot is None:
        return None
    variant, token = labels.get(VARIANT_LABEL, ""), annotations.get(RUN_NOW_ANNOTATION, "")
    return names.of_run(schedule, uid, Trigger(trigger), variant, slot=slot, token=token)


@dataclass(frozen=True)
class Run:
    """A Report to be made. Its name follows from it, so that making it twice makes it once."""

    subject: Subject
    trigger: Trigger
    variant: str
    slot: datetime
    token: str = ""

    @cached_property
    def name(self) -> str:
        """Return the Report's name."""
        schedule, uid = self.subject.metadata.name, self.subject.uid
        return names.of_run(schedule, uid, self.trigger, self.variant, slot=self.slot, token=self.token)

    def child(self, now: datetime) -> Child:
        """Return what will be known of the Report when it is made."""
        return Child(self.name, self.trigger, self.variant, self.slot, self.token, created_at=now)

    def manifest(self, spec: ScheduledReportSpec, period: Period | None, zone: ZoneInfo) -> dict[str, Any]:
        """Return the Report; its period is written in the schedule's zone, whose midnights make whole days of it."""
        ours = {SLOT_ANNOTATION: rfc3339(self.slot)} | ({RUN_NOW_ANNOTATION: self.token} if self.token else {})
        metadata = {
            **place(self.subject, self.name, spec),
            "labels": {**spec.template.metadata.labels, **self._labels()},
            "annotations": {**spec.template.metadata.annotations, **ours},
        }
        body = {**self.subject.template, **self._of_variant(spec)}
        if period is not None:
            body["period"] = {"start": rfc3339(period.start, zone), "end": rfc3339(period.end, zone)}
        return {"apiVersion": API_VERSION, "kind": "Report", "metadata": metadata, "spec": body}

    def _labels(self) -> dict[str, str]:
        return labels(self.subject, self.trigger) | ({VARIANT_LABEL: self.variant} if self.variant else {})

    def _of_variant(self, spec: ScheduledReportSpec) -> dict[str, Any]:
        """Return the fields that a variant changes: parameters of the page, and the entity that it is about."""
        page = dict(self.subject.template.get("template") or spec.template.spec.template.to_wire())
        own = next((variant for variant in spec.variants or () if variant.name == self.variant), None)
        if own is not None and own.params:
            page |= {"params": {**page.get("params", {}), **own.params}}
        if own is None or own.subject is None:
            return {"template": page}
        return {"template": page, "subject": entity.merged(self.subject.template.get("subject"), own.subject)}


def place(subject: Subject, name: str, spec: ScheduledReportSpec) -> dict[str, Any]:
    """Return the metadata of a Report that say where it is and with whom it goes."""
    base = {"name": name, "namespace": subject.metadata.namespace}
    owned = spec.history.on_delete is OnDelete.DELETE
    return base | ({"ownerReferences": [owner_reference(subject)]} if owned else {})


def labels(subject: Subject, trigger: Trigger) -> dict[str, str]:
    """Return the labels of every Report of a ScheduledReport."""
    return {
        MANAGED_BY_LABEL: MANAGER,
        SCHEDULE_LABEL: subject.metadata.name,
        SCHEDULE_UID_LABEL: subject.uid,
        TRIGGER_LABEL: trigger.value,
    }


def owner_reference(subject: Subject) -> dict[str, Any]:
    """Return the reference that has the garbage collector delete a Report with its ScheduledReport."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ScheduledReport",
        "name": subject.metadata.name,
        "uid": subject.uid,
        "controller": True,
    }


def with_owner(references: Iterable[Mapping[str, Any]], subject: Subject, *, owned: bool) -> list[Mapping[str, Any]]:
    """Return a Report's owner references with ours among them, or without; those of others stay."""
    others = [reference for reference in references if reference["uid"] != subject.uid]
    return [*others, owner_reference(subject)] if owned else others


def _time(text: str | None) -> datetime | None:
    """Return a time with zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else None
