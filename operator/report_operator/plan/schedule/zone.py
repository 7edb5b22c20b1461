"""Wall-clock time of an IANA zone and instants in UTC, on days when clocks change too."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from report_operator.plan.schedule.errors import ScheduleError

_MACHINE_ZONES = frozenset({"localtime", "Factory"})
"""Files of the tz database that are no zone but what a machine has chosen."""
_MARGIN = timedelta(hours=3)
_DAY = timedelta(days=1)


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone of that name; raises ScheduleError when the tz database has none."""
    if name not in _names():
        raise ScheduleError(
            f"spec.timeZone: {name} is not in the operator's time zone database: write a name such as Europe/Berlin"
        )
    return ZoneInfo(name)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks of the zone show, without zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def first_instant(wall_time: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks first show a time, in UTC; for a time that is left out, the first moment after the gap."""
    local = wall_time.replace(tzinfo=zone, fold=0)
    instant = local.astimezone(UTC)
    if wall(instant, zone) == wall_time:
        return instant
    # PEP 495: in a gap, fold=0 has the offset of before it, fold=1 that of after it, and so lies earlier.
    return _change_between(local.replace(fold=1).astimezone(UTC), instant, zone)


def instants(wall_time: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return every moment at which the clocks show a time, in UTC: none, one or two."""
    found = {wall_time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(instant for instant in found if wall(instant, zone) == wall_time)


@lru_cache(maxsize=4096)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, in UTC."""
    return first_instant(datetime.combine(day, time()), zone)


@lru_cache(maxsize=4096)
def is_plain(day: date, zone: ZoneInfo) -> bool:
    """Return whether no clock changes on a day, nor in the hours around it."""
    start = datetime.combine(day, time())
    before, after = start - _MARGIN, start + _DAY + _MARGIN
    return before.replace(tzinfo=zone).utcoffset() == after.replace(tzinfo=zone, fold=1).utcoffset()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - _MACHINE_ZONES


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment of the new offset; it changes once in between."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
