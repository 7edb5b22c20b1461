"""Who may start, as Jobs and Reports come and go: watches, listings with gaps, starts that fail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Phase
from report_operator.api.metadata import KUEUE_QUEUE_LABEL
from report_operator.api.report import ReportStatus
from report_operator.control.admission import Admission
from report_operator.plan import job as job_plan
from report_operator.plan.run_queue import Limits, Name, Turn
from report_operator.plan.subject import Subject
from tests.support import objects
from tests.support.objects import NOW, condition

Json = dict[str, Any]
DEFAULTS = job_plan.RunDefaults(image="example/report-operator:1")


def subject(name: str, namespace: str = "team-a", generation: int = 1, **metadata: Any) -> Subject:
    uid = f"uid-of-{namespace}-{name}"
    return Subject.from_manifest(objects.report(generation, name=name, namespace=namespace, uid=uid, **metadata))


def job(of: Subject, *conditions: Json, ttl: int | None = None, **labels: str) -> Json:
    """Return the Job of a run, as the API server has it."""
    manifest = job_plan.manifest(of, objects.ordered(of), DEFAULTS)
    manifest["metadata"] |= {"uid": of.job_name, "creationTimestamp": objects.text(NOW)}
    manifest["metadata"]["labels"] |= {KUEUE_QUEUE_LABEL: labels["queue"]} if labels else {}
    manifest["spec"] |= {"ttlSecondsAfterFinished": ttl} if ttl is not None else {}
    return manifest | {"status": {"conditions": list(conditions)}}


async def listing(*jobs: Json) -> AsyncIterator[Json]:
    for each in jobs:
        yield each


class Desk:
    """An admission, and who it has woken."""

    def __init__(self, total: int | None, per_namespace: int | None = None) -> None:
        self.woken: list[str] = []
        self.admission = Admission(Limits(total, per_namespace), self._wake)

    def _wake(self, report: Name) -> None:
        self.woken.append(report[1])

    async def open(self, *jobs: Json) -> "Desk":
        await self.admission.list(listing(*jobs))
        return self

    async def ask(self, of: Subject) -> Turn | None:
        return await self.admission.take(of, NOW)

    async def start(self, of: Subject) -> None:
        assert await self.ask(of) is None
        self.admission.keep(_report(of))


def _report(of: Subject) -> Name:
    return of.metadata.namespace, of.metadata.name


A, B, C = subject("a"), subject("b"), subject("c")


async def test_nobody_starts_before_the_jobs_are_known() -> None:
    desk = Desk(1)
    asking = asyncio.create_task(desk.ask(B))
    await asyncio.sleep(0)
    assert not asking.done()
    await desk.open(job(A))
    turn = await asking
    assert turn is not None
    assert (turn.position, turn.rule) == (1, "the cluster may have 1 run at once")


@pytest.mark.parametrize(
    "end",
    [
        pytest.param((job(A, condition("Complete")), False), id="complete"),
        pytest.param((job(A, condition("Failed")), False), id="failed"),
        pytest.param((job(A, ttl=3600), False), id="sealed"),
        pytest.param((job(A), True), id="deleted"),
    ],
)
async def test_the_next_is_woken_when_a_job_ends(end: tuple[Json, bool]) -> None:
    desk = await Desk(1).open(job(A))
    assert await desk.ask(B) is not None
    assert await desk.ask(C) is not None
    manifest, gone = end
    desk.admission.see(manifest, gone=gone)
    assert desk.woken == ["b"]
    assert await desk.ask(B) is None
    assert await desk.ask(C) is not None


async def test_one_that_changes_but_goes_on_frees_nothing() -> None:
    desk = await Desk(1).open(job(A))
    assert await desk.ask(B) is not None
    desk.admission.see(job(A, condition("Suspended")))
    assert desk.woken == []


async def test_who_asks_itself_is_not_woken() -> None:
    desk = await Desk(1).open()
    assert await desk.ask(A) is None
    assert desk.woken == []


async def test_the_operators_own_jobs_count_before_the_watch_tells_of_them() -> None:
    desk = await Desk(1).open()
    await desk.start(A)
    assert await desk.ask(B) is not None
    desk.admission.see(job(A))
    assert desk.admission.working == 1


async def test_a_start_that_fails_gives_its_place_to_the_next() -> None:
    desk = await Desk(1).open()
    assert await desk.ask(A) is None
    assert await desk.ask(B) is not None
    desk.admission.leave(_report(A))
    assert desk.woken == ["b"]
    assert await desk.ask(A) is not None


async def test_a_report_that_is_gone_when_it_is_called_gives_its_place_to_the_next() -> None:
    desk = await Desk(1).open(job(A))
    assert await desk.ask(B) is not None
    assert await desk.ask(C) is not None
    desk.admission.see(job(A), gone=True)
    desk.admission.leave(_report(B))
    assert desk.woken == ["b", "c"]


async def test_a_look_after_the_start_does_not_give_its_place_back() -> None:
    desk = await Desk(1).open()
    await desk.start(A)
    desk.admission.leave(_report(A))
    assert await desk.ask(B) is not None


async def test_a_job_that_the_watch_told_of_first_keeps_its_place() -> None:
    """The operator's own request to make the Job may be answered after that, or not at all."""
    desk = await Desk(1).open()
    assert await desk.ask(A) is None
    desk.admission.see(job(A))
    desk.admission.leave(_report(A))
    assert await desk.ask(B) is not None


