"""Whose turn it is when as many runs as may be have not ended.

Namespaces take turns: the next run is one of the namespace that has the fewest under way. Within a namespace the more
urgent goes first, manual before scheduled before backfilled, then the one that has waited longest. Between namespaces
that have as many under way, the same order decides.
"""

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from zlib import crc32

from report_operator.api.metadata import SCHEDULE_UID_LABEL, TRIGGER_LABEL, Trigger
from report_operator.plan.durations import Durations, Kind
from report_operator.plan.subject import Subject

Name = tuple[str, str]
"""Namespace and name of a Report or Job."""

_URGENCY = {trigger.value: urgency for urgency, trigger in enumerate(Trigger)}
_SOONEST = 30.0
_LATEST = 300.0
_PER_POSITION = 0.25


@dataclass(frozen=True)
class Limits:
    """How many runs may be under way at once; None is no limit."""

    total: int | None = None
    per_namespace: int | None = None


@dataclass(frozen=True, order=True)
class Waiting:
    """A run that waits for its turn; the smaller one is the more urgent."""

    urgency: int
    since: datetime
    report: Name
    job: Name = field(compare=False)
    schedule: str = field(compare=False)
    """UID of the ScheduledReport; empty when there is none."""

    @classmethod
    def of(cls, subject: Subject, now: datetime, job: str | None = None) -> Self:
        """Return the run of a Report, or another `job` of it. What a user has asked for is as urgent as a manual run.

        An edit does not cost a waiting Report its place; an edit of one that does not wait has it begin now.
        """
        metadata, queue = subject.metadata, subject.status.queue
        first = metadata.creation_timestamp if metadata.generation == 1 and job is None else None
        return cls(
            urgency=_URGENCY.get(metadata.labels.get(TRIGGER_LABEL, ""), 0),
            since=queue.since if queue is not None else (first or now).replace(microsecond=0),
            report=subject.key,
            job=(metadata.namespace, job or subject.job_name),
            schedule=metadata.labels.get(SCHEDULE_UID_LABEL, ""),
        )


@dataclass(frozen=True)
class Turn:
    """Where a run stands that may not start yet."""

    position: int
    """1 is the next."""
    since: datetime
    """When it began to wait."""
    rule: str
    """The limit that holds it, without full stop: `namespace a may have 5 runs at once`."""
    wait: timedelta | None
    """How long it will wait; None while no duration is known."""

    def look_again(self, run_id: str) -> timedelta:
        """Return when to tell its position anew: later further back, and not for all at once."""
        longest = min(_SOONEST + self.position * _PER_POSITION, _LATEST)
        return timedelta(seconds=longest * (1 - crc32(run_id.encode()) % 1000 / 4000))


class RunQueue:
    """The runs that wait, and the Jobs that hold a place."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[Name, Waiting] = {}
        self._lines: dict[str, list[Waiting]] = {}
        self._working: dict[Name, str] = {}
        self._counts: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Return how many runs wait."""
        return len(self._known)

    @property
    def working(self) -> frozenset[Name]:
        """Return the Jobs that hold a place."""
        return frozenset(self._working)

    def has_place(self, job: Name) -> bool:
        """Return whether a Job holds a place."""
        return job in self._working

    def join(self, run: Waiting) -> None:
        """Have a run wait, instead of an older run of its Report."""
        self.leave(run.report)
        bisect.insort(self._lines.setdefault(run.report[0], []), run)
        self._known[run.report] = run

    def leave(self, report: Name) -> None:
        """Have a Report wait no more."""
        run = self._known.pop(report, None)
        if run is not None:
            line = self._lines[report[0]]
            del line[bisect.bisect_left(line, run)]
            if not line:
                del self._lines[report[0]]

    def begin(self, job: Name, schedule: str) -> None:
        """Give a Job a place, also beyond the limits: it is there."""
        if job not in self._working:
            self._counts[job[0]] += 1
        self._working[job] = schedule

    def end(self, job: Name) -> None:
        """Take a Job's place back."""
        if self._working.pop(job, None) is not None:
            self._counts[job[0]] -= 1
            if not self._counts[job[0]]:
                del self._counts[job[0]]

    def call_next(self) -> Waiting | None:
        """Give the run whose turn it is its place; None when there is none, or no place."""
        total, most = self._limits.total, self._limits.per_namespace
        if not self._lines or (total is not None and len(self._working) >= total):
            return None
        first = min((line[0] for line in self._lines.values()), key=lambda run: (self._counts[run.report[0]], run))
        if most is not None and self._counts[first.report[0]] >= most:
            return None  # Every other namespace has as many under way.
        self.leave(first.report)
        self.begin(first.job, first.schedule)
        return first

    def turn_of(self, report: Name, durations: Durations) -> Turn:
        """Return where a waiting Report stands."""
        run, namespace = self._known[report], report[0]
        total, most = self._limits.total, self._limits.per_namespace
        index = bisect.bisect_left(self._lines[namespace], run)
        open_to_all = index + 1 if most is None else max(most - self._counts[namespace], 0)
        if total is not None and index < open_to_all:
            position, rule = self._position(namespace, index), f"the cluster may have {_runs(total)} at once"
        else:
            # Those of other namespaces are not before it, but where they are before its own.
            before = self._position(namespace, open_to_all - 1) if open_to_all else 0
            position, rule = before + index - open_to_all + 1, f"namespace {namespace} may have {_runs(most)} at once"
        return Turn(position, run.since, rule, self._wait(namespace, index + 1, position, durations))

    def _position(self, namespace: str, index: int) -> int:
        """Return the how manieth to be called a run of a namespace's line is, were there no limit for namespaces.

        A run's level is how many its namespace has under way when it is called, if none ends meanwhile. Levels are
        called one after the other, each with at most one run of a namespace.
        """
        run, level = self._lines[namespace][index], self._counts[namespace] + index
        position = index + 1
        for other, line in self._lines.items():
            below = level - self._counts[other]
            if other != namespace:
                position += min(len(line), max(below, 0)) + (0 <= below < len(line) and line[below] < run)
        return position

    def _wait(self, namespace: str, in_namespace: int, position: int, durations: Durations) -> timedelta | None:
        """Return how long it takes until so many places are free, when runs go on to end as they did."""
        total, most = self._limits.total, self._limits.per_namespace
        waits = []
        if total is not None:
            waits.append(_until(position - (total - len(self._working)), self._kinds(), durations))
        if most is not None:
            mine = [kind for kind in self._kinds() if kind[0] == namespace]
            waits.append(_until(in_namespace - (most - len(mine)), mine, durations))
        known = [wait for wait in waits if wait is not None]
        return max(known, default=None) if len(known) == len(waits) else None

    def _kinds(self) -> list[Kind]:
        """Return what kinds of runs are under way."""
        return [(job[0], schedule) for job, schedule in self._working.items()]


def _runs(count: int | None) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _until(ends: int, kinds: Iterable[Kind], durations: Durations) -> timedelta | None:
    """Return how long it takes until so many of the runs under way, and of those that follow them, have ended."""
    if ends <= 0:
        return timedelta()
    means = [durations.mean(kind) for kind in kinds]
    rate = sum(1 / max(mean.total_seconds(), 1) for mean in means if mean is not None)
    return timedelta(seconds=ends / rate) if rate else None
