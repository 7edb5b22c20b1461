"""Looks after Reports whose runs have ended, at the times that plan/upkeep.py names.

One heap of times and a few workers for all of them: what is due later than the next listing of all Reports is not even
remembered.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from report_operator.api.conditions import Reason
from report_operator.api.metadata import SCHEDULE_LABEL
from report_operator.api.report import ReportStatus, key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import ClusterError, NotFoundError
from report_operator.control.children import Children
from report_operator.control.clockwork import Clockwork
from report_operator.control.controller import Controller, Key, Next
from report_operator.control.keys import Keys
from report_operator.control.links import LinkMaker
from report_operator.plan import event, links, names, retention
from report_operator.plan.facts import Announcement
from report_operator.plan.policy import Rules
from report_operator.plan.schedule import history
from report_operator.plan.schedule.child import Child, maker_of
from report_operator.plan.schedule.subject import Subject as Schedule
from report_operator.plan.subject import Subject
from report_operator.plan.upkeep import Kept, Step, is_made_by_us

logger = logging.getLogger(__name__)

HORIZON = timedelta(hours=2)
"""Longer than from one listing of all Reports to the next."""
WORKERS = 2
"""Few: what is done here is hours ahead of its time, and runs come first."""


class Upkeep:
    """Renews links and lets files go. `note` is to be told of every Report, `forget` of every one that is gone."""

    def __init__(
        self,
        cluster: Cluster,
        link_maker: LinkMaker,
        children: Children,
        keys: Keys,
        rules: Callable[[str], Rules],
        *,
        instance: str,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._links = link_maker
        self._children = children
        self._keys = keys
        self._rules = rules
        self._instance = instance
        self._now = now
        self.controller = Controller("kept_report", self._look)
        self.clockwork = Clockwork(self.controller.queue.add, now)

    def start(self) -> None:
        """Begin with what is due."""
        self.controller.start(WORKERS)

    def note(self, manifest: Json) -> None:
        """See a Report as it came from the API server."""
        kept = self._kept(manifest)
        self._wake(key_of(manifest), kept.due_at(self._now()) if kept is not None else None)

    def forget(self, key: Key) -> None:
        """Forget a Report that is gone."""
        self.clockwork.set(key, None)

    def _kept(self, manifest: Json) -> Kept | None:
        return Kept.from_manifest(manifest, links_allowed=self._links.allowed)

    def _wake(self, key: Key, at: datetime | None) -> None:
        is_near = at is not None and at <= self._now() + HORIZON
        self.clockwork.set(key, at if is_near else None)

    async def _look(self, key: Key) -> Next:
        """Do what is due for a Report. Raises what `Controller` handles."""
        try:
            manifest = await self._cluster.report(*key)
        except NotFoundError:
            return Next()
        kept, now = self._kept(manifest), self._now()
        if kept is None:
            return Next()
        is_last_good = kept.has_expired(now) and await self._is_last_good(manifest)
        match kept.step(now, is_last_good=is_last_good):
            case Step.EXPIRE:
                await self._expire(manifest)
            case Step.SIGN:
                await self._sign(manifest)
            case Step.UNLINK:
                await self._write(manifest, links.without_links(Subject.from_manifest(manifest).status))
            case Step.WAIT:
                self._wake(key, kept.due_at(now, is_last_good=is_last_good))
        return Next()

    async def _is_last_good(self, manifest: Json) -> bool:
        """Return whether the ScheduledReport of a Report keeps it whatever its age."""
        uid, (namespace, _) = maker_of(manifest), key_of(manifest)
        if uid is None:
            return False
        name = manifest["metadata"]["labels"][SCHEDULE_LABEL]
        try:
            schedule = Schedule.from_manifest(await self._cluster.scheduled_report(namespace, name))
        except NotFoundError:
            return False
        if schedule.uid != uid:
            return False
        if schedule.spec is None:
            return True  # Of a newer operator: nobody knows how many it keeps.
        child = Child.from_manifest(manifest)
        family = self._children.of(namespace, uid)
        return child.name in history.last_good(family, child.variant, schedule.spec.history)

    async def _expire(self, manifest: Json) -> None:
        """Delete the files first: whatever crashes, they are found by the next look."""
        subject = Subject.from_manifest(manifest)
        await self._delete_files(subject)
        if is_made_by_us(manifest):
            await self._cluster.delete_report(*subject.key, unchanged=manifest)
            return
        expired = retention.of_expired(subject, self._now())
        await self._cluster.write_status(manifest, expired.to_wire())
        told = Announcement("Normal", Reason.EXPIRED, expired.message or "")
        try:
            await self._cluster.create_event(event.of_report(subject, told, self._instance, self._now()))
        except ClusterError as error:
            logger.info("an Event could not be recorded: %s", error, extra={"report": "/".join(subject.key)})

    async def _delete_files(self, subject: Subject) -> None:
        """Delete the files of the run and of older ones, which have been replaced; newer ones may be under way.

        What another Report names as its result stays until that has expired too; the sweep finds it then, and files of
        older runs whose own time comes before.
        """
        store, generation = self._links.store, subject.metadata.generation
        keys = await store.sizes(names.runs_prefix(*subject.key, subject.metadata.uid))
        runs = {run for key in keys if (run := names.run_of(key)) is not None and run.generation <= generation}
        for run in sorted(runs):
            if not self._keys.is_borrowed(run.run_id, subject.key):
                await store.delete(run.folder)

    async def _sign(self, manifest: Json) -> None:
        subject = Subject.from_manifest(manifest)
        status, uid, now = subject.status, subject.metadata.uid, self._now()
        signed = await self._links.sign_again(subject, self._rules(subject.metadata.namespace))
        if not signed:
            return  # Of a newer operator: this one cannot read it.
        renewed = links.with_links(status, signed, uid, now)
        if renewed == status:
            self._wake(subject.key, links.try_again_at(uid, now, status.artifacts))
        else:
            await self._write(manifest, renewed)

    async def _write(self, manifest: Json, status: ReportStatus) -> None:
        self.note(await self._cluster.write_status(manifest, status.to_wire()))
