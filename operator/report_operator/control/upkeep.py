"""Looks after Reports whose runs have ended and whose files are kept, at the times that plan/upkeep.py names.

One heap of times and a few workers for all of them: what is due later than the next listing of all Reports is not even
remembered.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from report_operator.api.fields import parse_duration
from report_operator.api.report import ReportStatus, key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import NotFoundError
from report_operator.control.clockwork import Clockwork
from report_operator.control.controller import Controller, Key, Next
from report_operator.control.links import LinkMaker
from report_operator.plan import links, names
from report_operator.plan.subject import Subject
from report_operator.plan.upkeep import Kept, Step

HORIZON = timedelta(hours=2)
"""Longer than from one listing of all Reports to the next."""
WORKERS = 2
"""Few: what is done here is hours ahead of its time, and runs come first."""


class Upkeep:
    """Renews links. `note` is to be told of every Report, `forget` of every one that is gone."""

    def __init__(self, cluster: Cluster, link_maker: LinkMaker, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._links = link_maker
        self._now = now
        self.controller = Controller("kept_report", self._look)
        self.clockwork = Clockwork(self.controller.queue.add, now)

    def start(self) -> None:
        """Begin with what is due."""
        self.controller.start(WORKERS)

    def note(self, manifest: Json) -> None:
        """See a Report as it came from the API server."""
        kept = self._kept(manifest)
        self._wake(key_of(manifest), kept.due_at if kept is not None else None)

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
        kept = self._kept(manifest)
        match kept.step(self._now()) if kept is not None else Step.WAIT:
            case Step.SIGN:
                await self._sign(manifest)
            case Step.UNLINK:
                await self._write(manifest, links.without_links(Subject.from_manifest(manifest).status))
            case Step.WAIT:
                self.note(manifest)
        return Next()

    async def _sign(self, manifest: Json) -> None:
        subject = Subject.from_manifest(manifest)
        status = subject.status
        if subject.spec is None or status.run_id is None or not status.artifacts:
            return  # Of a newer operator: this one cannot read it.
        uid, (namespace, name) = subject.metadata.uid, subject.key
        folder = names.run_prefix(namespace, name, status.run_id)
        types = {each.name: each.media_type for each in status.artifacts}
        now = self._now()
        signed = await self._links.sign(folder, name, types, parse_duration(subject.spec.download.url_ttl))
        renewed = links.with_links(status, signed, uid, now)
        if renewed == status:
            self._wake(subject.key, links.try_again_at(uid, now, status.artifacts))
        else:
            await self._write(manifest, renewed)

    async def _write(self, manifest: Json, status: ReportStatus) -> None:
        self.note(await self._cluster.write_status(manifest, status.to_wire()))
