"""One look at one ScheduledReport: gather, decide, apply."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from report_operator.api.preflight import ProbeAnswer, ProbeState
from report_operator.api.report import key_of
from report_operator.api.schedule_conditions import ScheduleReason
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
    RefusedError,
)
from report_operator.cluster.facts import find_job
from report_operator.control.children import Children
from report_operator.control.clockwork import Clockwork
from report_operator.control.controller import Key, Next
from report_operator.control.manifests import Manifests
from report_operator.control.telling import Telling
from report_operator.plan import event
from report_operator.plan.facts import Announcement
from report_operator.plan.job import RunDefaults
from report_operator.plan.objects import Pod
from report_operator.plan.policy import Rules
from report_operator.plan.schedule import preflight
from report_operator.plan.schedule.child import maker_of, with_owner
from report_operator.plan.schedule.facts import Decision, Facts, Found
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.scheduled_report import decide

PROBES, PROBES_OF_NAMESPACE = 20, 5
"""Probes at the same time, and those of one namespace: where no pod can run, they hold their places for minutes."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduleReconciler:
    """Brings ScheduledReports nearer to their specs: Reports made, cancelled, deleted, and the status."""

    cluster: Cluster
    known: Manifests
    """ScheduledReports as the watch has told of them."""
    children: Children
    clockwork: Clockwork
    rules: Callable[[str], Rules]
    """Returns the policy of a namespace."""
    instance: str
    """Name of the operator's pod, for Events."""
    now: Callable[[], datetime]
    defaults: RunDefaults
    """Of the Jobs that probe."""
    telling: Telling
    """Writes that Reports were made when many are."""
    probing: set[Key] = field(default_factory=set)
    """ScheduledReports whose destinations are being probed."""

    async def reconcile(self, key: Key) -> Next:
        """Look at a ScheduledReport once; the clockwork is set to the next time.

        Raises ConflictError when it changed meanwhile, another ClusterError when something cannot be done now. Whatever
        was done by then is found again by the next look.
        """
        await self.telling.catch_up(key)
        manifest = await self._manifest(key)
        if manifest is None:
            self.clockwork.set(key, None)
            self.probing.discard(key)
            return Next()
        facts, decision = await self._create_reports(await self._facts(manifest))
        (self.probing.add if _is_probing(facts.subject, decision) else self.probing.discard)(key)
        self.clockwork.set(key, decision.wake_at)
        if decision.status is not None and decision.only_creates and self.telling.has_to_wait:
            self.known.amend({**manifest, "status": decision.status.to_wire()})
            self.telling.put_off(key, partial(self._tell, key, manifest["metadata"]["resourceVersion"]))
        else:
            await self._record(manifest, facts.subject, decision)
        return Next()

    async def _tell(self, key: Key, version: str) -> None:
        """Write the status that was decided upon about this version, if that is the last one; raises ConflictError."""
        # Taken out: should the write fail, nothing may follow from a status that is not on record.
        manifest = self.known.take(key)
        if manifest is None or manifest["metadata"]["resourceVersion"] != version:
            raise ConflictError(f"{'/'.join(key)} has changed since Reports of it were made")
        await self._write_status(manifest, manifest["status"])

    async def _manifest(self, key: Key) -> Json | None:
        manifest = self.known.get(key)
        if manifest is None:
            try:
                manifest = await self.cluster.scheduled_report(*key)
            except NotFoundError:
                return None
            self.known.put(manifest)
        return manifest

    async def _facts(self, manifest: Json) -> Facts:
        subject = Subject.from_manifest(manifest)
        namespace = subject.metadata.namespace
        probe = await self._probe(subject)
        children = self.children.of(namespace, subject.uid)
        has_place = self._has_place((namespace, subject.metadata.name))
        return Facts(self.now(), subject, children, rules=self.rules(namespace), has_place=has_place, probe=probe)

    def _has_place(self, key: Key) -> bool:
        others = self.probing - {key}
        beside = sum(namespace == key[0] for namespace, _ in others)
        return len(others) < PROBES and beside < PROBES_OF_NAMESPACE

    async def _probe(self, subject: Subject) -> Found | None:
        """Return what came of the probe that the status tells of; nobody else is told of its Job."""
        probed = subject.status.preflight
        if probed is None or probed.state is not ProbeState.PROBING:
            return None
        name, namespace = preflight.name(subject, probed), subject.metadata.namespace
        job = await find_job(self.cluster, namespace, name)
        if job is None:
            return None
        pods = [Pod.model_validate(each) for each in await self.cluster.pods(namespace, f"job-name={name}")]
        said = [c.state.terminated.message for p in pods for c in p.status.container_statuses if c.state.terminated]
        return Found(has_ended=job.is_finished, answer=next(filter(None, map(_answer, said)), None))

    async def _create_reports(self, facts: Facts) -> tuple[Facts, Decision]:
        """Make all Reports that are due; decide again for those that the API server does not take.

        Every round without an end adds a refusal, so there are at most as many as there are Reports to be made.
        """
        while True:
            decision = decide(facts)
            if decision.probe is not None:  # before anybody else asks for a place
                self.probing.add((facts.subject.metadata.namespace, facts.subject.metadata.name))
            refusals = await self._create_all((*decision.creations, *self._probe_jobs(facts, decision)))
            if not refusals:
                return facts, decision
            children = self.children.of(facts.subject.metadata.namespace, facts.subject.uid)
            facts = replace(facts, children=children, refusals={**facts.refusals, **refusals})

    def _probe_jobs(self, facts: Facts, decision: Decision) -> list[Json]:
        spec, probed = facts.subject.spec, decision.probe
        if spec is None or probed is None:
            return []
        return [preflight.manifest(facts.subject, spec, probed, facts.rules, self.defaults)]

    async def _create_all(self, manifests: tuple[Mapping[str, Any], ...]) -> dict[str, str]:
        """Make Reports, all at once; return those that the API server does not take, and what it said."""
        tries = [self._create(manifest) for manifest in manifests]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        names = [manifest["metadata"]["name"] for manifest in manifests]
        return {name: said for name, said in zip(names, answers, strict=True) if isinstance(said, str)}

    async def _create(self, manifest: Mapping[str, Any]) -> str | None:
        """Make a Report; return why it cannot be made, or None when it is there. Raises ClusterError in an outage."""
        if manifest["kind"] == "Job":
            return await self._create_job(manifest)
        metadata = manifest["metadata"]
        try:
            self.children.put(await self.cluster.create_report(manifest))
        except AlreadyExistsError:
            found = await self.cluster.report(metadata["namespace"], metadata["name"])
            if maker_of(found) != maker_of(manifest):
                return "there is a Report of this name that is not of this ScheduledReport; rename it."
            self.children.put(found)
        except (RefusedError, NotFoundError) as error:
            return str(error)
        return None

    async def _create_job(self, manifest: Mapping[str, Any]) -> str | None:
        """Make the Job of a probe, as `_create` makes a Report."""
        try:
            await self.cluster.create_job(dict(manifest))
        except AlreadyExistsError:
            return None
        except (RefusedError, NotFoundError) as error:
            return str(error)
        return None

    async def _record(self, manifest: Json, subject: Subject, decision: Decision) -> None:
        namespace, told = subject.metadata.namespace, list(decision.announcements)
        for name in decision.cancellations:
            told += await _refusal_of(name, self.cluster.patch_report(namespace, name, {"spec": {"cancel": True}}))
        for name in decision.ownership.names:
            told += await _refusal_of(name, self._set_owner(subject, name, owned=decision.ownership.owned))
        if decision.status is not None:
            await self._write_status(manifest, decision.status.to_wire())
        for name in decision.deletions:
            told += await _refusal_of(name, self.cluster.delete_report(namespace, name))
        for announcement in told:
            await self._announce(subject, announcement)

    async def _write_status(self, manifest: Json, status: Json) -> None:
        try:
            self.known.put(await self.cluster.write_status(manifest, status))
        except (ConflictError, NotFoundError):
            self.known.drop(key_of(manifest))
            raise

    async def _set_owner(self, subject: Subject, name: str, *, owned: bool) -> None:
        """Add our owner reference to a Report, or remove it; others stay as they are."""
        namespace = subject.metadata.namespace
        try:
            found = (await self.cluster.report(namespace, name))["metadata"]
        except NotFoundError:
            return
        references = with_owner(found.get("ownerReferences") or [], subject, owned=owned)
        patch = {"metadata": {"resourceVersion": found["resourceVersion"], "ownerReferences": references}}
        await self.cluster.patch_report(namespace, name, patch)

    async def _announce(self, subject: Subject, announcement: Announcement) -> None:
        about = {"scheduled_report": f"{subject.metadata.namespace}/{subject.metadata.name}"}
        level = logging.INFO if announcement.type == "Normal" else logging.WARNING
        logger.log(level, "%s: %s", announcement.reason, announcement.message, extra=about)
        try:
            await self.cluster.create_event(event.of_schedule(subject, announcement, self.instance, self.now()))
        except ClusterError as error:
            logger.info("an Event could not be recorded: %s", error, extra=about)


def _is_probing(subject: Subject, decision: Decision) -> bool:
    """Return whether a probe is on its way; nobody waits for that of a ScheduledReport that is being deleted."""
    probed = (decision.status or subject.status).preflight
    is_deleted = subject.metadata.deletion_timestamp is not None
    return probed is not None and probed.state is ProbeState.PROBING and not is_deleted


async def _refusal_of(report: str, change: Awaitable[None]) -> list[Announcement]:
    """Change a Report; return what there is to tell when the API server refuses, which holds up nothing else."""
    try:
        await change
    except RefusedError as error:
        text = f"The API server refuses to have Report {report} cancelled, owned or deleted: {error}"
        return [Announcement("Warning", ScheduleReason.CHANGE_REFUSED, text)]
    return []


def _answer(message: str) -> ProbeAnswer | None:
    """Return what a probe wrote as its termination message; None when it is not that."""
    try:
        return ProbeAnswer.model_validate_json(message)
    except ValidationError:
        return None
