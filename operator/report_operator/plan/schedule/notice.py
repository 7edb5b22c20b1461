"""Telling owners that runs of a schedule fail, and that they succeed again.

A notice is a small Report of its own, made by the same planner under a name that follows from the one before, and sent
to `spec.onFailure.notify` by the same ledger as any other: it is told once, whatever crashes in between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.conditions import Reason
from report_operator.api.metadata import API_VERSION, NOTICE_ANNOTATION, Trigger
from report_operator.api.policy import Policy
from report_operator.api.schedule import ScheduledReportSpec
from report_operator.api.schedule_status import Failures, Notices
from report_operator.plan.policy import NOTICE_FORMAT, keeping_within
from report_operator.plan.schedule import names
from report_operator.plan.schedule.child import Child, labels, place
from report_operator.plan.schedule.names import rfc3339
from report_operator.plan.schedule.subject import Subject

INTERVAL = timedelta(hours=1)
"""Between two notices of failures of one schedule, at least: a minutely one that fails is not to fill a mailbox."""
KEPT = 5
"""Notices that have ended and are kept, to look at."""
_TEXT = """\
{{ params.message }}

{% for line in params.details %}
* {{ line }}
{% endfor %}
{% if params.log %}
The end of its log:

{% for line in params.log %}
* {{ line }}
{% endfor %}
{% endif %}
"""
_DELIVERY = (Reason.DELIVERY_FAILED, Reason.DELIVERY_UNKNOWN)
_SLOTS = 20
"""Slots that a notice lists."""


@dataclass(frozen=True)
class Notice:
    """What owners are told."""

    key: str
    """What its Report is named after."""
    title: str
    message: str
    details: Sequence[str]
    log: Sequence[str] = ()
    """The end of the last run's log."""


@dataclass(frozen=True)
class Telling:
    """What there is to tell now, and what was told when that is done."""

    notices: Notices | None
    """For the status."""
    notice: Notice | None = None
    """None when there is nothing to tell."""
    wake_at: datetime | None = None
    """When there will be something to tell if nothing changes."""


def tell(
    subject: Subject, spec: ScheduledReportSpec, counted: Failures, runs: Sequence[Child], now: datetime
) -> Telling:
    """Return what owners are to be told; `counted` are the failures in a row, `runs` all Reports but notices."""
    known, now = subject.status.notices or Notices(), now.replace(microsecond=0)
    silent = Notices(last_time=known.last_time)
    if spec.on_failure is None:
        return Telling(silent if known.last_time is not None else None)
    if counted.with_failures == 0:
        first = _first_success(known, runs)
        return Telling(silent, _of_recovery(subject, known, first) if first is not None else None)
    if known.failed_until is not None and counted.counted_until <= known.failed_until:
        return Telling(known)
    if known.last_time is not None and now < known.last_time + INTERVAL:
        return Telling(known, wake_at=known.last_time + INTERVAL)
    told = Notices(failed_until=counted.counted_until, in_a_row=counted.with_failures, last_time=now)
    return Telling(told, _of_failures(subject, spec, counted, known, runs))


def manifest(subject: Subject, spec: ScheduledReportSpec, notice: Notice, policy: Policy) -> dict[str, Any]:
    """Return the Report that tells; texts of others go in as parameters: they are values, never a template."""
    metadata = {
        **place(subject, name(subject, notice), spec),
        "labels": labels(subject, Trigger.NOTICE),
        "annotations": {NOTICE_ANNOTATION: notice.key},
    }
    params = {"message": notice.message, "details": list(notice.details), "log": list(notice.log)}
    report = {
        "title": notice.title,
        "template": {"name": "standard", "params": params},
        "sections": [{"blocks": [{"text": {"content": _TEXT}}]}],
        "outputs": [{"format": NOTICE_FORMAT.value}],
        "destinations": [_with_texts(each.to_wire()) for each in spec.on_failure.notify] if spec.on_failure else [],
        **keeping_within(policy),
    }
    return {"apiVersion": API_VERSION, "kind": "Report", "metadata": metadata, "spec": report}


def name(subject: Subject, notice: Notice) -> str:
    """Return the name of the Report that tells."""
    return names.of_notice(subject.metadata.name, subject.uid, notice.key)


def surplus(notices: Iterable[Child]) -> tuple[str, ...]:
    """Return the notices to delete: those that have ended, but for the latest."""
    ended = [child for child in notices if child.has_ended and not child.is_deleted]
    newest_first = sorted(ended, key=lambda child: (child.created_at, child.name), reverse=True)
    return tuple(child.name for child in newest_first[KEPT:] if child.may_be_deleted)


