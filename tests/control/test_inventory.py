"""ScheduledReports that are known, and those that there are. The API server is a fake; tests/server has a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import UnavailableError
from report_operator.control import inventory
from report_operator.control.controller import Key
from report_operator.control.inventory import Inventory
from report_operator.control.manifests import Manifests
from report_operator.control.queue import WorkQueue

Json = dict[str, Any]


class FakeCluster:
    """Counts, one answer after the other, the last one again and again; and lists what there is, two on a page."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.there: dict[int, int] = {}
        """Versions by number."""
        self.outages = 0

    async def count_scheduled_reports(self) -> int:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scheduled_report_pages(self) -> AsyncIterator[Json]:
        listed = [schedule(number, version) for number, version in self.there.items()]
        yield {"items": listed[:2]}
        if self.outages:
            self.outages -= 1
            raise UnavailableError("503")
        yield {"items": listed[2:]}


def schedule(number: int, version: int = 1) -> Json:
    return {"metadata": {"namespace": "team-a", "name": f"weekly-{number}", "resourceVersion": str(version)}}


def key(number: int) -> Key:
    return ("team-a", f"weekly-{number}")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(inventory, "SETTLE_SECONDS", 0.0)


class Play:
    """An inventory at work."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.known, self.queue = Manifests(), WorkQueue[Key]()
        self.inventory = Inventory(cast("Cluster", cluster), self.known, self.queue)
        self.task = asyncio.create_task(self.inventory.follow())

    async def looks(self, count: int) -> set[Key]:
        """Return the keys that are to be looked at, which are so many."""
        async with asyncio.timeout(5):
            found = {await self.queue.get() for _ in range(count)}
        assert len(self.queue) == 0
        return found


@pytest.fixture
def play() -> Iterator[Callable[[FakeCluster], Play]]:
    played: list[Play] = []

    def begin(cluster: FakeCluster) -> Play:
        played.append(Play(cluster))
        return played[-1]

    yield begin
    for each in played:
        each.task.cancel()


Begin = Callable[[FakeCluster], Play]


async def test_all_that_there_are_have_been_seen(play: Begin) -> None:
    played = play(FakeCluster(2))
    played.known.put(schedule(1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not played.inventory.listed.is_set()
    played.known.put(schedule(2))
    await asyncio.wait_for(played.inventory.listed.wait(), 5)


@pytest.mark.parametrize("answers", [[0], [1, 0], [UnavailableError("429"), 0]])
async def test_one_that_goes_or_an_outage_is_not_waited_for(play: Begin, answers: list[int | Exception]) -> None:
    await asyncio.wait_for(play(FakeCluster(*answers)).inventory.listed.wait(), 5)


async def listed(play: Begin, *numbers: int) -> tuple[Play, FakeCluster]:
    """Return an inventory that knows these."""
    cluster = FakeCluster(len(numbers))
    cluster.there = dict.fromkeys(numbers, 1)
    played = play(cluster)
    for number in numbers:
        played.known.put(schedule(number))
    await asyncio.wait_for(played.inventory.listed.wait(), 5)
    return played, cluster


@pytest.mark.parametrize("outages", [0, 2])
async def test_what_has_gone_come_or_changed_unseen_is_looked_at(play: Begin, outages: int) -> None:
    played, cluster = await listed(play, 1, 2, 3, 4)
    cluster.there, cluster.outages = {2: 1, 3: 1, 4: 9, 5: 8}, outages
    played.inventory.see_relisted()
    assert await played.looks(3) == {key(1), key(4), key(5)}
    assert set(played.known.keys()) == {key(number) for number in (2, 3, 4, 5)}


async def test_the_only_one_has_gone(play: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none that a new listing could name."""
    monkeypatch.setattr(inventory, "COMPARE_SECONDS", 0.01)
    played, cluster = await listed(play, 1)
    cluster.there = {}
    assert await played.looks(1) == {key(1)}
    assert played.known.keys() == []


async def test_one_that_comes_meanwhile_is_kept(play: Begin) -> None:
    played, cluster = await listed(play, 1)
    pages = cluster.scheduled_report_pages

    async def meanwhile() -> AsyncIterator[Json]:
        played.known.put(schedule(2, 5))
        async for page in pages():
            yield page

    cluster.scheduled_report_pages = meanwhile  # type: ignore[method-assign]
    cluster.there = {}
    played.inventory.see_relisted()
    assert await played.looks(1) == {key(1)}
    assert played.known.keys() == [key(2)]
