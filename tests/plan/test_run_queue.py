"""Whose turn it is: limits, fairness between namespaces, urgency, age; positions and waits."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.plan.durations import Durations
from report_operator.plan.run_queue import Limits, RunQueue, Waiting
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, report

MANUAL, SCHEDULED, BACKFILL = range(3)
MINUTE = timedelta(minutes=1)
NONE_KNOWN = Durations()
QUEUED = {"queue": {"position": 2, "since": "2026-05-04T06:00:00Z"}}


def waiting(name: str, namespace: str = "a", urgency: int = SCHEDULED, age: int = 0) -> Waiting:
    """Return a run that has waited for so many seconds."""
    since = NOW - timedelta(seconds=age)
    return Waiting(urgency, since, (namespace, name), (namespace, f"{name}-job"), f"schedule-of-{namespace}")


def queue(limits: Limits, *runs: Waiting, working: Sequence[str] = ()) -> RunQueue:
    """Return a queue; `working` names the namespace of each Job that holds a place."""
    made = RunQueue(limits)
    for number, namespace in enumerate(working):
        made.begin((namespace, f"working-{number}"), f"schedule-of-{namespace}")
    for run in runs:
        made.join(run)
    return made


def called(made: RunQueue) -> list[str]:
    """Return the Reports that are called now."""
    names = []
    while (run := made.call_next()) is not None:
        names.append(run.report[1])
    return names


class TestTurns:
    def test_without_limits_all_start(self) -> None:
        assert sorted(called(queue(Limits(), *(waiting(f"r{n}") for n in range(9))))) == [f"r{n}" for n in range(9)]

    def test_the_longest_wait_goes_first(self) -> None:
        assert called(queue(Limits(2), waiting("new"), waiting("old", age=9), waiting("older", age=60))) == [
            "older",
            "old",
        ]

    def test_the_more_urgent_goes_first(self) -> None:
        runs = (
            waiting("backfill", urgency=BACKFILL, age=90),
            waiting("scheduled", urgency=SCHEDULED, age=60),
            waiting("manual", urgency=MANUAL),
        )
        assert called(queue(Limits(), *runs)) == ["manual", "scheduled", "backfill"]

    def test_namespaces_take_turns(self) -> None:
        many = [waiting(f"a{n}", "a", age=100 - n) for n in range(5)]
        few = [waiting(f"b{n}", "b") for n in range(2)]
        assert called(queue(Limits(6), *many, *few, working=["a"])) == ["b0", "a0", "b1", "a1", "a2"]

    def test_one_namespace_cannot_take_all(self) -> None:
        many = [waiting(f"a{n}", "a") for n in range(5)]
        made = queue(Limits(10, 2), *many, waiting("b0", "b"), working=["a"])
        assert called(made) == ["b0", "a0"]
        made.end(("a", "working-0"))
        assert called(made) == ["a1"]

    def test_jobs_beyond_the_limit_are_counted(self) -> None:
        made = queue(Limits(2), waiting("r"), working=["a", "b", "c"])
        made.end(("a", "working-0"))
        assert called(made) == []
        made.end(("b", "working-1"))
        assert called(made) == ["r"]

    def test_a_job_counts_once(self) -> None:
        made = queue(Limits(2), waiting("r"))
        made.begin(("a", "one"), "")
        made.begin(("a", "one"), "")
        assert called(made) == ["r"]
        made.end(("a", "nobody's"))
        assert made.working == {("a", "one"), ("a", "r-job")}

    def test_an_edited_report_waits_once_with_its_new_job(self) -> None:
        made = queue(Limits(), waiting("r"))
        made.join(Waiting(SCHEDULED, NOW, ("a", "r"), ("a", "newer-job"), ""))
        run = made.call_next()
        assert run is not None
        assert run.job == ("a", "newer-job")
        assert made.call_next() is None

    def test_who_leaves_waits_no_more(self) -> None:
        made = queue(Limits(), waiting("r"), waiting("s"))
        made.leave(("a", "r"))
        made.leave(("a", "r"))
        assert (made.waiting, called(made)) == (1, ["s"])


class TestTold:
    @pytest.mark.parametrize(
        ("limits", "working", "rule"),
        [
            (Limits(2, None), ["b", "c"], "the cluster may have 2 runs at once"),
            (Limits(9, 1), ["a"], "namespace a may have 1 run at once"),
            (Limits(None, 1), ["a"], "namespace a may have 1 run at once"),
            (Limits(2, 2), ["a", "a"], "namespace a may have 2 runs at once"),
            (Limits(2, 2), ["a", "b"], "the cluster may have 2 runs at once"),
        ],
    )
    def test_the_limit_that_holds_it(self, limits: Limits, working: list[str], rule: str) -> None:
        assert queue(limits, waiting("r"), working=working).turn_of(("a", "r"), NONE_KNOWN).rule == rule

    def test_no_wait_is_told_while_no_duration_is_known(self) -> None:
        assert queue(Limits(1), waiting("r"), working=["a"]).turn_of(("a", "r"), NONE_KNOWN).wait is None

    @pytest.mark.parametrize(
        ("limits", "working", "minutes"),
        [
            (Limits(1), "b", [10, 20, 30]),
            (Limits(2), "bb", [5, 10, 15]),
            (Limits(2, 1), "ab", [2, 4, 6]),
            (Limits(9, 1), "abb", [2, 4, 6]),
        ],
    )
    def test_the_wait_follows_from_the_durations_of_those_under_way(
        self, limits: Limits, working: str, minutes: list[int]
    ) -> None:
        known = Durations()
        known.add(("a", "schedule-of-a"), 2 * MINUTE)
        known.add(("b", "schedule-of-b"), 10 * MINUTE)
        made = queue(limits, *(waiting(f"r{n}", age=-n) for n in range(3)), working=list(working))
        waits = [made.turn_of(("a", f"r{n}"), known).wait for n in range(3)]
        assert [wait / MINUTE for wait in waits if wait] == pytest.approx(minutes)

    def test_the_front_is_told_often_and_the_back_seldom(self) -> None:
        made = queue(Limits(1), *(waiting(f"r{n}", age=-n) for n in range(2000)), working=["a"])
        seconds = [made.turn_of(("a", f"r{n}"), NONE_KNOWN).look_again(f"run-{n}").total_seconds() for n in range(2000)]
        assert all(22 <= each <= 36 for each in seconds[:20])
        assert all(225 <= each <= 300 for each in seconds[1100:])
        assert len({round(each, 2) for each in seconds[1100:]}) > 100, "not all at once"
        assert sum(1 / each for each in seconds) < 15, "looks a second"


class TestDurations:
    def test_a_schedule_without_runs_has_the_mean_of_all(self) -> None:
        known = Durations()
        assert known.mean(("team", "a")) is None
        known.add(("team", ""), 4 * MINUTE)
        assert known.mean(("team", "a")) == 4 * MINUTE
        known.add(("team", "a"), 2 * MINUTE)
        assert known.mean(("team", "a")) == 2 * MINUTE
        assert known.mean(("team", "b")) == 3.4 * MINUTE

    def test_runs_without_a_schedule_have_the_mean_of_their_namespace(self) -> None:
        known = Durations()
        known.add(("team", ""), 4 * MINUTE)
        known.add(("other", ""), 60 * MINUTE)
        known.add(("team", "a"), 60 * MINUTE)
        assert known.mean(("team", "")) == 4 * MINUTE

    def test_the_schedules_of_long_ago_are_forgotten(self) -> None:
        known = Durations()
        for number in range(1500):
            known.add(("team", f"s{number}"), number * MINUTE)
        assert known.mean(("team", "s0")) == known.mean(("team", "never had one"))
        assert known.mean(("team", "s1499")) == 1499 * MINUTE


class TestRuns:
    def test_urgency(self) -> None:
        def urgency(**labels: str) -> int:
            named = {f"report-operator.io/{label}": value for label, value in labels.items()}
            return Waiting.of(Subject.from_manifest(report(labels=named)), NOW).urgency

        assert urgency(trigger="manual") < urgency(trigger="scheduled") < urgency(trigger="backfill")
        assert urgency() == urgency(trigger="of somebody else") == urgency(trigger="manual")

    @pytest.mark.parametrize(
        ("case", "manifest", "age"),
        [
            ("a new one since it was made", report(), 60),
            ("an edited one since now", report(2), 0),
            ("one that waits as long as it has", report(1, status=QUEUED), 30),
            ("also after an edit", report(2, status=QUEUED), 30),
        ],
    )  # fmt: skip
    def test_age(self, case: str, manifest: Any, age: int) -> None:
        assert Waiting.of(Subject.from_manifest(manifest), NOW).since == NOW - timedelta(seconds=age), case


NAMESPACES = st.sampled_from("abcd")
RUNS = st.lists(st.tuples(NAMESPACES, st.integers(0, 2), st.integers(0, 20)), max_size=30).map(
    lambda made: [waiting(f"r{n}", namespace, urgency, age) for n, (namespace, urgency, age) in enumerate(made)]
)
LIMITS = st.builds(Limits, st.none() | st.integers(1, 8), st.none() | st.integers(1, 4))


@pytest.mark.requirement("N4")
class TestAnyQueue:
    @given(RUNS, LIMITS, st.lists(NAMESPACES, max_size=8))
    def test_limits_hold_and_nobody_is_overtaken(self, runs: list[Waiting], limits: Limits, working: list[str]) -> None:
        made = queue(limits, *runs, working=working)
        names = called(made)
        started = [run for run in runs if run.report[1] in names]
        left = [run for run in runs if run.report[1] not in names]
        if limits.total is not None and started:
            assert len(made.working) <= limits.total
        for namespace in {run.report[0] for run in started}:
            count = sum(job[0] == namespace for job in made.working)
            assert limits.per_namespace is None or count <= limits.per_namespace
        for run in left:
            assert all(other <= run for other in started if other.report[0] == run.report[0]), "overtaken"
            assert _is_held(run.report[0], made, limits), "held by nothing"

    @given(RUNS, st.integers(1, 8))
    def test_every_namespace_gets_its_share(self, runs: list[Waiting], total: int) -> None:
        made = queue(Limits(total), *runs)
        names = called(made)
        started = [run.report[0] for run in runs if run.report[1] in names]
        for namespace in {run.report[0] for run in runs if run.report[1] not in names}:
            assert all(started.count(other) <= started.count(namespace) + 1 for other in started)

    @given(RUNS, st.lists(NAMESPACES, min_size=1, max_size=8))
    def test_positions_are_the_order_in_which_they_are_called(self, runs: list[Waiting], working: list[str]) -> None:
        full = queue(Limits(len(working)), *runs, working=working)
        positions = {full.turn_of(run.report, NONE_KNOWN).position: run.report[1] for run in runs}
        assert sorted(positions) == list(range(1, len(runs) + 1))
        order = called(queue(Limits(), *runs, working=working))
        assert [positions[position] for position in sorted(positions)] == order

    @given(RUNS, LIMITS, st.lists(NAMESPACES, max_size=8))
    def test_positions_in_a_namespace_rise(self, runs: list[Waiting], limits: Limits, working: list[str]) -> None:
        made = queue(limits, *runs, working=working)
        names = called(made)
        for namespace in "abcd":
            line = sorted(run for run in runs if run.report[0] == namespace and run.report[1] not in names)
            positions = [made.turn_of(run.report, NONE_KNOWN).position for run in line]
            assert all(one < other for one, other in itertools.pairwise(positions))
            assert all(position >= number for number, position in enumerate(positions, 1))

    @given(RUNS, st.integers(1, 4), st.lists(NAMESPACES, max_size=8))
    def test_who_waits_for_its_namespace_waits_for_no_other(
        self, runs: list[Waiting], most: int, working: list[str]
    ) -> None:
        made = queue(Limits(None, most), *runs, working=working)
        names = called(made)
        for namespace in "abcd":
            line = sorted(run for run in runs if run.report[0] == namespace and run.report[1] not in names)
            positions = [made.turn_of(run.report, NONE_KNOWN).position for run in line]
            assert positions == list(range(1, len(line) + 1))


def _is_held(namespace: str, made: RunQueue, limits: Limits) -> bool:
    count = sum(job[0] == namespace for job in made.working)
    total = limits.total is not None and len(made.working) >= limits.total
    return total or (limits.per_namespace is not None and count >= limits.per_namespace)
