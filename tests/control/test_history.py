"""Any history of edits, kills, outages and deletions: each generation has one Job at most, and all comes to rest."""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from report_operator.api.metadata import RUN_ID_LABEL
from report_operator.cluster.errors import ConflictError
from report_operator.control.actions import Actor
from report_operator.control.links import LinkMaker
from report_operator.control.manifests import Manifests
from report_operator.control.reconcile import Reconciler
from report_operator.plan import names
from report_operator.plan.job import RunDefaults
from report_operator.plan.policy import Rules
from report_operator.plan.run_queue import Limits
from report_operator.plan.subject import Subject
from report_operator.store.errors import StoreError
from tests.support import objects
from tests.support.simulation import World, admission, as_cluster, as_store, list_jobs, step
from tests.support.telling import PlayedTelling

KEY = ("team-a", "weekly")
DEFAULTS = RunDefaults(image="example/report-operator:1")


class Process:
    """An operator process: the real reconciler, one call at a time."""

    def __init__(self, world: World, *, busy: bool = False) -> None:
        cluster = as_cluster(world)
        self._world = world
        self.admission = admission(world, Limits(1))
        store = as_store(world)
        links = LinkMaker(store, allowed=True)
        actor = Actor(cluster, store, DEFAULTS, timedelta(hours=1), self.admission, links)
        self._telling = PlayedTelling("report", busy=busy)
        self._reconciler = Reconciler(
            cluster, actor, Manifests(), lambda _: Rules(), "operator-0", self._telling, now=lambda: world.now
        )
        self._look: Coroutine[Any, Any, Any] | None = None

    def step(self) -> bool:
        """Make one call; return whether a look has ended with it."""
        if self._look is None:
            self._look = self._reconciler.reconcile(KEY)
        try:
            ended = step(self._look)
        except (ConflictError, StoreError):
            ended = True
        if ended:
            self._look = None
        return ended

    def kill(self) -> None:
        """Forget everything, wherever it was."""
        if self._look is not None:
            self._look.close()
        self._look = None
        self._telling.forget()

    def listen(self) -> None:
        """Learn which Jobs there are."""
        list_jobs(self._world, self.admission)

    def look(self) -> None:
        """Finish a whole look."""
        while not self.step():
            pass


class History(RuleBasedStateMachine):
    """One Report, one operator that can be killed at any point."""

    operators = 1

    @initialize(busy=st.booleans())
    def begin(self, busy: bool) -> None:
        self.world = World(objects.report())
        self.processes = [Process(self.world, busy=busy) for _ in range(self.operators)]
        self.by_hand: set[str] = set()
        self.cancelled: set[str] = set()

    @rule(which=st.integers(0, 7), calls=st.integers(1, 12))
    def operate(self, which: int, calls: int) -> None:
        for _ in range(calls):
            self.processes[which % self.operators].step()

    @rule(which=st.integers(0, 7))
    def listen(self, which: int) -> None:
        self.processes[which % self.operators].listen()

    @rule(which=st.integers(0, 7), full=st.booleans())
    def crowd(self, which: int, full: bool) -> None:
        """Let somebody else's run take the only place, or leave it."""
        other = objects.job(Subject.from_manifest(objects.report(name="other", uid="1234"))).to_wire()
        self.processes[which % self.operators].admission.see(other, gone=not full)

    @rule(which=st.integers(0, 7))
    def kill(self, which: int) -> None:
        self.processes[which % self.operators].kill()

    @precondition(lambda self: self.world.report["metadata"]["generation"] < 4)
    @rule()
    def edit(self) -> None:
        self.world.edit()
        if self.world.report["spec"].get("cancel"):
            self.cancelled.add(self._run_id())

    @precondition(lambda self: self.world.report["metadata"]["generation"] < 6)
    @rule(cancel=st.booleans())
    def cancel(self, cancel: bool) -> None:
        self.world.cancel(cancel)
        if cancel:
            self.cancelled.add(self._run_id())

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data(), outcome=st.sampled_from(["good", "good", "bad"]))
    def advance(self, data: st.DataObject, outcome: str) -> None:
        there = set(self.world.jobs)
        self.world.advance(data.draw(st.sampled_from(sorted(there))), outcome)
        if there - set(self.world.jobs):
            # A look is given up after two minutes, long before a Job's time to live is over.
            for process in self.processes:
                process.kill()

    @precondition(lambda self: self._recorded() in self.world.jobs)
    @rule()
    def delete_job(self) -> None:
        """Delete the recorded Job, as a user. (One that is not recorded yet would be made again: rule 3's only gap.)"""
        self.by_hand.add(self.world.jobs[self._recorded()]["metadata"]["labels"][RUN_ID_LABEL])
        self.world.delete_job(self._recorded())

    @rule(up=st.booleans())
    def store(self, up: bool) -> None:
        self.world.store_up = up

    @rule()
    def relabel(self) -> None:
        """Let somebody else write the Report's metadata."""
        self.world.touch()

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @invariant()
    def each_generation_has_one_job_at_most(self) -> None:
        # With two operators, the slower one may just have seen that there is no Job yet when somebody deletes it.
        excused = self.by_hand if self.operators > 1 else set()
        made = [run for run in self.world.made if run not in excused]
        assert len(made) == len(set(made))

    @invariant()
    def nothing_is_started_to_be_cancelled(self) -> None:
        assert self.cancelled.isdisjoint(self.world.made)

    @invariant()
    def no_two_runs_at_once(self) -> None:
        if self.operators == 1:
            assert len(self.world.unfinished()) <= 1

    @invariant()
    def only_a_success_lists_artifacts(self) -> None:
        status = self.world.report.get("status", {})
        assert bool(status.get("artifacts")) == (status.get("phase") == "Succeeded")

    def teardown(self) -> None:
        self.world.store_up = True
        for process in self.processes:
            process.kill()
        for _ in range(40):
            for process in self.processes:
                process.listen()
                process.look()
            for name in sorted(self.world.jobs):
                self.world.advance(name, "good")
        for process in self.processes:
            process.look()
        self._is_at_rest()

    def _is_at_rest(self) -> None:
        subject = Subject.from_manifest(self.world.report)
        assert subject.is_settled, self.world.report.get("status")
        assert self.world.jobs == {}
        if self.operators == 1:
            # Of two, one may be killed after it made a Secret for a run that is over; that goes with the Report.
            assert self.world.secrets == set()
        its = names.run_prefix(*KEY, subject.status.run_id or "none")
        for artifact in subject.status.artifacts:
            assert its + artifact.name in self.world.stored
        if subject.is_cancelled and self.operators == 1:
            assert bool(subject.status.artifacts) == any(key.startswith(its) for key in self.world.stored)

    def _run_id(self) -> str:
        return Subject.from_manifest(self.world.report).run_id

    def _recorded(self) -> str:
        return str(self.world.report.get("status", {}).get("jobName"))


