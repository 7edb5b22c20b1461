"""How kopf watches: its settings, each with the reason, and its login."""

import logging
import random
from collections.abc import Iterable, Iterator
from typing import Any

import kopf

from report_operator.api.metadata import GROUP, MANAGED_BY_LABEL, MANAGER
from report_operator.cluster.client import PAGE, Cluster

_WATCH_SECONDS = 600
_CONNECT_SECONDS = 30
_LONGEST_BACKOFF_SECONDS = 60.0


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing of objects to compare them with: there are none but event handlers, which have no use for that.

    kopf would copy each object of each watch event deeply to find out what has changed in it.
    """

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        """Return what is to be compared of an object."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return what was stored of it."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class EndlessBackoff:
    """Delays for as many retries as it takes: 1 s, doubling to 60 s, each shortened by up to a half by chance."""

    def __iter__(self) -> Iterator[float]:
        """Start again from the shortest delay."""
        delay = 1.0
        while True:
            yield delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, no secret
            delay = min(2 * delay, _LONGEST_BACKOFF_SECONDS)


def configure(settings: kopf.OperatorSettings, instance: str, stop_seconds: float) -> None:
    """Set what differs from kopf's defaults."""
    # A kind's watch is told by the server what is ours, instead of streaming every Job and pod of the cluster.
    ours = f"{MANAGED_BY_LABEL}={MANAGER}"
    settings.watching.label_selectors["batch", "v1", "jobs"] = ours
    settings.watching.label_selectors["v1", "pods"] = ours
    # A watch that a load balancer has dropped silently ends by itself.
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.client_timeout = _WATCH_SECONDS + 10
    settings.watching.connect_timeout = _CONNECT_SECONDS
    # One huge answer would be a peak of memory here and in the API server.
    settings.watching.chunk_size = PAGE
    # Each object has a task that keeps it while it waits for more about it. With kopf's 5 s all of a listing are in
    # memory at once: 10,000 ScheduledReports take 150 MB more.
    settings.queueing.idle_timeout = 0.1
    # The default gives up after a minute, which ends the watch and with it the operator; an upgrade takes longer.
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.connect_timeout = _CONNECT_SECONDS
    # Events are made by the reconciler, on transitions only.
    settings.posting.enabled = False
    settings.posting.level = logging.CRITICAL
    settings.posting.reporting_component = MANAGER
    settings.posting.reporting_instance = instance
    # One replica; two by accident are harmless, as names are deterministic. No peering objects.
    settings.peering.standalone = True
    # Never written with event handlers alone; not shared with other kopf operators should that change.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}")
    settings.persistence.diffbase_storage = NoDiffBase()
    # The last resort must come before the kubelet's.
    settings.process.ultimate_exiting_timeout = stop_seconds


def log_in(registry: kopf.OperatorRegistry, cluster: Cluster) -> None:
    """Have kopf use the same access as the operator's own client."""

    @kopf.on.login(registry=registry)
    async def use_our_access(**_kwargs: object) -> kopf.ConnectionInfo:
        access = await cluster.access()
        scheme, _, token = (access.authorization or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=access.server,
            ca_path=access.ca_path,
            certificate_path=access.certificate_path,
            private_key_path=access.key_path,
            insecure=access.insecure,
            scheme=(scheme or "Bearer") if token else None,
            token=token or None,
        )
