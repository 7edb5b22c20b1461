"""What a ScheduledReport is in, in one word for its conditions, and the timing if it can be followed."""

from dataclasses import dataclass

from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_conditions import ScheduleReason
from report_operator.api.schedule_status import Failures
from report_operator.plan.policy import Rules, refusal, refusal_of_notices
from report_operator.plan.schedule import entity
from report_operator.plan.schedule.draft import active_variants
from report_operator.plan.schedule.errors import ScheduleError
from report_operator.plan.schedule.subject import Subject
from report_operator.plan.schedule.timing import Timing


@dataclass(frozen=True)
class Conclusion:
    """Whether runs start by themselves, and why not."""

    reason: ScheduleReason
    message: str
    timing: Timing | None = None
    """None when the schedule cannot be followed."""

    @property
    def is_running(self) -> bool:
        """Return whether runs start by themselves."""
        return self.reason is ScheduleReason.SCHEDULED

    @property
    def is_paused(self) -> bool:
        """Return whether slots pass without a run; those of a probe have theirs when it has ended well."""
        going_on = (ScheduleReason.SCHEDULED, ScheduleReason.ON_DEMAND, ScheduleReason.PROBING)
        return self.reason not in going_on

    @property
    def is_accepted(self) -> bool:
        """Return whether the schedule can be followed."""
        return self.timing is not None


def conclude(subject: Subject, failures: Failures, rules: Rules) -> Conclusion:
    """Return whether runs of the schedule start by themselves."""
    spec = subject.spec
    if spec is None:
        return Conclusion(ScheduleReason.INVALID_SPEC, subject.problem)
    try:
        timing = Timing.of(spec, subject.uid)
    except ScheduleError as error:
        return Conclusion(ScheduleReason.INVALID_SCHEDULE, f"{error}.")
    unmade = entity.problem(spec)
    if unmade:
        return Conclusion(ScheduleReason.INVALID_SPEC, unmade)
    forbidden = _forbidden(spec, rules)
    if forbidden:
        return Conclusion(ScheduleReason.NOT_ALLOWED_BY_POLICY, forbidden)
    return _of_accepted(spec, timing, failures)


def _of_accepted(spec: ScheduledReportSpec, timing: Timing, failures: Failures) -> Conclusion:
    if not active_variants(spec):
        text = "Every variant is suspended; nothing runs, not by hand either."
        return Conclusion(ScheduleReason.SUSPENDED, text, timing)
    if spec.suspend:
        return Conclusion(ScheduleReason.SUSPENDED, "spec.suspend is set; runs start by hand only.", timing)
    if not timing.slots.lines:
        return Conclusion(ScheduleReason.ON_DEMAND, "There is no schedule; runs start by hand only.", timing)
    if spec.stop_after is not None and failures.in_a_row >= spec.stop_after:
        text = f"{failures.in_a_row} slots in a row have failed; edit the spec, or run it by hand with success."
        return Conclusion(ScheduleReason.STOPPED_AFTER_FAILURES, text, timing)
    return Conclusion(ScheduleReason.SCHEDULED, f"Runs {timing.words}, {spec.time_zone}.", timing)


def _forbidden(spec: ScheduledReportSpec, rules: Rules) -> str:
    """Return why the Reports would not be allowed, or the notices; empty when they are."""
    notified = spec.on_failure.notify if spec.on_failure is not None else []
    return refusal(spec.template.spec, rules, "spec.template.spec") or refusal_of_notices(notified, rules)
