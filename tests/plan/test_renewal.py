"""The links of a run are renewed before the credentials that signed them end, where the run may outlive those."""

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION
from report_operator.api.policy import Policy
from report_operator.api.report import ReportSpec
from report_operator.api.run import Links, Request
from report_operator.plan import renewal, secret
from report_operator.plan.facts import RenewLinks
from report_operator.plan.objects import Job
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, SPEC, condition, facts, job, pod, report, running, text

Json = dict[str, Any]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LONG: Json = SPEC | {"run": {"timeout": "24h"}}
SUBJECT = Subject.from_manifest(report(spec=LONG))


def spec(**run: str) -> ReportSpec:
    return ReportSpec.model_validate(SPEC | {"run": run})


def request(**run: str) -> Request:
    return secret.request(SUBJECT, spec(**run), Policy(), NOW)


def remembering(annotations: dict[str, str]) -> Job:
    meta = {"name": "a", "creationTimestamp": text(NOW), "annotations": annotations}
    return Job.model_validate({"metadata": meta})


def links(end: datetime) -> Links:
    return Links(expires_at=end, uploads={})


def with_links(of: Job, end: datetime | str) -> Job:
    value = end if isinstance(end, str) else text(end)
    annotated = of.metadata.model_copy(update={"annotations": {LINKS_EXPIRE_ANNOTATION: value}})
    return of.model_copy(update={"metadata": annotated})


def renewed(end: datetime | str, *states: Json) -> bool:
    there = with_links(job(SUBJECT, age=HOUR), end)
    decision = decide(facts(report(spec=LONG), jobs=(there,), pods=(pod(there, *states),)))
    return RenewLinks(SUBJECT.job_name) in decision.cleanup


class TestWhen:
    @pytest.mark.parametrize(
        ("end", "due"),
        [
            pytest.param(NOW + 13 * MINUTE, False, id="time enough"),
            pytest.param(NOW + 12 * MINUTE, True, id="boto3 has new credentials"),
            pytest.param(NOW - HOUR, True, id="the operator was away"),
            pytest.param("soon", False, id="not our annotation"),
            pytest.param("2026-05-04T06:00:00", False, id="nor this: whose clock?"),
        ],
    )
    def test_before_they_end(self, end: datetime | str, due: bool) -> None:
        assert renewed(end, running()) is due

    def test_also_while_the_run_waits_for_a_node_or_in_a_queue(self) -> None:
        assert renewed(NOW + MINUTE)

    def test_not_after_the_run(self) -> None:
        over = with_links(job(SUBJECT, condition("Failed"), failed=1), NOW + MINUTE)
        decision = decide(facts(report(spec=LONG), jobs=(over,)))
        assert not [action for action in (*decision.actions, *decision.cleanup) if isinstance(action, RenewLinks)]

    def test_not_where_the_links_last_as_long_as_the_run(self) -> None:
        there = job(SUBJECT, age=23 * HOUR)
        decision = decide(facts(report(spec=LONG), jobs=(there,), pods=(pod(there, running()),)))
        assert decision.cleanup == ()


class TestWhatIsRemembered:
    @pytest.mark.parametrize(
        ("run", "life", "cut_short"),
        [
            ({"timeout": "24h"}, HOUR, True),
            ({"timeout": "24h"}, timedelta(hours=24, minutes=5), False),
            ({"timeout": "30m"}, HOUR, False),
            ({"timeout": "30m"}, 20 * MINUTE, True),
            ({"kueueQueueName": "reports"}, 12 * HOUR, True),
            ({"kueueQueueName": "reports"}, timedelta(days=7), False),
        ],
    )
    def test_the_end_of_links_that_are_cut_short(self, run: Json, life: timedelta, cut_short: bool) -> None:
        wanted = request(**run)
        found = remembering(renewal.annotations(wanted, links(NOW + life)))
        assert found.links_expire_at == (NOW + life if cut_short else None)
        assert found.request == (wanted if cut_short else None)
        assert secret.manifest(SUBJECT, wanted, links(NOW + life))["immutable"] is not cut_short

    def test_the_request_stays_as_it_was(self) -> None:
        """A stage that starts after the renewal reads the same, whatever the policy is by now."""
        at = NOW - timedelta(hours=1, microseconds=7)
        wanted = secret.request(SUBJECT, spec(timeout="24h"), Policy(formats=["pdf"], max_rows=7), at)
        remembered = remembering(renewal.annotations(wanted, links(NOW))).request
        assert remembered
        before = secret.manifest(SUBJECT, wanted, links(NOW))
        after = secret.manifest(SUBJECT, remembered, links(NOW + HOUR))
        assert before["stringData"] == after["stringData"]
        assert before["metadata"] == after["metadata"]
        assert Request.model_validate_json(after["stringData"]["request.json"]).created_at == at
        assert remembered.digest == wanted.digest
        assert Links.unpacked(base64.b64decode(after["data"]["links.json.gz"])).expires_at == NOW + HOUR


class TestLinksInMessages:
    """They work for `urlTTL` from the last moment on at which one may be sent, and not from the order of the run."""

    @pytest.mark.parametrize(
        ("run", "gone_by", "ttl"),
        [
            ({"timeout": "24h"}, timedelta(), 25 * HOUR - 4 * MINUTE),
            ({"timeout": "24h"}, 20 * HOUR, 5 * HOUR - 4 * MINUTE),
            ({"timeout": "4m"}, timedelta(), HOUR + 3 * MINUTE),
            ({"timeout": "30m"}, 2 * HOUR, HOUR),
            ({"kueueQueueName": "reports"}, 68 * HOUR, 101 * HOUR),
        ],
    )
    def test_how_long_they_are_asked_to_work(self, run: Json, gone_by: timedelta, ttl: timedelta) -> None:
        hook = {"name": "hook", "webhook": {"url": "https://example.com/"}}
        wanted = ReportSpec.model_validate(SPEC | {"run": run, "download": {"urlTTL": "1h"}, "destinations": [hook]})
        assert secret.message_links_ttl(wanted, NOW, NOW + gone_by) == ttl


@given(
    life=st.integers(20 * 60, 12 * 3600),
    timeout=st.integers(60, 24 * 3600),
    waits=st.lists(st.integers(1, 60), min_size=9),
)
def test_a_run_never_has_expired_links(life: int, timeout: int, waits: list[int]) -> None:
    """Over any life of credentials and any run, looked at once a minute, with a kubelet that takes two minutes."""
    wanted, now = request(timeout=f"{timeout}s"), NOW
    credentials_end = NOW + timedelta(seconds=life)
    mounted = end = min(NOW + secret.links_ttl(wanted.spec), credentials_end)
    arrives: datetime | None = None
    for wait in waits * (timeout // sum(waits) + 1):
        now += timedelta(seconds=wait)
        if now > NOW + timedelta(seconds=timeout):
            break
        if arrives is not None and now >= arrives:
            mounted, arrives = end, None
        assert now < mounted
        if renewal.is_due(remembering(renewal.annotations(wanted, links(end))), now):
            if credentials_end - now < 15 * MINUTE:
                credentials_end = now + timedelta(seconds=life)
            fresh = min(now + secret.links_ttl(wanted.spec), credentials_end)
            if fresh > end:
                end, arrives = fresh, now + 2 * MINUTE
