"""What waiting and cancelling cost: the requests to the API server, in their order."""

from dataclasses import replace

import pytest

from report_operator.plan.run_queue import Limits
from report_operator.plan.subject import Subject
from tests.control.test_requests import Play
from tests.support import objects
from tests.support.simulation import admission

OTHER = objects.job(Subject.from_manifest(objects.report(name="other", uid="1234"))).to_wire()


@pytest.fixture
def play() -> Play:
    """A Report and an operator that lets one run in at a time."""
    made = Play()
    actor = replace(made.reconciler.actor, admission=admission(made.world, Limits(1)))
    made.reconciler = replace(made.reconciler, actor=actor)
    return made


def test_waiting_for_a_turn(play: Play) -> None:
    gate = play.reconciler.actor.admission
    gate.see(OTHER)
    assert play.look() == ["report", "write_status", "create_event"]
    assert play.look() == ["report", "job"], "nobody has moved"
    gate.see(OTHER, gone=True)
    assert play.look() == ["report", "job", "create_secret", "create_job", "write_status", "create_event"]


def test_cancelling_a_run_that_waits(play: Play) -> None:
    play.reconciler.actor.admission.see(OTHER)
    play.look()
    play.world.cancel(True)
    assert play.look() == ["report", "jobs", "delete_secret", "write_status", "create_event"]
    assert play.look() == ["report", "jobs"]
    assert play.world.made == []


def test_cancelling_a_run(play: Play) -> None:
    play.look()
    play.world.cancel(True)
    assert play.look() == ["report", "jobs", "write_status", "create_event", "delete_job", "delete_secret"]
    play.advance()
    assert play.look() == ["report", "jobs", "delete_secret", "write_status", "create_event"]
    assert play.look() == ["report", "jobs"]
