"""What can wait is told of last, once, and by the end of the process at the latest."""

import asyncio
from functools import partial

import pytest

from report_operator.cluster.errors import ConflictError, UnavailableError
from report_operator.control.queue import WorkQueue
from report_operator.control.telling import Telling

Key = tuple[str, str]
ONE, TWO = ("team-a", "one"), ("team-a", "two")


class Play:
    """Reports, something more urgent, and what is told."""

    def __init__(self, most: float = float("inf")) -> None:
        self.reports, self.urgent = WorkQueue[Key](), WorkQueue[Key]()
        self.telling = Telling("report", self.reports, [self.urgent], most)
        self.told: list[Key] = []

    def put_off(self, key: Key, failure: Exception | None = None) -> None:
        """Have a Report told of."""
        self.telling.put_off(key, partial(self._tell, key, failure))

    async def _tell(self, key: Key, failure: Exception | None) -> None:
        await asyncio.sleep(0)
        self.told.append(key)
        if failure is not None:
            raise failure


async def test_it_has_to_wait_while_there_is_something_more_urgent_and_room() -> None:
    play = Play(most=1)
    waits = [play.telling.has_to_wait]
    play.urgent.add(ONE)
    waits.append(play.telling.has_to_wait)
    play.put_off(TWO)
    waits.append(play.telling.has_to_wait)
    assert waits == [False, True, False]


async def test_it_tells_when_nothing_else_is_to_be_done() -> None:
    play = Play()
    play.urgent.add(ONE)
    play.put_off(TWO)
    play.telling.controller.start(2)
    await asyncio.sleep(0.01)
    assert play.told == []
    await play.urgent.get()
    await asyncio.sleep(0.01)
    assert play.told == [TWO]
    await play.telling.stop(patience=1)
    assert play.told == [TWO]


async def test_who_looks_at_an_object_again_has_it_told_before() -> None:
    play = Play()
    play.put_off(ONE, ConflictError("changed"))
    with pytest.raises(ConflictError):
        await play.telling.catch_up(ONE)
    await play.telling.catch_up(ONE)
    assert play.told == [ONE]


@pytest.mark.parametrize("failure", [ConflictError("changed"), UnavailableError("gone")])
async def test_what_cannot_be_told_is_looked_at_again(failure: Exception) -> None:
    play = Play()
    play.put_off(ONE, failure)
    play.telling.controller.start(1)
    assert await play.reports.get() == ONE
    await play.telling.stop(patience=1)
    assert play.told == [ONE]


async def test_at_the_end_of_the_process_all_is_told() -> None:
    play = Play()
    play.urgent.add(ONE)
    play.put_off(ONE, UnavailableError("gone"))
    play.put_off(TWO)
    play.telling.controller.start(1)
    await play.telling.stop(patience=1)
    assert play.told == [ONE, TWO]
