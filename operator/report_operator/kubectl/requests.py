"""What a person asks for on an object: a run, an end, a pause. Only what was asked for is written."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from report_operator.api.metadata import (
    REDELIVER_ANNOTATION,
    REFRESH_LINKS_ANNOTATION,
    RUN_NOW_ANNOTATION,
    RUN_PERIOD_ANNOTATION,
    SCHEDULE_UID_LABEL,
    TEST_SEND_ANNOTATION,
    TRIGGER_LABEL,
    Trigger,
)
from report_operator.api.redelivery import RedeliveryPhase
from report_operator.kubectl.client import REPORT, SCHEDULED_REPORT, Json, Kubectl
from report_operator.kubectl.errors import KubectlError, PluginError
from report_operator.kubectl.report import Report

ANSWER_SECONDS = 20.0
"""How long the operator is given to take a request up; it takes a second when it runs."""
_INTERVAL = 0.5
_ATTEMPTS = 5
"""Times that an object may change between reading and writing it."""

Change = Callable[[Json], Json | None]
"""From an object to the merge patch that does what is asked for; None when nothing is left to do."""


@dataclass(frozen=True)
class Answer:
    """What the operator made of a request for a run."""

    is_taken_up: bool
    """Whether the operator has seen it; it may not run."""
    reports: Sequence[Report]
    """The Reports made for it."""
    refusal: str
    """Why there are none; empty when there are some, or the operator has not seen it."""


def ask_for_run(kubectl: Kubectl, schedule: str, period: str | None) -> tuple[Json, str]:
    """Ask a ScheduledReport for a run; return the object and the token of the request.

    `period` is that of the run, `<start>/<end>`; without one the operator chooses, so that of an earlier request has to
    go. Raises PluginError when there is a request that the operator has not taken up: the new one would replace it.
    """
    token = _new_token()

    def change(manifest: Json) -> Json:
        _check_taken_up(manifest, RUN_NOW_ANNOTATION, manifest.get("status", {}).get("lastHandledRunNow"), "run")
        return {"metadata": {"annotations": {RUN_NOW_ANNOTATION: token, RUN_PERIOD_ANNOTATION: period}}}

    manifest, _ = _change(kubectl, SCHEDULED_REPORT, schedule, change)
    return manifest, token


def answer_to(kubectl: Kubectl, schedule: Json, token: str) -> Answer:
    """Return what became of a request for a run, once the operator has taken it up or ANSWER_SECONDS have passed."""
    until = time.monotonic() + ANSWER_SECONDS
    name, uid = schedule["metadata"]["name"], schedule["metadata"]["uid"]
    while (status := kubectl.get(SCHEDULED_REPORT, name).get("status", {})).get("lastHandledRunNow") != token:
        if time.monotonic() > until:
            return Answer(is_taken_up=False, reports=[], refusal="")
        time.sleep(_INTERVAL)
    found = kubectl.list(REPORT, {SCHEDULE_UID_LABEL: uid, TRIGGER_LABEL: Trigger.MANUAL})
    made = [each for each in found if each["metadata"].get("annotations", {}).get(RUN_NOW_ANNOTATION) == token]
    refusal = "" if made else status.get("skipped", {}).get("message", "every variant is suspended")
    return Answer(is_taken_up=True, reports=[Report(each) for each in made], refusal=refusal)


def ask_for_redelivery(kubectl: Kubectl, name: str, scope: str) -> str:
    """Ask for what a Report's run has not delivered; return the token of the request.

    `scope` is `unknown` or `all` for more than what has failed, else empty. Raises PluginError when there is a request
    that the operator has not taken up: the new one would replace it.
    """
    token = "/".join(filter(None, (scope, _new_token())))

    def change(manifest: Json) -> Json:
        _check_taken_up(manifest, REDELIVER_ANNOTATION, Report(manifest).redelivery.get("token"), "redelivery")
        return {"metadata": {"annotations": {REDELIVER_ANNOTATION: token}}}

    _change(kubectl, REPORT, name, change)
    return token


def answer_to_redelivery(kubectl: Kubectl, name: str, token: str) -> Report:
    """Return the Report once the operator has taken up a request to send again.

    Raises PluginError when it has refused it, or not seen it within ANSWER_SECONDS.
    """
    until = time.monotonic() + ANSWER_SECONDS
    while (report := Report(kubectl.get(REPORT, name))).redelivery.get("token") != token:
        if time.monotonic() > until:
            raise PluginError(
                f"the operator has not taken it up within {ANSWER_SECONDS:.0f} s; the request stays, and"
                f" `kubectl report status {name}` tells what came of it"
            )
        time.sleep(_INTERVAL)
    if report.redelivery["phase"] == RedeliveryPhase.REFUSED:
        raise PluginError(f"nothing was sent: {report.redelivery.get('message', '')}")
    return report


def new_links(kubectl: Kubectl, name: str) -> Report:
    """Ask for new links to the files of a Report; return the Report with them.

    Raises PluginError when the operator makes none, or has not answered within ANSWER_SECONDS.
    """
    token = _new_token()
    _change(kubectl, REPORT, name, lambda _: {"metadata": {"annotations": {REFRESH_LINKS_ANNOTATION: token}}})
    until = time.monotonic() + ANSWER_SECONDS
    while (report := Report(kubectl.get(REPORT, name))).link_refresh.get("token") != token:
        if time.monotonic() > until:
            raise PluginError(
                f"the operator has made no new links within {ANSWER_SECONDS:.0f} s; the request stays, and"
                f" `kubectl describe report {name}` tells what came of it"
            )
        time.sleep(_INTERVAL)
    if "message" in report.link_refresh:
        raise PluginError(f"there are no new links: {report.link_refresh['message']}")
    return report


def ask_for_test(kubectl: Kubectl, name: str, address: str) -> tuple[Json, str]:
    """Ask for a test of a Report or ScheduledReport; return the object and the token of the request.

    `name` may say which of them it is: `report/weekly`. Raises PluginError when it does not and there are both.
    """
    token = f"{_new_token()}/{address}"
    kind, name = _kind_of(kubectl, name)

    def change(manifest: Json) -> Json:
        _check_taken_up(manifest, TEST_SEND_ANNOTATION, _test_send(manifest).get("token"), "test")
        return {"metadata": {"annotations": {TEST_SEND_ANNOTATION: token}}}

    return _change(kubectl, kind, name, change)[0], token


def answer_to_test(kubectl: Kubectl, tested: Json, token: str) -> Sequence[Report]:
    """Return the Reports of a test once the operator has made them.

    Raises PluginError when it has refused it, or not seen it within ANSWER_SECONDS.
    """
    until = time.monotonic() + ANSWER_SECONDS
    kind, name = tested["kind"], tested["metadata"]["name"]
    while (found := _test_send(kubectl.get(kind, name))).get("token") != token:
        if time.monotonic() > until:
            raise PluginError(
                f"the operator has not taken it up within {ANSWER_SECONDS:.0f} s; the request stays, and"
                f" `kubectl describe {kind.lower()} {name}` tells what came of it"
            )
        time.sleep(_INTERVAL)
    if "message" in found:
        raise PluginError(f"no test was made: {found['message']}")
    made = kubectl.list(REPORT, {TRIGGER_LABEL: Trigger.TEST})
    return [Report(each) for each in made if each["metadata"].get("annotations", {}).get(RUN_NOW_ANNOTATION) == token]


def _test_send(manifest: Json) -> Json:
    found: Json = manifest.get("status", {}).get("testSend") or {}
    return found


def _kind_of(kubectl: Kubectl, name: str) -> tuple[str, str]:
    """Return what is meant, a Report or a ScheduledReport, and its name."""
    word, _, bare = name.rpartition("/")
    if word:
        kinds = [kind for kind in (REPORT, SCHEDULED_REPORT) if word.lower() in (kind.lower(), f"{kind.lower()}s")]
        if not kinds:
            raise PluginError(f"{name}: write report/{bare} or scheduledreport/{bare}")
        return kinds[0], bare
    there = [kind for kind in (SCHEDULED_REPORT, REPORT) if kubectl.get_all(kind, [name])]
    if len(there) > 1:
        raise PluginError(
            f"there are a Report and a ScheduledReport {name}: write report/{name} or scheduledreport/{name}"
        )
    return (there or [REPORT])[0], name


def cancel(kubectl: Kubectl, name: str) -> tuple[Report, bool]:
    """Ask for the end of a Report's run; return the Report and whether that was left to do."""

    def change(manifest: Json) -> Json | None:
        report = Report(manifest)
        return None if report.has_ended or report.is_cancelled else {"spec": {"cancel": True}}

    manifest, changed = _change(kubectl, REPORT, name, change)
    return Report(manifest), changed


