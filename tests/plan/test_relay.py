"""The leave of a run to use the platform's mail relay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from report_operator.api.relay import GrantError, granted
from report_operator.api.report import ReportSpec
from report_operator.plan.relay import MailRelay, leave
from report_operator.plan.subject import Subject
from tests.support.objects import SPEC, report

RELAY = MailRelay("relay.reporting.svc", 2525, "reports@example.com", b"a-key")
NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
TO = ["ann@example.com"]
SERVER: dict[str, Any] = {"server": {"host": "mail.example.com"}, "from": "a@example.com"}


def spec(*emails: dict[str, Any]) -> ReportSpec:
    found = [{"name": f"mail-{number}", "email": {"to": TO} | email} for number, email in enumerate(emails)]
    return ReportSpec.model_validate(SPEC | {"destinations": found})


def test_a_mail_without_a_server_gets_leave_that_ends_with_the_run() -> None:
    subject = Subject.from_manifest(report())
    access = leave(RELAY, subject, spec({"to": TO}, SERVER | {"to": ["bob@example.com"]}), NOW + timedelta(hours=1))
    assert access
    assert (access.host, access.port, access.sender) == ("relay.reporting.svc", 2525, "reports@example.com")
    grant = granted(RELAY.key, access.username, access.password, NOW)
    assert (grant.namespace, grant.run_id) == (subject.metadata.namespace, subject.run_id)
    assert [grant.allows(RELAY.key, each) for each in ("ann@example.com", "bob@example.com")] == [True, False]
    with pytest.raises(GrantError, match="ended at 2026-05-04T07:00:00Z"):
        granted(RELAY.key, access.username, access.password, NOW + timedelta(hours=1))
    assert "a-key" not in repr(RELAY)


def test_nobody_else_gets_leave() -> None:
    subject = Subject.from_manifest(report())
    assert leave(RELAY, subject, spec(SERVER), NOW) is None
    assert leave(RELAY, subject, spec(), NOW) is None
    assert leave(None, subject, spec({}), NOW) is None
