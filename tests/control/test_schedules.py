"""What a look at a ScheduledReport asks of the API server, in which order, and where it stops in an outage.

The API server is a fake that writes down what it is asked: a real one cannot be made to fail between two requests.
"""

import asyncio
from typing import Any, cast

import pytest

from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from report_operator.control.children import Children
from report_operator.control.clockwork import Clockwork
from report_operator.control.manifests import Manifests
from report_operator.control.schedules import PROBES, PROBES_OF_NAMESPACE, ScheduleReconciler
from report_operator.plan.job import RunDefaults
from report_operator.plan.policy import Rules
from tests.support.schedules import MINUTELY, TWO, World, utc
from tests.support.telling import PlayedTelling

Json = dict[str, Any]
KEY = ("team-a", "weekly")


class FakeCluster:
    """Holds one ScheduledReport; `failures` are raised by the calls of their names, one after the other."""

    def __init__(self, manifest: Json) -> None:
        self.manifest = manifest
        self.calls: list[str] = []
        self.failures: dict[str, list[Exception | None]] = {}
        self.jobs: dict[str, Json] = {}
        """Of probes."""
        self.said = ""
        """What the probe has written."""
        self.told: list[Json] = []
        """Events."""

    async def _asked(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        failure = self.failures.get(call, [None]).pop(0) if self.failures.get(call) else None
        if failure is not None:
            raise failure

    async def scheduled_report(self, _namespace: str, _name: str) -> Json:
        await self._asked("scheduled_report")
        return self.manifest

    async def create_report(self, manifest: Json) -> Json:
        await self._asked("create_report")
        return manifest | {"metadata": manifest["metadata"] | {"creationTimestamp": "2026-05-04T08:01:00Z"}}

    async def report(self, namespace: str, name: str) -> Json:
        await self._asked("report")
        return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": "1"}}

    async def patch_report(self, _namespace: str, _name: str, patch: Json) -> None:
        await self._asked("patch_report")
        assert [owner["uid"] for owner in patch["metadata"]["ownerReferences"]] == [self.manifest["metadata"]["uid"]]

    async def write_status(self, manifest: Json, status: Json) -> Json:
        await self._asked("write_status")
        version = str(int(manifest["metadata"]["resourceVersion"]) + 1)
        self.manifest = manifest | {"status": status, "metadata": manifest["metadata"] | {"resourceVersion": version}}
        return self.manifest

    async def create_job(self, manifest: Json) -> Json:
        await self._asked("create_job")
        self.jobs[manifest["metadata"]["name"]] = manifest
        return manifest

    async def job(self, _namespace: str, name: str) -> Json:
        await self._asked("job")
        if name not in self.jobs:
            raise NotFoundError("there is none")
        ended = [{"type": "Complete", "status": "True"}] if self.said else []
        created = {"creationTimestamp": "2026-05-04T08:01:00Z"}
        return {"metadata": self.jobs[name]["metadata"] | created, "status": {"conditions": ended}}

    async def pods(self, _namespace: str, selector: str) -> list[Json]:
        await self._asked("pods")
        assert selector == f"job-name={next(iter(self.jobs))}"
        state = {"terminated": {"exitCode": 0, "message": self.said}} if self.said else {}
        metadata = {"name": "probe-0", "creationTimestamp": "2026-05-04T08:01:00Z"}
        return [{"metadata": metadata, "status": {"containerStatuses": [{"name": "probe", "state": state}]}}]

    async def create_event(self, manifest: Json) -> None:
        await self._asked("create_event")
        self.told.append(manifest)


class Play:
    """A ScheduledReport of two variants that is due, and its operator."""

    def __init__(self, *, busy: bool = False) -> None:
        world = World.of("2026-05-04 08:00", **MINUTELY, **TWO)
        world.operate()
        world.manifest["metadata"]["resourceVersion"] = "1"
        self.cluster = FakeCluster(world.manifest)
        self.rung: list[tuple[str, str]] = []
        self.now = utc("2026-05-04 08:01")
        self.clockwork = Clockwork(self.rung.append, lambda: self.now)
        self.children = Children()
        self.reconciler = ScheduleReconciler(
            cast("Cluster", self.cluster),
            Manifests(),
            self.children,
            self.clockwork,
            lambda _: Rules(),
            "operator-0",
            lambda: self.now,
            RunDefaults(image="image"),
            PlayedTelling("scheduled_report", busy=busy),
        )

    async def look(self) -> list[str]:
        """Return the calls of a look."""
        self.cluster.calls.clear()
        await self.reconciler.reconcile(KEY)
        return list(self.cluster.calls)

    async def fail(self, error: type[Exception]) -> list[str]:
        """Return the calls of a look that fails."""
        self.cluster.calls.clear()
        with pytest.raises(error):
            await self.reconciler.reconcile(KEY)
        return list(self.cluster.calls)


@pytest.fixture
def play() -> Play:
    return Play()


async def test_a_slot_costs_one_request_for_each_report_and_one_for_the_status(play: Play) -> None:
    assert await play.look() == ["scheduled_report", "create_report", "create_report", "write_status"]
    play.now = utc("2026-05-04 08:02")
    play.clockwork.ring_due()
    assert play.rung == [KEY]
    assert await play.look() == ["create_report", "create_report", "write_status"]


async def test_a_second_look_asks_for_nothing(play: Play) -> None:
    await play.look()
    assert await play.look() == []


async def test_a_slot_between_an_edit_and_the_return_of_the_operator_is_run(play: Play) -> None:
    await play.look()
    edited = World(utc("2026-05-04 08:10"), play.cluster.manifest)
    edited.edit(schedule=["30 * * * *"])
    edited.manifest["metadata"]["resourceVersion"] = "3"
    play.cluster.manifest = edited.manifest
    play.reconciler.known.put(edited.manifest)
    play.now = utc("2026-05-04 08:35")
    assert (await play.look())[:3] == ["create_report", "create_report", "write_status"]
    assert play.cluster.manifest["status"]["lastScheduleTime"] == "2026-05-04T08:30:00Z"


@pytest.fixture
def crowd() -> Play:
    """Many are due."""
    return Play(busy=True)


async def test_where_many_are_due_the_status_waits(crowd: Play) -> None:
    assert await crowd.look() == ["scheduled_report", "create_report", "create_report"]
    await crowd.reconciler.telling.catch_up(KEY)
    assert crowd.cluster.calls[3:] == ["write_status"]
    assert crowd.cluster.manifest["status"]["lastScheduleTime"] == "2026-05-04T08:01:00Z"
    assert await crowd.look() == []
    crowd.now = utc("2026-05-04 08:02")
    crowd.clockwork.ring_due()
    assert crowd.rung == [KEY]


async def test_a_slot_is_on_record_before_the_next_is_looked_at(crowd: Play) -> None:
    await crowd.look()
    crowd.now = utc("2026-05-04 08:02")
    assert await crowd.look() == ["write_status", "create_report", "create_report"]
    assert crowd.cluster.manifest["status"]["lastScheduleTime"] == "2026-05-04T08:01:00Z"


async def test_a_status_that_waited_is_not_written_over_an_edit(crowd: Play) -> None:
    await crowd.look()
    metadata = crowd.cluster.manifest["metadata"] | {"resourceVersion": "7", "labels": {"team": "a"}}
    crowd.cluster.manifest = crowd.cluster.manifest | {"metadata": metadata}
    crowd.reconciler.known.put(crowd.cluster.manifest)
    assert await crowd.fail(ConflictError) == []
    assert await crowd.look() == ["scheduled_report", "write_status"]
    assert crowd.cluster.manifest["metadata"]["labels"] == {"team": "a"}
    assert crowd.cluster.manifest["status"]["lastScheduleTime"] == "2026-05-04T08:01:00Z"


@pytest.mark.parametrize("failure", [ConflictError("changed"), UnavailableError("gone"), TimeoutError()])
async def test_after_a_write_that_failed_all_is_read_anew(crowd: Play, failure: Exception) -> None:
    await crowd.look()
    crowd.cluster.failures["write_status"] = [failure]
    assert await crowd.fail(type(failure)) == ["write_status"]
    assert await crowd.look() == ["scheduled_report", "write_status"]
    assert crowd.cluster.manifest["status"]["lastScheduleTime"] == "2026-05-04T08:01:00Z"


async def test_what_is_more_than_reports_to_make_does_not_wait(crowd: Play) -> None:
    crowd.cluster.failures["create_report"] = [RefusedError("no quota"), None]
    assert "write_status" in await crowd.look()


@pytest.mark.parametrize("answers", [[UnavailableError("429"), None], [None, UnavailableError("429")]])
async def test_an_outage_stops_before_the_status(play: Play, answers: list[Exception | None]) -> None:
    """What was made is made: the next look makes the other one only."""
    play.cluster.failures["create_report"] = answers
    assert await play.fail(UnavailableError) == ["scheduled_report", "create_report", "create_report"]
    assert await play.look() == ["create_report", "write_status"]
    assert len(play.children.of("team-a", play.cluster.manifest["metadata"]["uid"])) == 2


async def test_a_refusal_is_told_in_the_status(play: Play) -> None:
    play.cluster.failures["create_report"] = [RefusedError("exceeded quota"), None]
    calls = await play.look()
    assert calls == ["scheduled_report", "create_report", "create_report", "write_status", "create_event"]
    skipped = play.cluster.manifest["status"]["skipped"]
    assert (skipped["count"], skipped["reason"]) == (1, "ReportRefused")
    assert "exceeded quota" in skipped["message"]


async def test_a_conflict_has_the_object_read_again(play: Play) -> None:
    play.cluster.failures["write_status"] = [ConflictError("changed")]
    await play.fail(ConflictError)
    assert await play.look() == ["scheduled_report", "write_status"]


def have_reports_owned(play: Play) -> None:
    """Edit the ScheduledReport."""
    metadata, spec = play.cluster.manifest["metadata"], play.cluster.manifest["spec"]
    edited = {"metadata": metadata | {"generation": 2}, "spec": spec | {"history": {"onDelete": "Delete"}}}
    play.cluster.manifest = play.cluster.manifest | edited
    play.reconciler.known.drop(KEY)


async def test_a_change_that_is_refused_is_told_and_holds_up_nothing_else(play: Play) -> None:
    """An admission policy may protect Reports."""
    await play.look()
    have_reports_owned(play)
    play.cluster.failures["patch_report"] = [RefusedError("denied by admission"), None]
    calls = await play.look()
    assert calls == ["scheduled_report", *["report", "patch_report"] * 2, "write_status", "create_event"]
    assert play.cluster.manifest["status"]["observedGeneration"] == 2
    assert play.cluster.told[-1]["reason"] == "ChangeRefused"
    assert "denied by admission" in play.cluster.told[-1]["message"]


async def test_reports_are_owned_before_the_status_says_that_the_edit_was_seen(play: Play) -> None:
    """A new process rests by what the status says."""
    await play.look()
    have_reports_owned(play)
    assert await play.look() == ["scheduled_report", *["report", "patch_report"] * 2, "write_status"]


def probed(play: Play, name: str = "weekly") -> Json:
    """Return the manifest of a new ScheduledReport of the namespace whose destination is to be probed."""
    known = play.cluster.manifest
    hook = {"name": "portal", "webhook": {"url": "https://portal.example.com/"}}
    template = {"spec": known["spec"]["template"]["spec"] | {"destinations": [hook]}}
    metadata = known["metadata"] | {"name": name, "uid": f"uid-of-{name}"}
    return known | {"metadata": metadata, "spec": known["spec"] | {"template": template}, "status": {}}


@pytest.mark.requirement("D9")
async def test_a_probe_is_one_job_whose_answer_is_read_until_it_is_there() -> None:
    play = Play()
    play.cluster.manifest = probed(play)
    assert [call for call in await play.look() if call != "create_event"] == [
        "scheduled_report",
        "create_job",
        "write_status",
    ]
    assert play.reconciler.probing == {KEY}
    assert await play.look() == ["job", "pods"], "the status says all of it"
    play.cluster.said = '{"problems": []}'
    assert [call for call in await play.look() if call != "create_event"] == [
        "job",
        "pods",
        *["create_report"] * 2,  # of the slot that fell within the probe
        "write_status",
    ]
    assert play.cluster.manifest["status"]["preflight"]["state"] == "Passed"
    assert play.reconciler.probing == set()
    assert len(play.cluster.jobs) == 1


@pytest.mark.parametrize(
    ("elsewhere", "beside", "begins"),
    [
        (PROBES - 1, 0, True),
        (PROBES, 0, False),
        (0, PROBES_OF_NAMESPACE - 1, True),
        (0, PROBES_OF_NAMESPACE, False),
    ],
)
async def test_a_thousand_new_schedules_make_no_thousand_pods(*, elsewhere: int, beside: int, begins: bool) -> None:
    """Nor do those of one namespace keep all others waiting."""
    play = Play()
    play.cluster.manifest = probed(play)
    play.reconciler.probing.update((f"team-b{number}", "other") for number in range(elsewhere))
    play.reconciler.probing.update(("team-a", f"other-{number}") for number in range(beside))
    assert ("create_job" in await play.look()) is begins
    if not begins:
        play.reconciler.probing.clear()
        assert "create_job" in await play.look()


async def test_new_schedules_of_a_moment_begin_no_more_probes_than_there_are_places() -> None:
    play = Play()
    names = [f"new-{number}" for number in range(PROBES_OF_NAMESPACE + 1)]
    for name in names:
        play.reconciler.known.put(probed(play, name))
    await asyncio.gather(*(play.reconciler.reconcile(("team-a", name)) for name in names))
    assert (len(play.cluster.jobs), len(play.reconciler.probing)) == (PROBES_OF_NAMESPACE, PROBES_OF_NAMESPACE)


@pytest.mark.parametrize(
    "left",
    [
        {"spec": {"suspend": True}},
        {"spec": {"timeZone": "Mars/Olympus"}},
        {"metadata": {"deletionTimestamp": "2026-05-04T08:01:00Z"}},  # and some finalizer keeps it
    ],
)
async def test_a_schedule_that_is_left_during_its_probe_gives_its_place_back(left: Json) -> None:
    play = Play()
    play.cluster.manifest = probed(play)
    await play.look()
    assert play.reconciler.probing == {KEY}
    known = play.cluster.manifest
    metadata = known["metadata"] | {"generation": 2, "resourceVersion": "9"} | left.get("metadata", {})
    play.reconciler.known.put(known | {"metadata": metadata, "spec": known["spec"] | left.get("spec", {})})
    await play.look()
    assert play.reconciler.probing == set()