def set_suspended(kubectl: Kubectl, schedule: str, *, suspended: bool) -> tuple[Json, bool]:
    """Suspend or resume a ScheduledReport; return the object and whether that was left to do."""

    def change(manifest: Json) -> Json | None:
        return None if bool(manifest["spec"].get("suspend")) is suspended else {"spec": {"suspend": suspended}}

    return _change(kubectl, SCHEDULED_REPORT, schedule, change)


def period_of(start: str, end: str) -> str:
    """Return the period of a run as the annotation has it; raises PluginError.

    Both are dates, midnights in the schedule's time zone, or RFC 3339 times.
    """
    ends = (_moment(start, "--from"), _moment(end, "--to"))
    dates = sum(not isinstance(each, datetime) for each in ends)
    if dates != 1 and ends[0] >= ends[1]:  # A date and a time can be compared only in the schedule's zone.
        raise PluginError(f"--to {end} has to be after --from {start}")
    return "/".join(each.isoformat() for each in ends)


def _new_token() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _check_taken_up(manifest: Json, annotation: str, echoed: str | None, what: str) -> None:
    """Raise PluginError when the annotation holds a request that the operator has not answered."""
    before = manifest["metadata"].get("annotations", {}).get(annotation)
    if before and before != echoed:
        name, kind = manifest["metadata"]["name"], manifest["kind"].lower()
        raise PluginError(
            f"{name}: the operator has not yet taken up the {what} that was asked for before ({before});"
            f" `kubectl describe {kind} {name}` tells how it stands"
        )


def _moment(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PluginError(f"{option} {text}: write a date, 2026-05-01, or a time with its zone, 2026-05-01T06:00:00Z")
    return moment


def _change(kubectl: Kubectl, kind: str, name: str, change: Change) -> tuple[Json, bool]:
    """Read an object, change it as it was read, and return it and whether it was changed."""
    for attempt in range(1, _ATTEMPTS + 1):
        manifest = kubectl.get(kind, name)
        patch = change(manifest)
        if patch is None:
            return manifest, False
        try:
            return kubectl.patch(manifest, patch), True
        except KubectlError as error:
            if error.reason != "Conflict" or attempt == _ATTEMPTS:
                raise
    raise AssertionError
