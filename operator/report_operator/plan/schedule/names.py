"""Names of what is made for a ScheduledReport: they follow from what it is for, so that making it twice makes it once.

Nothing else has such a name, not even a copy that a user makes of a Report with all its labels.
"""

from datetime import UTC, datetime, tzinfo
from hashlib import sha256

from report_operator.api.metadata import Trigger

_NAME = 63
_VARIANT = 15


def of_run(schedule: str, uid: str, trigger: Trigger, variant: str, *, slot: datetime, token: str) -> str:
    """Return the name of the Report of a run; a backfilled slot has the name of the scheduled one."""
    asked = trigger in (Trigger.MANUAL, Trigger.TEST)
    key = f"{f'{trigger.value}/{token}' if asked else rfc3339(slot)}/{variant}"
    shown = trigger.value if asked else slot.astimezone(UTC).strftime("%Y%m%d-%H%M")
    return name_of(schedule, uid, shown, variant[:_VARIANT].rstrip("-"), key=key)


def of_notice(schedule: str, uid: str, key: str) -> str:
    """Return the name of the Report of a notice; `key` is what it tells."""
    return name_of(schedule, uid, "notice", key=f"notice/{key}")


def name_of(schedule: str, uid: str, *shown: str, key: str) -> str:
    """Return the name of an object of a ScheduledReport, at most 63 characters: the same for the same key."""
    digest = sha256(f"{uid}/{key}".encode()).hexdigest()[:10]
    tail = "-".join(filter(None, [*shown, digest]))
    stem = schedule.replace(".", "-")[: _NAME - 1 - len(tail)].rstrip("-")
    return f"{stem}-{tail}"


def rfc3339(time: datetime, zone: tzinfo = UTC) -> str:
    """Return a time as it is written in a zone."""
    return time.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