def _first_success(known: Notices, runs: Sequence[Child]) -> Child | None:
    """Return the run that ended what owners know of; None when an edit has forgiven it, or they know of nothing."""
    if known.failed_until is None:
        return None
    later = [child for child in runs if child.phase == "Succeeded" and child.slot > known.failed_until]
    later = [child for child in later if child.trigger is not Trigger.BACKFILL]
    failed = {child.slot for child in runs if child.trigger is Trigger.SCHEDULED and child.phase == "Failed"}
    later = [child for child in later if child.trigger is not Trigger.SCHEDULED or child.slot not in failed]
    return min(later, key=lambda child: (child.slot, child.name), default=None)


def _of_recovery(subject: Subject, known: Notices, first: Child) -> Notice:
    told = rfc3339(known.failed_until) if known.failed_until is not None else ""
    return Notice(
        key=f"recovered/{told}",
        title=f"{subject.metadata.name} succeeds again",
        message=f"Runs of the schedule {subject.metadata.namespace}/{subject.metadata.name} succeed again.",
        details=[_run(first)],
    )


def _of_failures(
    subject: Subject, spec: ScheduledReportSpec, counted: Failures, known: Notices, runs: Sequence[Child]
) -> Notice:
    schedule, namespace = subject.metadata.name, subject.metadata.namespace
    count = "last slot" if counted.with_failures == 1 else f"last {counted.with_failures} slots"
    message = f"The {count} of the schedule {namespace}/{schedule} failed."
    if counted.in_a_row < counted.with_failures:
        message = f"In the {count} of the schedule {namespace}/{schedule} runs of some variants failed."
    if spec.stop_after is not None and counted.in_a_row >= spec.stop_after:
        message += " It has stopped: edit the spec, or run it by hand with success."
    failed = [child for child in runs if child.trigger is Trigger.SCHEDULED and child.phase == "Failed"]
    last = max(failed, key=lambda child: (child.slot, child.name), default=None)
    before = rfc3339(known.last_time) if known.last_time is not None else "never"
    return Notice(
        key=f"failed/{before}",  # And not after what it tells, which may be more after a crash.
        title=f"{schedule} failed",
        message=message,
        details=[*_digest(counted, known, failed), *(_causes(last, failed, namespace) if last is not None else [])],
        log=last.log if last is not None else [],
    )


def _digest(counted: Failures, known: Notices, failed: Sequence[Child]) -> list[str]:
    """Return what has failed since the notice before; empty when that is what the message says."""
    count = counted.with_failures - known.in_a_row
    if known.failed_until is None or count < 1:
        return []
    after = known.failed_until
    slots = sorted({child.slot for child in failed if after < child.slot <= counted.counted_until})[-_SLOTS:]
    others = f"{count - len(slots)} before, and " if count > len(slots) else ""
    return [f"Since the last notice: {count}: {others}{', '.join(map(rfc3339, slots))}"]


def _causes(last: Child, failed: Sequence[Child], namespace: str) -> list[str]:
    """Return why the last run failed, how to look further, and which runs of its slot failed with it."""
    silent = [] if last.log else [_silence(last)]
    others = sorted((child for child in failed if child.slot == last.slot and child is not last), key=lambda c: c.name)
    return [
        f"{last.reason}: {last.message}",
        _run(last),
        *silent,
        f"Look at it: kubectl describe report {last.name} --namespace {namespace}",
        f"Log, for as long as the Job is kept: kubectl logs --namespace {namespace} --all-containers --selector"
        f" report-operator.io/report={last.name}",
        *(f"With it failed {_run(child)}: {child.reason}" for child in others),
    ]


def _silence(last: Child) -> str:
    """Return why there is no end of a log."""
    if last.reason in _DELIVERY:
        return "The files were made; what was not sent is in the artifact deliveries.json."
    where = f"Stage {last.stage}" if last.stage else "The run"
    return f"{where} was ended, or never began, before it could hand over the end of its log."


def _run(child: Child) -> str:
    return f"Report {child.name}, run {child.run_id}, of the slot {rfc3339(child.slot)}"


def _with_texts(destination: dict[str, Any]) -> dict[str, Any]:
    """Return a destination whose mails have our subject and body, unless they have others."""
    if "email" not in destination:
        return destination
    texts = {"subject": "{{ report.title }}", "body": _TEXT}
    return destination | {"email": texts | destination["email"]}
