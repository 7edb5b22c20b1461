"""Links are renewed long before they end, at a different time for each Report, and never say more than is true."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.outputs import OutputFormat
from report_operator.api.report import Artifact, ReportStatus
from report_operator.plan import links
from report_operator.plan.links import SignedLinks
from report_operator.plan.upkeep import AT_ONCE, Kept, Step
from tests.support import objects

Json = dict[str, Any]
NOW = objects.NOW
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
BOTOCORE_RENEWS = 15 * MINUTE
"""So long before their end, boto3 replaces temporary credentials when they are used (botocore.credentials)."""


def artifact(name: str, expire_at: datetime | None = None) -> Artifact:
    linked = signed(expire_at).to_fields() if expire_at is not None else {}
    facts: Json = {"format": OutputFormat.PDF, "media_type": "application/pdf", "size": 1, "sha256": objects.SHA}
    return Artifact(name=name, uri=f"s3://reports/{name}", **facts, **linked)


def signed(expire_at: datetime) -> SignedLinks:
    return SignedLinks("https://store/download", "https://store/view", expire_at)


def kept(status: ReportStatus, *, allowed: bool = True, **spec: Any) -> Kept | None:
    wire = status.model_copy(update={"observed_generation": 1}).to_wire() | {"phase": "Succeeded"}
    return Kept.from_manifest(objects.report(spec=objects.SPEC | spec, status=wire), links_allowed=allowed)


class TestRenewalTime:
    @given(uid=st.uuids().map(str), life=st.integers(60, 7 * 86400))
    def test_is_at_60_to_80_percent_of_their_life(self, uid: str, life: int) -> None:
        at = links.renewal_time(uid, NOW, NOW + timedelta(seconds=life)) - NOW
        assert 0.6 * life - 1 <= at.total_seconds() <= 0.8 * life

    def test_is_always_the_same_for_a_report(self) -> None:
        assert len({links.renewal_time(objects.UID, NOW, NOW + DAY) for _ in range(9)}) == 1

    def test_spreads_reports_of_one_minute_over_hours(self) -> None:
        """Of 20,000 Reports with links for a day, at most 5 % are due in the same quarter of an hour."""
        quarters: dict[int, int] = {}
        for number in range(20_000):
            at = links.renewal_time(str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))), NOW, NOW + DAY)
            quarter = int((at - NOW) / (15 * MINUTE))
            quarters[quarter] = quarters.get(quarter, 0) + 1
        assert max(quarters.values()) <= 1_250


class TestStatus:
    def test_new_links_replace_the_old_and_nothing_else_changes(self) -> None:
        before = ReportStatus(artifacts=[artifact("a", NOW + DAY), artifact("b", NOW + DAY)], metrics={"Rows": "1"})
        later = NOW + 2 * DAY
        after = links.with_links(before, {"a": signed(later), "b": signed(later)}, objects.UID, NOW)
        assert {each.url_expires_at for each in after.artifacts} == {later}
        assert after.links_renew_at == links.renewal_time(objects.UID, NOW, later)
        assert links.without_links(after) == links.without_links(before)

    def test_links_that_last_no_longer_are_not_written(self) -> None:
        before = ReportStatus(artifacts=[artifact("a", NOW + DAY)], links_renew_at=NOW)
        assert links.with_links(before, {"a": signed(NOW + DAY)}, objects.UID, NOW) is before

    def test_the_file_whose_link_ends_first_sets_the_time(self) -> None:
        files = [artifact("a", NOW + DAY), artifact("b", NOW + 2 * DAY)]
        assert links.renewal_of(objects.UID, NOW, files) == links.renewal_time(objects.UID, NOW, NOW + DAY)

    def test_without_links_only_the_uri_is_left(self) -> None:
        after = links.without_links(ReportStatus(artifacts=[artifact("a", NOW + DAY)], links_renew_at=NOW))
        assert after == ReportStatus(artifacts=[artifact("a")])
        assert {"downloadURL", "viewURL", "urlExpiresAt"}.isdisjoint(after.to_wire()["artifacts"][0])


LINKED = ReportStatus(artifacts=[artifact("a", NOW + DAY)], links_renew_at=NOW + 17 * timedelta(hours=1))
UNLINKED = links.without_links(LINKED)
UNASKED = LINKED.model_copy(update={"links_renew_at": None})
ON_DEMAND, NEVER = {"download": {"refresh": "OnDemand"}}, {"download": {"refresh": "Never"}}
OFF = {"download": {"urlTTL": "24h", "links": "Disabled"}}


class TestWhatIsDue:
    def test_renewal_at_its_time(self) -> None:
        found = kept(LINKED)
        assert found is not None
        assert found.due_at(NOW) == LINKED.links_renew_at
        assert found.step(NOW) is Step.WAIT
        assert found.step(NOW + 17 * timedelta(hours=1)) is Step.SIGN

    @pytest.mark.parametrize(
        ("status", "allowed", "spec", "step"),
        [
            pytest.param(LINKED, False, {}, Step.UNLINK, id="the platform team has disabled links"),
            pytest.param(UNLINKED, False, {}, Step.WAIT, id="and they are gone"),
            pytest.param(UNLINKED, True, {}, Step.SIGN, id="and enabled them again"),
            pytest.param(UNLINKED, True, OFF, Step.WAIT, id="the Report has none"),
            pytest.param(UNLINKED, False, OFF, Step.WAIT, id="neither wants them"),
            pytest.param(UNASKED, True, ON_DEMAND, Step.WAIT, id="nobody has asked for others"),
            pytest.param(UNASKED, True, NEVER, Step.WAIT, id="there are no others"),
            pytest.param(LINKED, True, NEVER, Step.WAIT, id="nor are there where they were renewed before an upgrade"),
            pytest.param(UNASKED, False, NEVER, Step.UNLINK, id="the platform team has disabled those made once"),
            pytest.param(UNLINKED, True, ON_DEMAND, Step.WAIT, id="and has them asked for when it enables them"),
        ],
    )
    def test_links_follow_the_policy(self, status: ReportStatus, allowed: bool, spec: Json, step: Step) -> None:
        found = kept(status, allowed=allowed, **spec)
        assert found is not None
        assert found.step(NOW) is step
        assert found.due_at(NOW) == (None if step is Step.WAIT else AT_ONCE)

    def test_links_of_unknown_age_are_renewed_at_once(self) -> None:
        found = kept(LINKED.model_copy(update={"links_renew_at": None}))
        assert found is not None
        assert found.step(NOW) is Step.SIGN

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"status": {}}, id="no status"),
            pytest.param({"status": {"observedGeneration": 1, "phase": "Succeeded"}}, id="no files"),
            pytest.param({"generation": 2}, id="a new generation"),
            pytest.param({"deletionTimestamp": "2026-05-04T06:00:00Z"}, id="being deleted"),
        ],
    )
    def test_others_are_left_alone(self, change: Json) -> None:
        status = LINKED.model_copy(update={"observed_generation": 1}).to_wire() | {"phase": "Succeeded"}
        fields: Json = {"status": status} | change
        manifest = objects.report(**fields)
        assert Kept.from_manifest(manifest, links_allowed=True) is None

    def test_a_phase_of_a_newer_operator_is_left_alone(self) -> None:
        status = LINKED.model_copy(update={"observed_generation": 1}).to_wire() | {"phase": "Archived"}
        assert Kept.from_manifest(objects.report(status=status), links_allowed=True) is None


@pytest.mark.requirement("A9", "N9")
@given(
    uid=st.uuids().map(str),
    ttl=st.integers(60, 7 * 86400),
    credentials=st.one_of(st.none(), st.integers(3600, 12 * 3600)),
    age=st.integers(0, 3600),
    delays=st.lists(st.integers(0, 5), min_size=1, max_size=40),
)
def test_links_in_the_status_never_run_out_and_never_lie(
    uid: str, ttl: int, credentials: int | None, age: int, delays: list[int]
) -> None:
    """Over any life of links and credentials: a fifth of it is left, or of the last quarter of an hour of credentials.

    `age` is how old the credentials are at first, `delays` are the seconds by which the operator is late.
    """
    life = timedelta(seconds=ttl)
    end = NOW + timedelta(seconds=credentials - age) if credentials is not None else None
    now, status = NOW, ReportStatus(artifacts=[artifact("a")])
    due = now
    for delay in delays:
        left = (links.earliest_end(status.artifacts) or due + DAY) - due
        assert left >= min(life, BOTOCORE_RENEWS) / 5 - timedelta(seconds=2)
        now = due + timedelta(seconds=delay)
        if end is not None and credentials is not None and end - now < BOTOCORE_RENEWS:
            end = now + timedelta(seconds=credentials)
        truth = min(filter(None, (now + life, end)))
        renewed = links.with_links(status, {"a": signed(truth)}, uid, now)
        told = links.earliest_end(renewed.artifacts)
        assert told is not None
        assert told == truth if renewed != status else told <= truth + timedelta(seconds=1)
        gained = renewed != status
        status, found = renewed, kept(renewed)
        assert found is not None
        due = (gained and found.due_at(now)) or links.try_again_at(uid, now, status.artifacts)
        assert due > now
        assert due.tzinfo is UTC
