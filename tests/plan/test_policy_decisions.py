"""What a policy does to decisions about Reports and ScheduledReports."""

from dataclasses import replace
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason
from report_operator.api.policy import Policy
from report_operator.plan import interest
from report_operator.plan.facts import Decision, DeleteJob, StartRun
from report_operator.plan.policy import Rules, keeping_within
from report_operator.plan.report import decide
from report_operator.plan.run_queue import Turn
from report_operator.plan.subject import Subject
from tests.support.objects import SPEC, facts, job, report

STRICT = Rules(Policy.read({"maxRetries": 1}))
SUBJECT = Subject.from_manifest(report())
MENDED = SPEC | {"run": {"retries": 1}}


def refused() -> dict[str, Any]:
    """Return the status of a Report that is not allowed."""
    status = decide(facts(report(), rules=STRICT)).status
    assert status is not None
    return status.to_wire()


def test_no_run_is_started_and_it_is_told_once() -> None:
    decision = decide(facts(report(), rules=STRICT))
    status = decision.status
    assert status is not None
    assert (status.phase, status.reason, status.run_id) == (Phase.FAILED, Reason.NOT_ALLOWED_BY_POLICY, None)
    assert {c.type: c.status for c in status.conditions} == {"Ready": "False", "Stalled": "True"}
    assert decision.actions == ()
    assert [(told.type, told.reason) for told in decision.announcements] == [("Warning", "NotAllowedByPolicy")]
    assert decide(facts(report(status=refused()), rules=STRICT)) == Decision()


@pytest.mark.parametrize(
    ("manifest", "rules"),
    [(report(status=refused()), Rules()), (report(generation=2, spec=MENDED, status=refused()), STRICT)],
)
def test_a_change_of_the_policy_or_an_edit_starts_it(manifest: dict[str, Any], rules: Rules) -> None:
    [start] = decide(facts(manifest, rules=rules)).actions
    assert isinstance(start, StartRun)


def test_one_that_waits_for_its_turn_is_looked_at_again() -> None:
    turn = Turn(position=3, rule="the cluster has 50", since=facts(report()).now, wait=None)
    waiting = decide(facts(report(), turn=turn)).status
    assert waiting is not None
    again = decide(facts(report(status=waiting.to_wire()), turn=turn, rules=STRICT)).status
    assert again is not None
    assert (again.reason, again.queue) == (Reason.NOT_ALLOWED_BY_POLICY, None)


def test_a_run_that_has_begun_goes_on() -> None:
    begun = decide(facts(report(), jobs=(job(SUBJECT),))).status
    assert begun is not None
    assert decide(facts(report(status=begun.to_wire()), jobs=(job(SUBJECT),), rules=STRICT)).actions == ()


def test_an_edit_that_is_not_allowed_ends_the_run_before() -> None:
    begun = decide(facts(report(), jobs=(job(SUBJECT),))).status
    assert begun is not None
    edited = facts(report(generation=2, status=begun.to_wire()), jobs=(job(SUBJECT),), rules=STRICT)
    assert decide(edited).actions == (DeleteJob(SUBJECT.job_name),)


def test_a_restart_looks_again_at_those_that_had_no_run() -> None:
    status = refused()
    assert interest.in_report(report(status=status), listed=True)
    assert not interest.in_report(report(status=status), listed=False)
    found_by_its_run = status | {"runID": SUBJECT.run_id}
    assert not interest.in_report(report(status=found_by_its_run), listed=True)
    assert decide(replace(facts(report(status=found_by_its_run)), rules=Rules())) == Decision()


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ({}, {}),
        ({"maxTimeout": "30m", "maxRetries": 2, "maxLinkTTL": "24h"}, {}),
        ({"maxRetention": "90d"}, {}),
        ({"maxRetention": "7d"}, {"retention": {"ttl": "7d"}}),
        ({"maxTimeout": "10m"}, {"run": {"timeout": "10m"}}),
        ({"maxRetries": 0, "maxLinkTTL": "1h"}, {"run": {"retries": 0}, "download": {"urlTTL": "1h"}}),
    ],
)
def test_reports_of_the_operators_own_keep_within_it(policy: dict[str, Any], fields: dict[str, Any]) -> None:
    assert keeping_within(Policy.read(policy)) == fields
    manifest = report(spec=SPEC | fields)
    assert decide(facts(manifest, rules=Rules(Policy.read(policy)))).actions == (StartRun(SUBJECT.job_name),)