class RacingHistory(History):
    """One Report, two operators by accident."""

    operators = 2


LIMITS = settings(max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("machine", [History, RacingHistory])
def test_any_history(machine: type[RuleBasedStateMachine]) -> None:
    case = machine.TestCase
    case.settings = LIMITS
    case().runTest()


@pytest.mark.parametrize("before", range(1, 20))
@pytest.mark.parametrize("after", range(16))
def test_a_cancelled_run_ends_wherever_the_operator_is_killed(before: int, after: int) -> None:
    world = World(objects.report())
    process = Process(world)
    for _ in range(before):
        if process.step() and world.jobs and not world.pods:
            world.advance(next(iter(world.jobs)), "good")
    process.kill()
    world.cancel(True)
    for _ in range(after):
        process.step()
    process.kill()
    for _ in range(10):
        process.listen()
        process.look()
        for name in sorted(world.jobs):
            world.advance(name, "good")
    process.look()
    subject = Subject.from_manifest(world.report)
    assert (subject.status.phase, subject.is_settled) == ("Cancelled", True)
    assert (world.jobs, world.secrets, world.stored) == ({}, set(), {})
    assert len(world.made) <= 1


@pytest.mark.parametrize("calls", range(1, 40))
def test_a_kill_after_any_call_is_made_up_for(calls: int) -> None:
    world = World(objects.report())
    process = Process(world)
    for _ in range(calls):
        if process.step() and world.jobs:
            world.advance(next(iter(world.jobs)), "good")
    process.kill()
    for _ in range(10):
        process.listen()
        process.look()
        for name in sorted(world.jobs):
            world.advance(name, "good")
    assert Subject.from_manifest(world.report).status.phase == "Succeeded"
    assert len(world.made) == 1
    assert world.secrets == set()


HOOK = {"name": "hook", "webhook": {"url": "https://example.com/"}}
FIRST = names.run_prefix(*KEY, names.run_id(objects.UID, 1))


def undelivered() -> tuple[World, Process]:
    """Return a world in which a run has made its files and delivered nothing."""
    world = World(objects.report(spec=objects.SPEC | {"destinations": [HOOK]}))
    process = Process(world)
    come_to_rest(world, process)
    assert world.report["status"]["reason"] == "DeliveryFailed"
    return world, process


def come_to_rest(world: World, process: Process) -> None:
    for _ in range(10):
        process.listen()
        process.look()
        assert len(world.unfinished()) <= 1
        for name in sorted(world.jobs):
            world.advance(name, "good")
    process.look()


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("calls", range(1, 16))
@pytest.mark.parametrize("further", [0, 4, 8])
@pytest.mark.parametrize("is_over", [True, False])
@pytest.mark.parametrize("change", ["edit", "cancel", "spoil"])
def test_what_was_delivered_stays_whatever_comes_before_that_is_on_record(
    calls: int, further: int, is_over: bool, change: str
) -> None:
    """The operator is killed at any point before the end of the run is on record, and again after the change."""
    world = World(objects.report(spec=objects.SPEC | {"destinations": [HOOK]}))
    process = Process(world)
    for _ in range(calls):
        if process.step() and world.jobs and not world.stored:
            deliver(world, is_over=is_over)
    process.kill()
    ended, delivered = world.report.get("status", {}).get("phase") == "Failed", dict(world.stored)
    if change == "cancel":
        world.cancel(True)
    else:
        world.report["spec"] = world.report["spec"] if change == "edit" else {"outputs": []}
        world.edit()
    for _ in range(further):
        process.step()
    process.kill()
    come_to_rest(world, process)
    assert delivered.keys() <= world.stored.keys(), "recipients have links to these files"
    assert (world.jobs, world.secrets) == ({}, set())
    status = world.report["status"]
    if not delivered or ended or change == "spoil":
        return
    if change == "cancel":
        assert (status["phase"], [each["failed"] for each in status["deliveries"]]) == ("Cancelled", [1])
    else:
        assert "DeliveryFailed" in {each["reason"] for each in world.events if FIRST.split("/")[2] in each["message"]}


def deliver(world: World, *, is_over: bool) -> None:
    """Let the run deliver; end its Job, or not."""
    for name in sorted(world.jobs):
        for _ in range(2):
            world.advance(name, "good")
        if not is_over:
            world.jobs[name]["status"]["conditions"] = []
            world.pods[name]["status"] = {"phase": "Running"}


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("calls", range(1, 40))
def test_a_redelivery_is_made_once_wherever_the_operator_is_killed(calls: int) -> None:
    world, process = undelivered()
    world.ask_again("t1")
    for _ in range(calls):
        if process.step() and world.redelivered:
            for name in sorted(world.jobs):
                world.advance(name, "good")
    process.kill()
    come_to_rest(world, process)
    status = world.report["status"]
    assert (status["phase"], status["redelivery"]["phase"]) == ("Succeeded", "Ended")
    assert (len(world.redelivered), len(world.made)) == (1, 1)
    assert (world.jobs, world.secrets) == ({}, set())
    assert len(status["artifacts"]) == 3


@pytest.mark.parametrize("calls", range(1, 40))
@pytest.mark.parametrize("change", ["edit", "cancel"])
def test_a_redelivery_ends_before_what_comes_after_it(calls: int, change: str) -> None:
    world, process = undelivered()
    world.ask_again("t1")
    for _ in range(calls):
        if process.step() and world.redelivered and calls % 2:
            for name in sorted(world.jobs):
                world.advance(name, "good")
    process.kill()
    if change == "edit":
        world.edit()
    else:
        world.cancel(True)
    come_to_rest(world, process)
    subject = Subject.from_manifest(world.report)
    assert subject.is_settled
    assert subject.status.redelivery is None or not subject.status.redelivery.is_under_way
    assert len(world.redelivered) <= 1
    assert len(world.made) == (2 if change == "edit" else 1)
    assert (world.jobs, world.secrets) == ({}, set())
    assert any(key.startswith(FIRST) for key in world.stored), "recipients have links to these files"


def test_what_left_no_messages_is_not_sent_again() -> None:
    """The run of an operator before this version."""
    world, process = undelivered()
    before = world.report["status"]
    for key in [key for key in world.stored if key.endswith("/messages")]:
        del world.stored[key]
    world.ask_again("t1")
    come_to_rest(world, process)
    status = world.report["status"]
    assert status["redelivery"]["phase"] == "Refused"
    assert status["redelivery"]["message"].startswith("The store does not hold messages of the run")
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", before["reason"], before["message"])
    assert (world.redelivered, world.secrets) == ([], set())


def test_a_redelivery_waits_for_its_turn_and_for_the_store() -> None:
    world, process = undelivered()
    other = objects.job(Subject.from_manifest(objects.report(name="other", uid="1234"))).to_wire()
    process.admission.see(other)
    world.ask_again("t1")
    for _ in range(3):
        process.look()
    status = world.report["status"]
    assert (status["phase"], status["reason"], status["queue"]["position"]) == ("Failed", "RunLimitReached", 1)
    world.store_up = False
    process.admission.see(other, gone=True)
    process.look()
    assert (world.report["status"]["reason"], world.redelivered) == ("OperatorRetrying", [])
    world.store_up = True
    come_to_rest(world, process)
    assert world.report["status"]["phase"] == "Succeeded"
    assert len(world.redelivered) == 1
