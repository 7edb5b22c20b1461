"""The timing of a ScheduledReport, ready to be followed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Self

from report_operator.api.fields import parse_duration
from report_operator.api.report import Period
from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_status import AppliedSchedule
from report_operator.api.timing import Frequency, Window
from report_operator.plan.schedule import cron, frequency, zone
from report_operator.plan.schedule.slots import Slots
from report_operator.plan.schedule.window import period_of


@dataclass(frozen=True)
class Timing:
    """When runs are due, how long they are held back, and which time they are about."""

    slots: Slots
    delay: timedelta
    """From a slot to the start of its run."""
    frequency: Frequency | None
    window: Window | None
    words: str
    """The timing in one line."""

    @classmethod
    def of(cls, spec: ScheduledReportSpec, uid: str) -> Self:
        """Return the timing of a spec; raises ScheduleError when it cannot be followed."""
        return cls(
            slots=slots_of(spec),
            delay=_share(uid, parse_duration(spec.jitter or "0s")),
            frequency=spec.frequency,
            window=spec.window,
            words=_words(spec),
        )

    def period_of(self, due: datetime) -> Period | None:
        """Return the time that a run is about which is due at a slot, or asked for by hand."""
        return period_of(due, self.slots, self.frequency, self.window)


def slots_of(written: ScheduledReportSpec | AppliedSchedule) -> Slots:
    """Return the slots of a spec, or of what was applied of one; raises ScheduleError."""
    lines = [frequency.line(written.frequency)] if written.frequency else map(cron.parse, written.schedule or ())
    return Slots(tuple(lines), zone.zone(written.time_zone))


def _share(uid: str, jitter: timedelta) -> timedelta:
    """Return the part of the jitter, in whole seconds, that always is this object's."""
    fraction = int.from_bytes(sha256(uid.encode()).digest()[:8]) / 2**64
    return timedelta(seconds=int(fraction * jitter.total_seconds()))


def _words(spec: ScheduledReportSpec) -> str:
    if spec.frequency is not None:
        return frequency.words(spec.frequency)
    return ", ".join(spec.schedule or ["on demand"])
