"""The clock of the operator's node was a year ahead for one look."""

from tests.support.schedules import DAILY, World, utc


def test_slots_are_run_as_soon_as_it_is_right_again() -> None:
    world = World.of("2026-05-04 08:00", **DAILY)
    world.operate(to="2027-05-04 08:30")
    world.now = utc("2026-05-04 08:10")
    world.run("2026-05-05 10:00")
    assert world.slots() == ["05-04 09:00", "05-05 09:00", "05-03 09:00"]
    assert world.status["nextRunTime"] == "2026-05-06T09:00:00Z"


def test_an_edit_counts_from_its_own_time() -> None:
    world = World.of("2026-05-04 08:00", **DAILY)
    world.operate(to="2027-05-04 08:30")
    world.now = utc("2026-05-04 08:40")
    world.edit(schedule=["45 * * * *"])
    world.operate()
    assert world.status["nextRunTime"] == "2026-05-04T08:45:00Z"
