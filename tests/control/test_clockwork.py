"""Each key rings once, at the last time that was set for it, by the clock on the wall."""

import asyncio
from datetime import UTC, datetime, timedelta

from report_operator.control.clockwork import LONGEST_SLEEP, Clockwork

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
A, B = ("team-a", "weekly"), ("team-b", "daily")


class Wall:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON
        self.rung: list[tuple[str, str]] = []
        self.clockwork = Clockwork(self.rung.append, lambda: self.now)

    def at(self, minutes: float) -> timedelta:
        self.now = NOON + timedelta(minutes=minutes)
        return self.clockwork.ring_due()


def in_minutes(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_rings_in_time_and_once() -> None:
    wall = Wall()
    wall.clockwork.set(A, in_minutes(2))
    wall.clockwork.set(B, in_minutes(1))
    assert wall.at(0.9) == timedelta(seconds=6)
    assert wall.rung == []
    wall.at(1)
    assert wall.rung == [B]
    wall.at(5)
    wall.at(6)
    assert wall.rung == [B, A]


def test_the_last_time_counts() -> None:
    wall = Wall()
    wall.clockwork.set(A, in_minutes(1))
    wall.clockwork.set(A, in_minutes(3))
    wall.clockwork.set(B, in_minutes(1))
    wall.clockwork.set(B, None)
    wall.at(2)
    assert wall.rung == []
    wall.at(3)
    assert wall.rung == [A]


def test_a_time_set_back_to_what_it_was_rings_once() -> None:
    wall = Wall()
    for minutes in (1, 2, 1):
        wall.clockwork.set(A, in_minutes(minutes))
    wall.at(3)
    assert wall.rung == [A]


def test_sleeps_no_longer_than_a_clock_may_be_set_meanwhile() -> None:
    wall = Wall()
    assert wall.at(0) == LONGEST_SLEEP
    wall.clockwork.set(A, in_minutes(600))
    assert wall.at(0) == LONGEST_SLEEP


async def test_an_earlier_time_wakes_the_sleeper() -> None:
    rung = asyncio.Event()
    clockwork = Clockwork(lambda _: rung.set(), lambda: NOON)
    task = asyncio.create_task(clockwork.run())
    clockwork.set(A, in_minutes(600))
    await asyncio.sleep(0)
    clockwork.set(B, NOON)
    await asyncio.wait_for(rung.wait(), timeout=5)
    task.cancel()
