"""Follows the policies of namespaces, and has those looked at again that a change may concern."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from report_operator.api.conditions import Reason
from report_operator.api.metadata import POLICY_LABEL
from report_operator.api.policy import Policy
from report_operator.api.report import key_of
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import ClusterError
from report_operator.control.controller import Key
from report_operator.plan.namespace_policy import by_namespace
from report_operator.plan.policy import Rules
from report_operator.plan.relay import MailRelay

logger = logging.getLogger(__name__)

LIST_SECONDS = 10.0
"""From one listing to the next: a policy that is changed holds that soon. There are a few, in one namespace."""


class Policies:
    """The policy of each namespace, read from ConfigMaps in the operator's own.

    `wake` is called with each namespace whose policy has changed. `note` is to be told of every Report.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        wide: Policy,
        wake: Callable[[str], None],
        *,
        relay: MailRelay | None = None,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._wide = wide
        self._wake = wake
        self._relay = relay
        self._rules: dict[str, Rules] = {}
        self._refused: defaultdict[str, set[Key]] = defaultdict(set)
        self.listed = asyncio.Event()
        """Set when they are known: before that, no run may start."""

    @property
    def broken(self) -> int:
        """Return how many namespaces have a policy that cannot be read."""
        return sum(bool(rules.problem) for rules in self._rules.values())

    def of(self, namespace: str) -> Rules:
        """Return the policy of a namespace."""
        return replace(self._rules.get(namespace) or Rules(self._wide), relay=self._relay)

    def note(self, manifest: Json) -> None:
        """See a Report as it came from the API server: a change of the policy may let it run."""
        status, key = manifest.get("status") or {}, key_of(manifest)
        is_refused = status.get("reason") == Reason.NOT_ALLOWED_BY_POLICY and "runID" not in status
        (self._refused[key[0]].add if is_refused else self._refused[key[0]].discard)(key)

    def forget(self, key: Key) -> None:
        """Forget a Report that is gone."""
        self._refused[key[0]].discard(key)

    def refused(self, namespace: str) -> tuple[Key, ...]:
        """Return the Reports of a namespace that the policy did not let run."""
        return tuple(self._refused[namespace])

    async def follow(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self.list()
            except ClusterError as error:
                logger.warning("the policies of namespaces cannot be listed: %s", error)
            await asyncio.sleep(LIST_SECONDS)

    async def list(self) -> None:
        """Learn of all policies at once. Raises what the listing raises; then those that are known stay in force."""
        found = by_namespace(await self._cluster.config_maps(self._namespace, POLICY_LABEL), self._wide)
        before, self._rules = self._rules, found
        self.listed.set()
        for namespace in sorted({*before, *found}):
            if before.get(namespace) != found.get(namespace):
                self._tell(namespace, found.get(namespace))
                self._wake(namespace)

    def _tell(self, namespace: str, rules: Rules | None) -> None:
        if rules is None:
            logger.info("the policy of namespace %s is that of all", namespace)
        elif rules.problem:
            logger.error("namespace %s may run no Report: %s: %s", namespace, rules.origin, rules.problem)
        else:
            logger.info("the policy of namespace %s is read from %s", namespace, rules.origin)
