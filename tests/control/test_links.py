"""Links that are made after the platform team has changed how long they may work. Cluster and store are simulated."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from report_operator.api.metadata import REFRESH_LINKS_ANNOTATION
from report_operator.api.policy import Policy
from report_operator.control.actions import Actor
from report_operator.control.children import Children
from report_operator.control.keys import Keys
from report_operator.control.links import LinkMaker
from report_operator.control.manifests import Manifests
from report_operator.control.reconcile import Reconciler
from report_operator.control.upkeep import Upkeep
from report_operator.plan.job import RunDefaults
from report_operator.plan.policy import Rules
from report_operator.plan.run_queue import Limits
from tests.support import objects
from tests.support.simulation import World, admission, as_cluster, as_store
from tests.support.telling import PlayedTelling

KEY = ("team-a", "weekly")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Play:
    """A Report with links of 24 hours, and its operator."""

    def __init__(self) -> None:
        self.world = World(objects.report())
        self.max_link_ttl = "168h"
        cluster, store = as_cluster(self.world), as_store(self.world)
        links, queue = LinkMaker(store, allowed=True), admission(self.world, Limits())
        actor = Actor(cluster, store, RunDefaults(image="example/report-operator:1"), HOUR, queue, links)
        self.reconciler = Reconciler(
            cluster, actor, Manifests(), self.rules, "operator-0", PlayedTelling("report", busy=False), now=self.now
        )
        self.upkeep = Upkeep(cluster, links, Children(), Keys(), self.rules, instance="operator-0", now=self.now)

    def now(self) -> datetime:
        return self.world.now

    def rules(self, _namespace: str) -> Rules:
        return Rules(Policy.read({"maxLinkTTL": self.max_link_ttl}))

    async def begin(self) -> None:
        """Bring the run to its end, which the operator has not seen yet."""
        await self.reconciler.reconcile(KEY)
        for _ in range(2):
            self.world.advance(next(iter(self.world.jobs)), "good")

    async def finish(self) -> None:
        await self.begin()
        await self.reconciler.reconcile(KEY)

    def lasting(self) -> timedelta:
        """Return how long the links in the status work from now."""
        [end] = {each["urlExpiresAt"] for each in self.world.report["status"]["artifacts"]}
        return datetime.fromisoformat(end) - self.world.now


async def ask(play: Play) -> None:
    play.world.report["metadata"].setdefault("annotations", {})[REFRESH_LINKS_ANNOTATION] = "t1"
    play.world.touch()
    await play.reconciler.reconcile(KEY)


async def renew(play: Play) -> None:
    await play.upkeep.controller.look(KEY)


@pytest.mark.requirement("A9", "D9")
@pytest.mark.parametrize("make_anew", [ask, renew])
@pytest.mark.parametrize(("longest", "lasting"), [("168h", DAY), ("1h", HOUR)])
async def test_new_links_work_for_as_long_as_they_may_now(
    make_anew: Callable[[Play], Awaitable[None]], longest: str, lasting: timedelta
) -> None:
    play = Play()
    await play.finish()
    assert play.lasting() == DAY
    play.world.now += DAY
    play.max_link_ttl = longest
    await make_anew(play)
    assert play.lasting() == lasting


@pytest.mark.requirement("D9")
async def test_a_run_that_goes_on_while_the_limit_is_lowered() -> None:
    play = Play()
    await play.begin()
    play.max_link_ttl = "1h"
    await play.reconciler.reconcile(KEY)
    assert play.lasting() == HOUR


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("make_anew", [ask, renew])
async def test_no_links_are_made_where_none_may_work_for_the_shortest_time(
    make_anew: Callable[[Play], Awaitable[None]],
) -> None:
    """They would have ended before they are written, and be due again at once."""
    play = Play()
    await play.finish()
    play.world.now += DAY
    play.max_link_ttl = "0s"
    await make_anew(play)
    assert play.lasting() == timedelta()
