"""What owners are told of a schedule that fails, when, and how often."""

import contextlib
from typing import Any

import pytest

from tests.support.schedules import DAILY, HOURLY, MINUTELY, TWO, UID, CrashError, World, condition, utc

Json = dict[str, Any]
OWNERS: Json = {
    "onFailure": {
        "notify": [
            {
                "name": "owners",
                "email": {"server": {"host": "mail.example"}, "from": "reports@example.com", "to": ["ops@example.com"]},
            },
            {"name": "chat", "webhook": {"url": "https://chat.example/hook"}},
        ]
    }
}


def failing(now: str, **spec: Any) -> World:
    """Return a world in which a ScheduledReport was made and seen."""
    world = World.of(now, **spec)
    world.operate()  # Begins a probe of the owners' destinations,
    world.operate()  # and finds that they answer.
    return world


def notices(world: World) -> list[Json]:
    found = [r for r in world.reports.values() if r["metadata"]["labels"]["report-operator.io/trigger"] == "notice"]
    return sorted(found, key=lambda report: str(report["metadata"]["creationTimestamp"]))


def titles(world: World) -> list[str]:
    return [report["spec"]["title"] for report in notices(world)]


def runs(world: World) -> list[str]:
    return [name for name in world.active() if "notice" not in name]


def slot(world: World, time: str, phase: str) -> None:
    """Let a slot come and its run end."""
    world.operate(to=time)
    for name in runs(world):
        world.end(name, phase)
    world.operate()
    world.end_all()
    world.operate()


