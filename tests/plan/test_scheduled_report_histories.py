"""Any history of time passing, edits, suspensions and crashes: each due slot has its Reports, and no other has any.

What is due is found by looking at each minute of the history as it was, without the code under test.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from report_operator.plan.schedule import timing as under_test
from report_operator.plan.schedule.child import Child
from report_operator.plan.scheduled_report import decide
from tests.support.schedules import ANSWERED, TEMPLATE, CrashError, World, condition, rfc3339, utc

MINUTE = timedelta(minutes=1)
START = utc("2026-05-04 08:00")
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Timing:
    """A timing as it is written, and in words of the test's own which minutes it hits."""

    written: dict[str, Any]
    hits: Callable[[datetime], bool]


def is_nine_in_berlin(now: datetime) -> bool:
    there = now.astimezone(BERLIN)
    return (there.hour, there.minute) == (9, 0)


def is_on_one_of_two_lines(now: datetime) -> bool:
    return now.minute == 59 or (now.hour % 2 == 0 and now.minute == 0)


TIMINGS = [
    Timing({"schedule": ["* * * * *"], "timeZone": "UTC"}, lambda _: True),
    Timing({"schedule": ["*/15 * * * *"], "timeZone": "Asia/Tokyo"}, lambda now: now.minute % 15 == 0),
    Timing({"schedule": ["59 * * * *", "0,59 */2 * * *"], "timeZone": "UTC"}, is_on_one_of_two_lines),
    Timing({"frequency": {"every": "daily", "time": "09:00"}, "timeZone": "Europe/Berlin"}, is_nine_in_berlin),
    Timing({"timeZone": "UTC"}, lambda _: False),
]


@dataclass(frozen=True)
class Version:
    """What a user wrote, and when."""

    time: datetime
    timing: Timing
    suspended: bool = False
    is_noted: bool = True
    """Whether the API server has noted the time: not where something was only removed. Otherwise the time is that of
    the operator's next look."""

    def has(self, slot: datetime) -> bool:
        return not self.suspended and self.timing.hits(slot)

    def is_like(self, other: "Version") -> bool:
        return (self.timing, self.suspended) == (other.timing, other.suspended)


