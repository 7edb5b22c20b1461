"""Whether a Job is made for a redelivery, by what the store holds of the run and of earlier requests."""

from collections.abc import Coroutine
from typing import Any

import pytest

from report_operator.api.deliveries import DeliveryState
from report_operator.api.run import LEDGER_FILE
from report_operator.control.jobs import JobMaker
from report_operator.control.links import LinkMaker
from report_operator.control.redeliveries import Redeliverer
from report_operator.plan import names, secret
from report_operator.plan.facts import Facts, StartRedelivery
from report_operator.plan.job import RunDefaults
from report_operator.plan.subject import Subject
from tests.support import objects
from tests.support.simulation import World, as_cluster, as_store

HOOK = {"name": "hook", "webhook": {"url": "https://example.com/"}}
REPORT = objects.report(spec=objects.SPEC | {"destinations": [HOOK]})
SUBJECT = Subject.from_manifest(REPORT)
WANTED = StartRedelivery(names.redelivery_name("weekly", SUBJECT.run_id, "t1"), "t1", frozenset({DeliveryState.FAILED}))


@pytest.fixture
def world() -> World:
    """A run that has ended, with a delivery that failed."""
    assert SUBJECT.spec
    there = (*secret.files_read(SUBJECT.spec), LEDGER_FILE)
    return World(REPORT, stored={SUBJECT.prefix + name: 100 for name in there})


def start(world: World) -> Facts:
    """Return the answer to a request."""
    store = as_store(world)
    defaults = RunDefaults(image="example/report-operator:1")
    redeliverer = Redeliverer(store, JobMaker(as_cluster(world)), LinkMaker(store, allowed=True), defaults)
    assert SUBJECT.spec
    return ended(redeliverer.start(objects.facts(REPORT), WANTED, SUBJECT.spec))


def ended(work: Coroutine[Any, Any, Facts]) -> Facts:
    """Return what comes of a call, all others standing still."""
    try:
        while True:
            work.send(None)
    except StopIteration as end:
        found: Facts = end.value
        return found


def test_a_job_is_made(world: World) -> None:
    answer = start(world)
    assert [job.metadata.name for job in answer.redeliveries] == [WANTED.job_name]
    assert answer.nothing_to_send is None


def test_without_a_file_of_the_run_there_is_nothing_to_send(world: World) -> None:
    del world.stored[SUBJECT.prefix + LEDGER_FILE]
    answer = start(world)
    assert (answer.redeliveries, world.jobs) == ((), {})
    assert "does not hold deliveries.json" in (answer.nothing_to_send or "")


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(("token", "refused"), [("t1", True), ("t2", False)])
def test_a_value_that_was_followed_before_is_refused(world: World, token: str, refused: bool) -> None:
    """Its Job is gone by now, and the status tells of another request; the ledger has its name."""
    world.stored[f"{names.redelivery_prefix(SUBJECT.prefix, token)}ledger/0.intent"] = 80
    answer = start(world)
    assert bool(world.jobs) is not refused
    assert ("was followed before" in (answer.nothing_to_send or "")) is refused