@pytest.mark.requirement("N8")
class TestNotices:
    def test_the_first_failure_is_told_with_its_cause(self) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        slot(world, "2026-05-04 09:00", "Failed")
        [told] = notices(world)
        failed = world.made[0]
        assert told["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "report-operator",
            "report-operator.io/schedule": "weekly",
            "report-operator.io/schedule-uid": UID,
            "report-operator.io/trigger": "notice",
        }
        assert told["spec"]["title"] == "weekly failed"
        params = told["spec"]["template"]["params"]
        assert params["message"] == "The last slot of the schedule team-a/weekly failed."
        assert params["details"][0] == "Failed: It has Failed."
        assert f"Report {failed}" in params["details"][1]
        assert (
            params["details"][2] == "The run was ended, or never began, before it could hand over the end of its log."
        )
        assert "kubectl logs" in params["details"][4]
        email, webhook = told["spec"]["destinations"]
        assert email["email"]["to"] == ["ops@example.com"]
        assert email["email"]["subject"] == "{{ report.title }}"
        assert webhook["webhook"]["url"] == "https://chat.example/hook"

    def test_texts_of_others_are_values_and_no_template(self) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.operate(to="2026-05-04 09:00")
        [name] = runs(world)
        world.end(name, "Failed")
        world.reports[name]["status"]["message"] = "{{ secret }}"
        world.operate()
        [told] = notices(world)
        assert "{{ secret }}" in told["spec"]["template"]["params"]["details"][0]
        assert "secret" not in told["spec"]["sections"][0]["blocks"][0]["text"]["content"]
        assert "secret" not in told["spec"]["destinations"][0]["email"]["body"]

    def test_words_of_the_owner_stay(self) -> None:
        spec: Json = {"onFailure": {"notify": [OWNERS["onFailure"]["notify"][0]]}}
        spec["onFailure"]["notify"][0] = {
            **spec["onFailure"]["notify"][0],
            "email": {**spec["onFailure"]["notify"][0]["email"], "subject": "Oh no"},
        }
        world = failing("2026-05-04 08:00", **DAILY, **spec)
        slot(world, "2026-05-04 09:00", "Failed")
        assert notices(world)[0]["spec"]["destinations"][0]["email"]["subject"] == "Oh no"

    def test_a_minutely_failure_is_told_once_an_hour_with_its_count(self) -> None:
        world = failing("2026-05-04 08:00", **MINUTELY, **OWNERS, history={"failed": 200})
        for minute in range(1, 130):
            slot(world, f"2026-05-04 {8 + minute // 60:02}:{minute % 60:02}", "Failed")
        messages = [each["spec"]["template"]["params"]["message"] for each in notices(world)]
        assert [message.split(" of ")[0] for message in messages] == [
            "The last slot",
            "The last 60 slots",
            "The last 120 slots",
        ]

    def test_the_end_of_the_log_is_told(self) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.operate(to="2026-05-04 09:00")
        [name] = runs(world)
        world.end(name, "Failed")
        world.reports[name]["status"] |= {"stage": "fetch", "log": ["08:59:58 info stage fetch starts", "{{ secret }}"]}
        world.operate()
        [told] = notices(world)
        params = told["spec"]["template"]["params"]
        assert params["log"] == ["08:59:58 info stage fetch starts", "{{ secret }}"]
        assert not [line for line in params["details"] if "end of its log" in line]
        assert "The end of its log" in told["spec"]["sections"][0]["blocks"][0]["text"]["content"]

    @pytest.mark.parametrize(
        ("reason", "stage", "says"),
        [
            ("OutOfMemory", "render", "Stage render was ended, or never began, before it could hand over"),
            ("DeliveryFailed", "", "The files were made; what was not sent is in the artifact deliveries.json."),
        ],
    )
    def test_why_there_is_no_end_of_a_log(self, reason: str, stage: str, says: str) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.operate(to="2026-05-04 09:00")
        [name] = runs(world)
        world.end(name, "Failed")
        world.reports[name]["status"] |= {"reason": reason, "stage": stage}
        world.operate()
        assert notices(world)[0]["spec"]["template"]["params"]["details"][2].startswith(says)

    def test_a_later_notice_lists_what_failed_since(self) -> None:
        world = failing("2026-05-04 08:00", **MINUTELY, **OWNERS, history={"failed": 5})
        for minute in range(1, 64):
            slot(world, f"2026-05-04 {8 + minute // 60:02}:{minute % 60:02}", "Failed")
        first, second = (each["spec"]["template"]["params"]["details"] for each in notices(world))
        assert not [line for line in first if "Since" in line]
        kept = ", ".join(f"2026-05-04T{time}:00Z" for time in ("08:56", "08:57", "08:58", "08:59", "09:00"))
        assert second[0] == f"Since the last notice: 59: 54 before, and {kept}"

    def test_what_an_hour_held_back_is_told_when_it_is_over(self) -> None:
        world = failing("2026-05-04 08:00", schedule=["1,2 8 * * *"], **OWNERS)
        for time in ("2026-05-04 08:01", "2026-05-04 08:02"):
            slot(world, time, "Failed")
        assert len(notices(world)) == 1
        assert world.operate().wake_at == utc("2026-05-04 09:01")
        world.operate(to="2026-05-04 09:01")
        assert len(notices(world)) == 2
        assert world.operate().wake_at == utc("2026-05-05 08:01")

    def test_a_recovery_is_told_once_and_names_the_run(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        for hour, phase in ((9, "Failed"), (10, "Failed"), (11, "Succeeded"), (12, "Succeeded")):
            slot(world, f"2026-05-04 {hour:02}:00", phase)
        assert titles(world) == ["weekly failed", "weekly failed", "weekly succeeds again"]
        assert world.status["notices"] == {"inARow": 0, "lastTime": "2026-05-04T10:00:00Z"}

    def test_one_variant_that_fails_is_told_though_the_others_succeed(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS, **TWO, stopAfter=2)
        for hour, phase in ((9, "Failed"), (10, "Failed"), (11, "Failed"), (12, "Succeeded")):
            world.operate(to=f"2026-05-04 {hour:02}:00")
            for name in runs(world):
                world.end(name, phase if "apac" in name else "Succeeded")
            world.operate()
            world.end_all()
            world.operate()
        assert titles(world) == [*["weekly failed"] * 3, "weekly succeeds again"]
        first, _, third, recovery = (each["spec"]["template"]["params"] for each in notices(world))
        assert first["message"] == "In the last slot of the schedule team-a/weekly runs of some variants failed."
        assert third["message"].startswith("In the last 3 slots of the schedule")
        assert "apac" in first["details"][1]
        assert "1200" in recovery["details"][0]
        assert (world.status["failures"]["inARow"], condition(world, "Stopped")) == (0, None), "the others go on"

    def test_all_that_failed_in_the_slot_are_named(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS, **TWO)
        slot(world, "2026-05-04 09:00", "Failed")
        details = notices(world)[0]["spec"]["template"]["params"]["details"]
        assert "emea" in details[1]
        assert details[-1].startswith("With it failed Report weekly-20260504-0900-apac-")

    def test_a_crash_between_a_notice_and_its_record_makes_no_second_one(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        world.operate(to="2026-05-04 09:00")
        world.end_all("Failed")
        with contextlib.suppress(CrashError):
            world.operate(steps=1)
        assert len(notices(world)) == 1
        slot(world, "2026-05-04 10:00", "Failed")
        assert len(notices(world)) == 1

    def test_a_notice_of_a_row_before_hides_none(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        slot(world, "2026-05-04 09:00", "Failed")
        world.edit(onFailure=None)
        slot(world, "2026-05-04 11:00", "Succeeded")
        world.edit(**OWNERS)
        world.operate()
        slot(world, "2026-05-04 12:00", "Failed")
        assert titles(world) == ["weekly failed", "weekly failed"]

    def test_an_edit_forgives_without_a_word(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        slot(world, "2026-05-04 09:00", "Failed")
        world.now = utc("2026-05-04 09:30")
        world.edit(schedule=["0 12 * * *"])
        world.operate()
        assert titles(world) == ["weekly failed"]
        slot(world, "2026-05-04 12:00", "Succeeded")
        assert titles(world) == ["weekly failed"]

    def test_nobody_is_told_without_being_asked_for(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY)
        slot(world, "2026-05-04 09:00", "Failed")
        assert notices(world) == []
        assert "notices" not in world.status

    def test_manual_runs_that_fail_are_not_told_of(self) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.annotate(run_now="1")
        slot(world, "2026-05-04 08:10", "Failed")
        assert notices(world) == []

    @pytest.mark.parametrize("steps", range(4))
    def test_a_kill_anywhere_tells_it_once(self, steps: int) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.operate(to="2026-05-04 09:00")
        world.end_all("Failed")
        with contextlib.suppress(CrashError):
            world.operate(steps=steps)
        world.operate()
        world.operate()
        assert [name for name in world.made if "notice" in name] == [notices(world)[0]["metadata"]["name"]]

    def test_a_refused_notice_is_an_event_and_not_tried_again(self) -> None:
        world = failing("2026-05-04 08:00", **DAILY, **OWNERS)
        world.refused["notice"] = "exceeded quota"
        slot(world, "2026-05-04 09:00", "Failed")
        assert notices(world) == []
        assert world.told.count("NoticeRefused") == 1

    def test_notices_are_no_runs_of_the_schedule(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS, concurrencyPolicy="Forbid", history={"failed": 1})
        world.operate(to="2026-05-04 09:00")
        world.end_all("Failed")
        world.operate()
        assert world.status["active"] == []
        assert world.status["lastRun"]["name"] == world.made[0]
        world.operate(to="2026-05-04 10:00")
        assert len(runs(world)) == 1

    def test_old_notices_go(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        for hour in range(9, 20):
            slot(world, f"2026-05-04 {hour:02}:00", "Failed")
        assert len(notices(world)) == 5
        assert notices(world)[-1]["metadata"]["creationTimestamp"] == "2026-05-04T19:00:01Z"

    def test_one_that_is_being_sent_again_does_not(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS)
        slot(world, "2026-05-04 09:00", "Failed")
        [first] = notices(world)
        first.setdefault("status", {"phase": "Failed"})["redelivery"] = {"token": "t1", "phase": "Running"}
        for hour in range(10, 20):
            slot(world, f"2026-05-04 {hour:02}:00", "Failed")
        assert notices(world)[0] is first
        assert len(notices(world)) == 6

    def test_says_that_the_schedule_has_stopped(self) -> None:
        world = failing("2026-05-04 08:00", **HOURLY, **OWNERS, stopAfter=2)
        for hour in (9, 10):
            slot(world, f"2026-05-04 {hour:02}:00", "Failed")
        assert "It has stopped" in notices(world)[-1]["spec"]["template"]["params"]["message"]
