"""What a user copies from a Report of a schedule, labels and all, is the user's."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report_operator.plan.schedule.child import maker_of
from tests.support.schedules import DAILY, HOURLY, TWO, UID, World

Json = dict[str, Any]
NOTICES: Json = {"onFailure": {"notify": [{"name": "owners", "webhook": {"url": "https://example.com/"}}]}}
MAIL: Json = {"name": "team", "email": {"server": {"host": "smtp.example.com"}, "to": ["a@example.com"]}}


def apply_copy(world: World, name: str, new: str) -> Json:
    """Make a Report as `kubectl get -o yaml`, another name and `kubectl apply` do: without its status."""
    found = copy.deepcopy(world.reports[name])
    found.pop("status", None)
    found["metadata"]["name"] = new
    world.reports[new] = found
    return found


def of_every_kind() -> World:
    """Return a world with a Report for each reason that there is to make one."""
    world = World.of("2026-05-04 08:00", **HOURLY, **TWO, **NOTICES)
    world.manifest["spec"]["template"]["spec"]["destinations"] = [{**MAIL, "email": MAIL["email"] | {"from": "b@c.de"}}]
    world.operate()
    world.operate()
    world.annotate(run_now="by/hand", test_send="1/me@example.com")
    world.edit(backfill={"from": "2026-05-03T08:00:00Z", "to": "2026-05-03T09:00:00Z"})
    world.operate(to="2026-05-04 09:00")
    for name in world.active():
        world.end(name, "Failed")
    world.operate()
    return world


class TestMaker:
    def test_is_the_schedule_for_every_report_that_it_has_made(self) -> None:
        world = of_every_kind()
        triggers = {report["metadata"]["labels"]["report-operator.io/trigger"] for report in world.reports.values()}
        assert triggers == {"scheduled", "manual", "backfill", "test", "notice"}
        assert {maker_of(report) for report in world.reports.values()} == {UID}

    def test_is_nobody_for_a_copy(self) -> None:
        world = of_every_kind()
        for name in list(world.reports):
            for new in (f"{name}-copy", f"copy-of-{name}", "weekly", "weekly-again"):
                assert maker_of(apply_copy(world, name, new)) is None

    def test_is_still_the_schedule_when_that_has_changed(self) -> None:
        """Nothing but what is on the Report itself counts."""
        world = of_every_kind()
        world.edit(variants=[{"name": "all"}], schedule=["0 5 * * *"])
        world.manifest["metadata"]["annotations"] = {}
        world.operate()
        assert {maker_of(report) for report in world.reports.values()} == {UID}

    @pytest.mark.parametrize("without", ["schedule", "schedule-uid", "trigger", "variant"])
    def test_is_nobody_where_a_label_of_ours_was_removed(self, without: str) -> None:
        """Who wants to keep a Report makes it a Report of one's own."""
        world = World.of("2026-05-04 08:00", **DAILY, **TWO)
        world.run("2026-05-04 09:00")
        for report in world.reports.values():
            del report["metadata"]["labels"][f"report-operator.io/{without}"]
            assert maker_of(report) is None


class TestCopies:
    def test_hold_up_no_slot_and_are_no_runs(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, concurrencyPolicy="Forbid")
        world.run("2026-05-04 09:10")
        apply_copy(world, world.made[0], "mine")
        world.run("2026-05-04 10:10", succeed=False)
        assert [each["name"] for each in world.status["active"]] == [world.made[1]]
        assert world.status["skipped"]["count"] == 0
        assert world.slots() == ["05-04 09:00", "05-04 09:00", "05-04 10:00"]

    def test_are_neither_counted_nor_deleted_by_history(self) -> None:
        world = World.of("2026-05-04 08:00", **HOURLY, history={"successful": 1})
        world.run("2026-05-04 09:10")
        apply_copy(world, world.made[0], "mine")
        world.end("mine")
        world.run("2026-05-04 11:10")
        assert sorted(world.reports) == ["mine", world.made[2]]


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([1, 59, 300, 600, 1800]), st.sampled_from(["look", "Succeeded", "Failed", "copy"])),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_is_copied_the_schedule_goes_on_as_without_it(policy: str, steps: list[tuple[int, str]]) -> None:
    history = {"successful": 2, "failed": 1, "keepLast": 0}
    spec: Json = {"schedule": ["*/10 * * * *"], "concurrencyPolicy": policy, "history": history, **TWO}
    copied, plain = (World.of("2026-05-04 08:00", **spec) for _ in range(2))
    copies = []
    for number, (seconds, what) in enumerate(steps):
        for world in (copied, plain):
            world.now += timedelta(seconds=seconds)
            if what in ("Succeeded", "Failed"):
                world.end_all(what)
        if what == "copy" and copied.made and copied.made[-1] in copied.reports:
            copies.append(f"copy-{number}")
            apply_copy(copied, copied.made[-1], copies[-1])
        for world in (copied, plain):
            world.operate()
    assert (copied.status, copied.made, copied.cancelled) == (plain.status, plain.made, plain.cancelled)
    assert copied.reports.keys() == {*plain.reports, *copies}
