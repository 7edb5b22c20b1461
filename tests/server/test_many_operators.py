"""Minutely schedules for minutes, two operators by accident, and SIGKILL again and again: each slot has one Report."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.metadata import SCHEDULE_LABEL, SLOT_ANNOTATION, VARIANT_LABEL
from tests.server.process import operator
from tests.server.team import Team
from tests.support import objects
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
SCHEDULES = 25
VARIANTS = ("emea", "apac")
MINUTES = 5
CALM = 120
"""Seconds for the last operators to make up for what is late."""
_MINUTELY: Json = {
    "schedule": ["* * * * *"],
    "concurrencyPolicy": "Allow",
    "catchUp": {"policy": "All"},
    "history": {"successful": 100, "failed": 100},
    "variants": [{"name": name} for name in VARIANTS],
    "template": {"spec": objects.SPEC},
}


@pytest.fixture
def team(api: httpx.Client) -> Iterator[Team]:
    """A namespace that is left empty: what waits in it would keep the operators of other tests busy."""
    made = Team.make(api, "endurance")
    yield made
    for kind in ("scheduledreports", "reports", "jobs"):
        api.delete(made.path(kind), params={"propagationPolicy": "Background"}, timeout=60).raise_for_status()


@pytest.mark.requirement("D4")
def test_each_slot_has_one_report(team: Team, access: Path, store: SeaweedFS, tmp_path: Path) -> None:
    for number in range(SCHEDULES):
        manifest = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport"}
        team.post("scheduledreports", manifest | {"metadata": {"name": f"every-{number}"}, "spec": _MINUTELY})
    made: list[Json] = []
    began = next_minute(datetime.now(UTC))
    slots = [objects.text(began + timedelta(minutes=minute)) for minute in range(MINUTES)]
    expected = {(f"every-{n}", name, slot) for n in range(SCHEDULES) for name in VARIANTS for slot in slots}
    done, stop = threading.Event(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(team, made, stop))
    ended = began + timedelta(minutes=MINUTES)
    processes = [
        threading.Thread(target=_live_and_die, args=(partial(operator, access, store, log), ended, done, seed))
        for seed, log in enumerate((tmp_path / "one", tmp_path / "two"))
    ]
    for thread in (watcher, *processes):
        thread.start()
    while any(thread.is_alive() for thread in processes):
        time.sleep(1)
        if expected <= {identity(each) for each in list(made)}:
            done.set()
    stop.set()
    watcher.join()
    found = Counter(identity(each) for each in made)
    assert {one for one, count in found.items() if count > 1} == set()
    assert expected - set(found) == set()
    jobs = Counter(job["metadata"]["labels"]["report-operator.io/report"] for job in team.list("jobs"))
    assert set(jobs.values()) == {1}


def next_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def identity(report: Json) -> tuple[str, str, str]:
    """Return schedule, variant and slot of a Report."""
    metadata = report["metadata"]
    return (
        metadata["labels"][SCHEDULE_LABEL],
        metadata["labels"][VARIANT_LABEL],
        metadata["annotations"][SLOT_ANNOTATION],
    )


def _watch(team: Team, made: list[Json], stop: threading.Event) -> None:
    """Note every Report that is ever made, also one that is deleted at once."""
    version = team.api.get(team.path("reports")).json()["metadata"]["resourceVersion"]
    while not stop.is_set():
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "5"}
        with team.api.stream("GET", team.path("reports"), params=query, timeout=15) as answer:
            for line in answer.iter_lines():
                event = httpx.Response(200, content=line).json()
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] == "ADDED":
                    made.append(event["object"])


def _live_and_die(start: Callable[[], Any], ended: datetime, done: threading.Event, seed: int) -> None:
    """Let one operator after the other live for a while and kill it, and let the last one live until all is done."""
    chance = random.Random(seed)
    while datetime.now(UTC) < ended:
        with start() as process:
            if chance.random() < 0.8:
                process.wait_ready()  # or else it dies while it learns what there is
            time.sleep(chance.uniform(1, 20))
            process.process.send_signal(signal.SIGKILL)
    with start() as process:
        process.wait_ready()
        done.wait(CALM)