async def test_an_edit_of_a_report_that_was_called_does_not_take_two_places() -> None:
    desk = await Desk(1).open()
    assert await desk.ask(A) is None
    assert await desk.ask(subject("a", generation=2)) is None
    assert desk.admission.working == 1


async def test_a_run_that_has_a_job_needs_no_turn() -> None:
    desk = await Desk(1).open(job(A), job(B))
    assert await desk.ask(A) is None


async def test_a_namespace_has_its_own_limit() -> None:
    desk = await Desk(9, 1).open(job(A))
    assert await desk.ask(B) is not None
    assert await desk.ask(subject("b", "team-b")) is None


async def test_jobs_of_kueue_do_not_count() -> None:
    desk = await Desk(1).open(job(A, queue="reports"))
    desk.admission.see(job(B, queue="reports"))
    assert await desk.ask(C) is None


async def test_somebody_elses_job_that_looks_like_ours_does_not_count() -> None:
    strange = job(A)
    del strange["metadata"]["labels"]["report-operator.io/report"]
    desk = await Desk(1).open(strange)
    assert await desk.ask(B) is None


async def test_the_wait_is_told_once_a_run_has_ended() -> None:
    desk = await Desk(1).open(job(A))
    turn = await desk.ask(B)
    assert turn is not None
    assert turn.wait is None
    took = {"start_time": NOW - timedelta(minutes=2), "completion_time": NOW}
    desk.admission.measure(A, ReportStatus(phase=Phase.SUCCEEDED, **took))
    desk.admission.measure(A, ReportStatus(phase=Phase.CANCELLED, start_time=NOW, completion_time=NOW))
    turn = await desk.ask(B)
    assert turn is not None
    assert turn.wait == timedelta(minutes=2)


class TestListedAgain:
    async def test_a_job_that_went_without_a_word_is_forgotten(self) -> None:
        desk = await Desk(1).open(job(A))
        assert await desk.ask(B) is not None
        await desk.open()
        assert desk.woken == ["b"]

    async def test_a_job_that_ended_meanwhile_is_not_counted_again(self) -> None:
        desk = await Desk(1).open(job(A))
        assert await desk.ask(B) is not None
        desk_sees = desk.admission.see

        async def pages() -> AsyncIterator[Json]:
            desk_sees(job(A, condition("Complete")))
            yield job(A)

        await desk.admission.list(pages())
        assert desk.woken == ["b"]
        assert desk.admission.working == 1

    async def test_a_job_that_was_made_meanwhile_is_kept(self) -> None:
        desk = await Desk(2).open()
        assert await desk.ask(A) is None

        async def pages() -> AsyncIterator[Json]:
            desk.admission.keep(_report(A))
            await desk.start(B)
            for manifest in list[Json]():
                yield manifest

        await desk.admission.list(pages())
        assert desk.admission.working == 2

    async def test_a_listing_that_breaks_off_forgets_nothing(self) -> None:
        desk = await Desk(1).open(job(A))

        async def pages() -> AsyncIterator[Json]:
            yield job(B)
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await desk.admission.list(pages())
        assert await desk.ask(C) is not None
