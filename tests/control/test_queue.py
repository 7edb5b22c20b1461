"""The queue: every key is looked at after its last addition, never twice at once, and never for ever in vain."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.control import queue as queue_module
from report_operator.control.queue import LONGEST_RETRY_SECONDS, Workers, WorkQueue, backoff

SOON = 0.01


async def test_a_key_is_queued_once() -> None:
    queue = WorkQueue[str]()
    for _ in range(3):
        queue.add("a")
    queue.add("b")
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_that_is_added_while_worked_on_is_worked_on_again() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    queue.done(key)
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_the_earlier_time_stays() -> None:
    queue = WorkQueue[str]()
    queue.add("a", 3600)
    queue.add("a", SOON)
    queue.add("a", 3600)
    assert await queue.get() == "a"


async def test_a_look_takes_the_place_of_the_one_that_was_planned() -> None:
    queue = WorkQueue[str]()
    queue.add("a", SOON)
    queue.add("a")
    queue.done(await queue.get())
    await asyncio.sleep(5 * SOON)
    assert len(queue) == 0


async def test_times_set_while_worked_on_are_kept() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    key = await queue.get()
    queue.add("a", SOON)
    queue.done(key)
    assert await queue.get() == "a"


async def test_retries_wait_longer_each_time_until_one_succeeds() -> None:
    queue = WorkQueue[str]()
    delays = [queue.retry("a") for _ in range(5)]
    assert all(2**n * 0.5 <= delay < 2**n for n, delay in enumerate(delays))
    assert queue.retry("b") < 1
    queue.forget("a")
    assert queue.retry("a") < 1
    assert queue.retry("a", at_least=400) == 400


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_longest_wait_is_bounded(failures: int, chance: float) -> None:
    assert 0.5 <= backoff(failures, chance) <= LONGEST_RETRY_SECONDS


async def test_ages_are_of_keys_that_wait_or_are_worked_on() -> None:
    queue = WorkQueue[str]()
    queue.add("later", 3600)
    assert (queue.longest_wait, queue.longest_work) == (0, 0)
    queue.add("a")
    await asyncio.sleep(SOON)
    assert queue.longest_wait > 0
    assert queue.longest_work == 0
    await queue.get()
    await asyncio.sleep(SOON)
    assert queue.longest_wait == 0
    assert queue.longest_work > 0
    queue.done("a")
    assert (queue.longest_wait, queue.longest_work) == (0, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_no_addition_is_lost_and_no_key_is_worked_on_twice_at_once(seed: int) -> None:
    chance = random.Random(seed)
    queue = WorkQueue[int]()
    at_work: Counter[int] = Counter()
    wanted: Counter[int] = Counter()
    seen: Counter[int] = Counter()

    async def work(key: int) -> None:
        at_work[key] += 1
        assert at_work[key] == 1
        seen[key] = wanted[key]
        await asyncio.sleep(chance.random() * SOON / 10)
        at_work[key] -= 1

    workers = Workers(queue, work, count=4)
    for _ in range(500):
        key = chance.randrange(10)
        wanted[key] += 1
        queue.add(key, chance.choice([0, 0, SOON / 10]))
        if chance.random() < 0.1:
            await asyncio.sleep(0)
    while len(queue) or queue.longest_work or queue._timers:  # noqa: ASYNC110 - the queue tells nobody
        await asyncio.sleep(SOON)
    assert workers.alive
    await workers.stop(patience=1)
    assert seen == wanted


async def test_a_queue_gives_way_to_those_it_comes_after() -> None:
    first = WorkQueue[str]()
    second = WorkQueue[str](after=[first])
    first.add("a")
    first.add("b")
    second.add("c")
    waiting = asyncio.create_task(second.get())
    assert await first.get() == "a"
    await asyncio.sleep(SOON)
    assert not waiting.done()
    assert len(second) == 1
    assert await first.get() == "b"
    assert await waiting == "c"


async def test_a_queue_does_not_give_way_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "LONGEST_WAY_GIVEN_SECONDS", SOON)
    first = WorkQueue[str]()
    second = WorkQueue[str](after=[first])
    first.add("a")
    second.add("b")
    assert await second.get() == "b"


async def test_stopping_lets_workers_finish_and_take_nothing_new() -> None:
    queue = WorkQueue[str]()
    started, finish = asyncio.Event(), asyncio.Event()
    finished = []

    async def work(key: str) -> None:
        started.set()
        await finish.wait()
        finished.append(key)

    workers = Workers(queue, work, count=1)
    queue.add("a")
    queue.add("b")
    await started.wait()
    stopping = asyncio.create_task(workers.stop(patience=60))
    await asyncio.sleep(0)
    finish.set()
    await stopping
    assert finished == ["a"]
    assert len(queue) == 1


async def test_stopping_ends_what_does_not_finish() -> None:
    queue = WorkQueue[str]()
    started = asyncio.Event()

    async def work(_key: str) -> None:
        started.set()
        await asyncio.Event().wait()

    workers = Workers(queue, work, count=1)
    queue.add("a")
    await started.wait()
    await workers.stop(patience=SOON)
    assert not workers.alive
