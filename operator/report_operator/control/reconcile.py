"""One look at one Report: gather, decide, apply."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from report_operator.cluster import facts as cluster_facts
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import ClusterError, NotFoundError, UnavailableError
from report_operator.control import metrics
from report_operator.control.actions import Actor
from report_operator.control.controller import Key, Next
from report_operator.control.jobs import AlreadyStartedError
from report_operator.control.keys import Keys
from report_operator.control.manifests import Manifests
from report_operator.control.telling import Telling
from report_operator.plan import event
from report_operator.plan.facts import Announcement, Decision, Facts, Question
from report_operator.plan.policy import Rules
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from report_operator.store.errors import StoreError

logger = logging.getLogger(__name__)

_MOST_ROUNDS = 4


def utc_now() -> datetime:
    """Return the time; the only place where the operator asks for it."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reconciler:
    """Brings Reports nearer to their specs."""

    cluster: Cluster
    actor: Actor
    pending: Manifests
    """Reports that the watch has told of since the last look."""
    rules: Callable[[str], Rules]
    """Returns the policy of a namespace."""
    instance: str
    """Name of the operator's pod, for Events."""
    telling: Telling
    """Writes about runs that were started when many are."""
    now: Callable[[], datetime] = utc_now
    keys: Keys = field(default_factory=Keys)
    """Which Reports have the same idempotency key."""

    async def reconcile(self, key: Key) -> Next:
        """Look at a Report once.

        Raises ConflictError when it changed meanwhile, UnavailableError or StoreError when something cannot be reached;
        what can be shown of that on the Report is shown before.
        """
        waits = False
        try:
            await self.telling.catch_up(key)
            try:
                manifest = self.pending.take(key) or await self.cluster.report(*key)
            except NotFoundError:
                return Next()
            decision, waits = await self._look_at(manifest)
            return Next(decision.requeue_after, decision.retry)
        finally:
            if not waits:
                self.actor.admission.leave(key)

    async def _look_at(self, manifest: Json) -> tuple[Decision, bool]:
        """Return what was decided and done, and whether the Report waits for its turn."""
        subject = Subject.from_manifest(manifest)
        try:
            return await self._look(manifest, subject, look_for_jobs=not subject.is_new)
        except AlreadyStartedError:
            # A new Report's Jobs are not listed, until it turns out that there is one after all.
            return await self._look(manifest, subject, look_for_jobs=True)

    async def _look(self, manifest: Json, subject: Subject, *, look_for_jobs: bool) -> tuple[Decision, bool]:
        facts = await cluster_facts.gather(self.cluster, subject, self.now(), look_for_jobs=look_for_jobs)
        gathered = await self._with_first(replace(facts, rules=self.rules(subject.metadata.namespace)))
        try:
            facts, decision = await self._settle(gathered)
        except (UnavailableError, StoreError) as error:
            facts, decision = await self._settle(replace(gathered, outage=str(error)))
        if gathered.job is None and facts.job is not None and self.telling.has_to_wait:
            self.telling.put_off(subject.key, partial(self._record, manifest, facts, decision))
        else:
            await self._record(manifest, facts, decision)
        return decision, facts.turn is not None

    async def _with_first(self, facts: Facts) -> Facts:
        """Return the facts with the Report that runs for all with this one's idempotency key."""
        spec, report = facts.subject.spec, facts.subject.key
        if spec is None or spec.idempotency_key is None or facts.subject.is_settled or facts.job is not None:
            return facts
        wait = self.keys.seconds_to_settle(report)
        if wait > 0:
            return replace(facts, key_settles_in=timedelta(seconds=wait))
        while (first := self.keys.first(report)) is not None:
            try:
                return replace(facts, first=Subject.from_manifest(await self.cluster.report(*first)))
            except NotFoundError:
                self.keys.forget(first)
        return facts

    async def _settle(self, facts: Facts) -> tuple[Facts, Decision]:
        """Decide and act until no action asks for another decision."""
        for _ in range(_MOST_ROUNDS):
            decision = decide(facts)
            for action in decision.actions:
                facts = await self.actor.perform(action, facts)
            if not any(isinstance(action, Question) for action in decision.actions):
                return facts, decision
        raise RuntimeError(f"no decision about {facts.subject.run_id} after {_MOST_ROUNDS} rounds")

    async def _record(self, manifest: Json, facts: Facts, decision: Decision) -> None:
        if decision.status is not None:
            await self.cluster.write_status(manifest, decision.status.to_wire())
            metrics.observe_status(facts.subject.status, decision.status)
            self.actor.admission.measure(facts.subject, decision.status)
        for announcement in decision.announcements:
            await self._announce(facts.subject, announcement)
        for action in decision.cleanup:
            await self.actor.perform(action, facts)

    async def _announce(self, subject: Subject, announcement: Announcement) -> None:
        key = f"{subject.metadata.namespace}/{subject.metadata.name}"
        level = logging.INFO if announcement.type == "Normal" else logging.WARNING
        logger.log(
            level,
            "%s: %s",
            announcement.reason,
            announcement.message,
            extra={"report": key, "run_id": subject.run_id},
        )
        try:
            await self.cluster.create_event(event.of_report(subject, announcement, self.instance, self.now()))
        except ClusterError as error:
            logger.info("an Event could not be recorded: %s", error, extra={"report": key, "run_id": subject.run_id})