def minutes(after: datetime, until: datetime) -> list[datetime]:
    """Return the whole minutes later than the first time and not later than the second."""
    minute = after.replace(second=0, microsecond=0) + MINUTE
    return [minute + n * MINUTE for n in range(max(0, (until - minute) // MINUTE + 1))]


pauses = st.sampled_from([0, 1, 59, 61, 600, 3600, 4 * 3600]).map(lambda seconds: timedelta(seconds=seconds))


@settings(max_examples=400, stateful_step_count=25)
class Histories(RuleBasedStateMachine):
    """A ScheduledReport, its users, and an operator that looks, or is killed, or is away."""

    @initialize(
        timing=st.sampled_from(TIMINGS),
        policy=st.sampled_from(["None", "Latest", "All"]),
        limit=st.integers(1, 4),
        jitter=st.sampled_from(["0s", "20m"]),
        variants=st.integers(0, 3),
        number=st.integers(0, 50),
    )
    def create(self, *, timing: Timing, policy: str, limit: int, jitter: str, variants: int, number: int) -> None:
        spec: dict[str, Any] = {"catchUp": {"policy": policy, "limit": limit}, "jitter": jitter, **timing.written}
        if variants:
            spec["variants"] = [{"name": f"v{n}"} for n in range(variants)]
        self.world = World.of(START.isoformat()[:19], **spec)
        self.world.manifest["metadata"]["uid"] = f"uid-{number}"
        self.policy, self.limit, self.reports_per_slot = policy, limit, max(variants, 1)
        subject = self.world.facts().subject
        assert subject.spec is not None
        self.delay = under_test.Timing.of(subject.spec, subject.uid).delay
        self.versions = [Version(START, timing)]
        self.seen = 0
        """Versions that the operator has looked at and remembers."""
        self.floor = self.known_floor = self.decided_until = START
        """Slots until then never run, whatever was in force; the second as the operator remembers."""
        self.status: dict[str, Any] | None = None
        self.written_at = START
        """When that status was written, or the object made."""
        self.expected: Counter[datetime] = Counter()
        """Reports by slot."""
        self.missed = 0
        self.on_record: set[str] = set()
        """Reports that the status knows of."""

    @rule(pause=pauses, timing=st.sampled_from(TIMINGS))
    def edit_the_timing(self, pause: timedelta, timing: Timing) -> None:
        self.edit(pause, Version(self.world.now + pause, timing, self.versions[-1].suspended), **timing.written)

    @rule(pause=pauses)
    def edit_the_template(self, pause: timedelta) -> None:
        version = replace(self.versions[-1], time=self.world.now + pause)
        self.edit(pause, version, template={"spec": {"outputs": [{"format": "html"}], "title": f"{version.time}"}})

    @rule(pause=pauses, by_variants=st.booleans())
    def suspend_or_resume(self, *, pause: timedelta, by_variants: bool) -> None:
        """Removing the variants, all of which are suspended, is a resumption too."""
        spec, last = self.world.manifest["spec"], self.versions[-1]
        change: dict[str, Any] = {"suspend": not last.suspended}
        if last.suspended and not spec.get("suspend"):
            change = {"variants": None}
        elif by_variants and not last.suspended and "variants" not in spec:
            change = {"variants": [{"name": "v", "suspend": True}]}
        self.edit(pause, replace(last, time=self.world.now + pause, suspended=not last.suspended), **change)

    @rule(pause=pauses, phase=st.sampled_from(["Succeeded", "Failed"]))
    def runs_end(self, pause: timedelta, phase: str) -> None:
        self.world.now += pause
        self.world.end_all(phase)

    @rule(which=st.integers(0, 9))
    def somebody_deletes_a_report(self, which: int) -> None:
        """One that is on record: that of any other is known by the Report itself, which would be made again."""
        there = sorted(self.on_record & self.world.reports.keys())
        if there:
            del self.world.reports[there[which % len(there)]]

    @rule(pause=pauses)
    def look(self, pause: timedelta) -> None:
        self.world.now += pause
        run, missed = self.due()
        self.world.operate()
        self.has_looked(run, missed)
        again = decide(self.world.facts())
        assert (again.creations, again.status, again.deletions) == ((), None, ())
        self.check_wake_up(again.wake_at)
        last = self.world.status.get("lastRun")
        assert last is None or last["phase"] != "Active" or last["name"] in self.world.active()

    @rule(pause=pauses, steps=st.integers(0, 6))
    def look_and_be_killed(self, pause: timedelta, steps: int) -> None:
        self.world.now += pause
        run, missed = self.due()
        before = self.world.manifest.get("status")
        try:
            self.world.operate(steps)
        except CrashError:
            if self.world.manifest.get("status") is before:
                made = Counter(self.world.made_for)
                assert set(made) <= set(self.expected) | run
                self.expected = made
                return
        self.has_looked(run, missed)

    @invariant()
    def each_due_slot_has_its_reports_and_no_other_has_any(self) -> None:
        if hasattr(self, "world"):
            assert Counter(self.world.made_for) == self.expected
            assert len(set(self.world.made)) == len(self.world.made)
            assert self.world.status.get("missed", {"count": 0})["count"] == self.missed

    def edit(self, pause: timedelta, version: Version, **changes: Any) -> None:
        """Change the spec after a while; a timing leaves out what another one has."""
        self.world.now += pause
        before = self.world.manifest["metadata"]["managedFields"]
        self.world.edit(**({"schedule": None, "frequency": None} if "timeZone" in changes else {}) | changes)
        self.versions.append(replace(version, is_noted=self.world.manifest["metadata"]["managedFields"] != before))

    def due(self) -> tuple[set[datetime], int]:
        """Return the slots to be run now, and how many are missed."""
        horizon, unseen = self.world.now - self.delay, len(self.versions) - self.seen
        if self.has_edit_of_unknown_time():
            self.versions[-1] = replace(self.versions[-1], time=self.world.now, is_noted=False)
        if self.seen == 0 or unseen > 1:
            self.floor = max(self.floor, self.versions[-1].time)  # what was in force before is not known
        passed = minutes(self.decided_until, horizon)
        candidates = [slot for slot in passed if self.is_due(slot, self.versions)]
        on_time = [slot for slot in candidates if horizon - slot <= MINUTE]
        late = [slot for slot in candidates if slot not in on_time]
        caught_up = {"None": [], "Latest": [] if on_time else late[-1:], "All": late[-self.limit :]}[self.policy]
        run = {*on_time, *caught_up, *(slot for slot in candidates if slot in self.world.made_for)}
        return run, len(candidates) - len(run) + self.overtaken()

    def has_edit_of_unknown_time(self) -> bool:
        """Return whether nothing tells when the last edit was: it is not noted, or another one is that nobody saw."""
        edits = self.versions[max(self.seen, 1) :]
        return bool(edits) and (len(edits) > 1 or not edits[0].is_noted or edits[0].time <= self.written_at)

    def is_due(self, slot: datetime, versions: list[Version]) -> bool:
        """Return whether a slot was in force when it came and nothing about it was edited since."""
        in_force = [version for version in versions if version.time < slot]
        return (
            slot > self.floor
            and in_force[-1].has(slot)
            and all(version.is_like(in_force[-1]) for version in versions if version.time >= slot)
        )

    def overtaken(self) -> int:
        """Return how many slots, as far as the operator knew, had not been run at the last edit, if it changed them."""
        known, unseen = self.versions[: self.seen], len(self.versions) - self.seen
        if not known or unseen == 0 or (unseen == 1 and self.versions[-1].is_like(known[-1])):
            return 0
        floor, self.floor = self.floor, self.known_floor
        passed = minutes(self.decided_until, self.versions[-1].time)
        due = [slot for slot in passed if self.is_due(slot, known) and slot not in self.world.made_for]
        self.floor = floor
        return len(due)

    def has_looked(self, run: set[datetime], missed: int) -> None:
        """Note what the operator has to have done."""
        self.expected.update({slot: self.reports_per_slot - self.expected[slot] for slot in run})
        self.missed += missed
        self.on_record = set(self.world.reports)
        self.seen, self.known_floor = len(self.versions), self.floor
        if self.world.manifest.get("status") is not self.status:
            self.status, self.written_at = self.world.manifest["status"], self.world.now
        self.decided_until = max(self.decided_until, self.world.now - self.delay)

    def check_wake_up(self, wake_at: datetime | None) -> None:
        """The operator looks again when the next slot starts, and not before."""
        current = self.versions[-1]
        horizon = max(self.decided_until, self.floor)
        to_come = minutes(horizon, self.world.now + timedelta(days=2)) if not current.suspended else []
        starts = (slot for slot in to_come if current.has(slot) and self.is_due(slot, self.versions))
        slot = next(starts, None)
        assert wake_at == (slot + self.delay if slot is not None else None)


TestHistories = pytest.mark.requirement("A4", "D4", "E2")(Histories.TestCase)


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@pytest.mark.parametrize("catch_up", ["None", "Latest", "All"])
@settings(max_examples=40)
@given(
    deadline=st.sampled_from([None, "30m"]),
    steps=st.lists(
        st.tuples(st.sampled_from([1, 59, 300, 600, 1800]), st.sampled_from(["look", "look", "killed", "end", "away"])),
        min_size=1,
        max_size=40,
    ),
)
def test_each_slot_is_run_skipped_missed_or_waits_and_runs_overlap_only_when_they_may(
    policy: str, catch_up: str, deadline: str | None, steps: list[tuple[int, str]]
) -> None:
    catching = {"policy": catch_up, "limit": 3}
    spec: dict[str, Any] = {"startingDeadline": deadline} if deadline else {}
    spec |= {"schedule": ["*/10 * * * *"], "concurrencyPolicy": policy, "catchUp": catching}
    world = World.of("2026-05-04 08:00", **spec, history={"failed": 1000})
    world.operate()
    for seconds, what in steps:
        world.now += timedelta(seconds=seconds)
        if what == "end":
            world.end_all()
        if what == "killed":
            with contextlib.suppress(CrashError):
                world.operate(steps=1)
        if what == "look":
            world.operate()
            assert policy == "Allow" or len(world.active()) <= 1
            status = world.status
            passed = [slot for slot in minutes(START, world.now) if slot.minute % 10 == 0]
            others = status["missed"]["count"] + status["skipped"]["count"] + len(status["catchUp"])
            assert len(world.made) + others == len(passed)
            assert len(set(world.made_for)) == len(world.made_for)
            assert world.made_for == sorted(world.made_for)
            assert deadline is None or all(lateness(world, name) <= timedelta(minutes=30) for name in world.made)
            assert catch_up != "All" or all(lateness(world, name) <= MINUTE for name in world.cancelled)


def lateness(world: World, name: str) -> timedelta:
    """Return how long after its slot a Report was made."""
    report = Child.from_manifest(world.reports[name])
    return report.created_at - timedelta(seconds=1) - report.slot


@pytest.mark.parametrize("catch_up", ["None", "Latest", "All"])
@settings(max_examples=60)
@given(
    number=st.integers(0, 50),
    steps=st.lists(
        st.tuples(
            st.integers(1, 59),
            st.sampled_from(["look", "look", "destination", "wait", "answer", "jitter", "killed"]),
            st.sampled_from(["0s", "2m", "15m"]),
        ),
        min_size=1,
        max_size=40,
    ),
)
def test_where_the_operator_is_never_away_no_slot_is_missed_whatever_holds_it_back(
    catch_up: str, number: int, steps: list[tuple[int, str, str]]
) -> None:
    """Probes, also one after the other and in a queue, and jitter that is edited."""
    world = World.of("2026-05-04 08:00", schedule=["* * * * *"], catchUp={"policy": catch_up, "limit": 100})
    world.manifest["metadata"]["uid"] = f"uid-{number}"
    world.operate()
    for count, (seconds, what, jitter) in enumerate([*steps, (1, "answer", ""), (1, "answer", "")]):
        world.now += timedelta(seconds=seconds)
        known = world.status.get("preflight") or {"state": "", "time": rfc3339(world.now)}
        is_overdue = world.now - datetime.fromisoformat(known["time"]) > timedelta(minutes=3)
        world.probe = ANSWERED if what in ("answer", "killed") or is_overdue else None
        world.has_place = what != "wait"
        if what == "destination":
            hook = {"name": "portal", "webhook": {"url": f"https://portal-{count}.example.com/"}}
            world.edit(template={"spec": TEMPLATE["spec"] | {"destinations": [hook]}})
        if what == "jitter" and condition(world, "Reconciling") is None:
            world.edit(jitter=jitter)
        if what == "killed":
            with contextlib.suppress(CrashError):
                world.operate(steps=1)
        world.operate()
        assert world.status["missed"]["count"] == 0
    subject = world.facts().subject
    assert subject.spec is not None
    delay = under_test.Timing.of(subject.spec, subject.uid).delay
    next_slot = datetime.fromisoformat(world.status["nextRunTime"]) - delay
    assert sorted(world.made_for) == minutes(START, next_slot - MINUTE)
    assert next_slot > world.now - delay
