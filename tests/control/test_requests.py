"""What one look costs: the requests to the API server, in their order (24 for a run of three stages)."""

from datetime import timedelta
from typing import Any, cast

import pytest

from report_operator.cluster.client import Cluster
from report_operator.control.actions import Actor
from report_operator.control.links import LinkMaker
from report_operator.control.manifests import Manifests
from report_operator.control.reconcile import Reconciler
from report_operator.plan.job import RunDefaults
from report_operator.plan.policy import Rules
from report_operator.plan.run_queue import Limits
from tests.support import objects
from tests.support.simulation import SimulatedCluster, World, admission, as_store, step
from tests.support.telling import PlayedTelling


class Recording:
    """Writes down the name of every call."""

    def __init__(self, world: World, calls: list[str]) -> None:
        self._cluster = SimulatedCluster(world)
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._cluster, name)


class Play:
    """A Report and its operator."""

    def __init__(self, *, busy: bool = False) -> None:
        self.world = World(objects.report())
        self.calls: list[str] = []
        cluster = cast("Cluster", Recording(self.world, self.calls))
        defaults = RunDefaults(image="example/report-operator:1")
        store, queue = as_store(self.world), admission(self.world, Limits())
        actor = Actor(cluster, store, defaults, timedelta(hours=1), queue, LinkMaker(store, allowed=True))
        self.reconciler = Reconciler(
            cluster,
            actor,
            Manifests(),
            lambda _: Rules(),
            "operator-0",
            PlayedTelling("report", busy=busy),
            now=lambda: self.world.now,
        )

    def look(self) -> list[str]:
        """Return the calls of a look."""
        self.calls.clear()
        look = self.reconciler.reconcile(("team-a", "weekly"))
        while not step(look):
            pass
        return list(self.calls)

    def advance(self, outcome: str = "good") -> None:
        """Let the Job go on."""
        self.world.advance(next(iter(self.world.jobs)), outcome)


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_run(play: Play) -> None:
    assert play.look() == ["report", "create_secret", "create_job", "write_status", "create_event"]
    play.advance()
    assert play.look() == ["report", "job", "pods", "write_status"]
    play.advance()
    assert play.look() == [
        *("report", "job", "pods"),
        *("delete_secret", "write_status", "create_event", "expire_job"),
    ]


def test_where_many_are_started_the_status_waits() -> None:
    play = Play(busy=True)
    assert play.look() == ["report", "create_secret", "create_job"]
    play.advance()
    assert play.look() == ["write_status", "create_event", "report", "job", "pods", "write_status"]


@pytest.mark.parametrize("change", ["edit", "redelivery"])
def test_all_jobs_are_listed_where_there_may_be_several(play: Play, change: str) -> None:
    play.look()
    if change == "edit":
        play.world.edit()
    else:
        play.world.ask_again("token")
    assert play.look()[:2] == ["report", "jobs"]


def test_a_look_at_what_has_not_changed(play: Play) -> None:
    play.look()
    assert play.look() == ["report", "job", "pods"]
    play.world.now += timedelta(seconds=5)
    assert play.look() == ["report", "job", "pods", "events_about"]


def test_a_look_at_what_is_settled(play: Play) -> None:
    for _ in range(3):
        play.look()
        play.advance()
    assert play.look() == ["report", "job"]


def test_a_kill_between_job_and_status_is_found_out_by_the_secret(play: Play) -> None:
    play.look()
    del play.world.report["status"]
    assert play.look() == ["report", "create_secret", "job", "job", "job", "pods", "write_status", "create_event"]


def test_an_edit(play: Play) -> None:
    play.look()
    play.world.edit()
    assert play.look() == ["report", "jobs", "delete_job", "delete_secret", "write_status", "create_event"]
