"""Test sends of a ScheduledReport: a Report for each active variant, which is no run of the schedule."""

from collections.abc import Iterable

from report_operator.api.metadata import Trigger
from report_operator.api.schedule_conditions import ScheduleReason
from report_operator.api.trial import Trial
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.conclusion import Conclusion
from report_operator.plan.schedule.draft import Draft, active_variants
from report_operator.plan.schedule.facts import Facts
from report_operator.plan.trial import RefusedTrialError, requested, spec_of


def run(draft: Draft) -> Trial | None:
    """Make the test that is asked for, unless the status says that it was; return what the status says of it then.

    It is made whatever else runs, also while the schedule is suspended, about the time that a slot at this moment would
    be about.
    """
    subject = draft.facts.subject
    token = requested(subject.annotations, subject.status.test_send)
    if not token:
        return subject.status.test_send
    if not active_variants(draft.spec):
        return Trial(token=token, message="Every variant is suspended.")
    refused, creations = [], []
    for test in draft.runs(Trigger.TEST, draft.now, token):
        manifest = test.manifest(draft.spec, draft.timing.period_of(draft.now), draft.timing.slots.zone)
        try:
            creations.append(manifest | {"spec": spec_of(manifest["spec"], token, draft.facts.rules)})
        except RefusedTrialError as error:
            return Trial(token=token, message=str(error)[:2048])
        if test.name in draft.facts.refusals:
            refused.append(f"The API server refuses {test.name}: {draft.facts.refusals[test.name]}")
    draft.creations += [each for each in creations if each["metadata"]["name"] not in draft.facts.refusals]
    return Trial(token=token, message=" ".join(refused)[:2048] or None)


def refuse(facts: Facts, concluded: Conclusion) -> Trial | None:
    """Return what the status says of a test while the schedule is not accepted; one that may be soon is waited for."""
    subject = facts.subject
    token = requested(subject.annotations, subject.status.test_send)
    if not token or concluded.reason is ScheduleReason.PROBING:
        return subject.status.test_send
    return Trial(token=token, message=f"The schedule is not accepted: {concluded.message}"[:2048])


def surplus(tests: Iterable[Child], latest: Trial | None) -> tuple[str, ...]:
    """Return the Reports of tests to delete: only those of the latest test are kept."""
    token = latest.token if latest is not None else ""
    return tuple(sorted(test.name for test in tests if test.token != token and not test.is_deleted))
