"""When all ScheduledReports are known. The API server is a fake that counts: a real one is in tests/server."""

import asyncio
from typing import Any, cast

import pytest

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import UnavailableError
from report_operator.control import first_listing
from report_operator.control.manifests import Manifests

Json = dict[str, Any]


class FakeCluster:
    """Counts, one answer after the other; the last one again and again."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)

    async def count_scheduled_reports(self) -> int:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def schedule(number: int) -> Json:
    return {"metadata": {"namespace": "team-a", "name": f"weekly-{number}", "resourceVersion": "1"}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_listing, "POLL_SECONDS", 0.0)


def waiting(cluster: FakeCluster, known: Manifests) -> "asyncio.Task[None]":
    return asyncio.create_task(first_listing.schedules_listed(cast("Cluster", cluster), known))


async def test_all_that_there_are_have_been_seen() -> None:
    known, cluster = Manifests(), FakeCluster(2)
    known.put_listed(schedule(1))
    task = waiting(cluster, known)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    known.put_listed(schedule(2))
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("answers", [[0], [1, 0], [UnavailableError("429"), 0]])
async def test_one_that_goes_or_an_outage_is_not_waited_for(answers: list[int | Exception]) -> None:
    await asyncio.wait_for(waiting(FakeCluster(*answers), Manifests()), 5)
