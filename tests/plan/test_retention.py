"""How long files are kept: nothing that is to be kept goes, and everything goes whose time has come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.conditions import Phase
from report_operator.api.metadata import (
    MANAGED_BY_LABEL,
    MANAGER,
    SCHEDULE_LABEL,
    SCHEDULE_UID_LABEL,
    SLOT_ANNOTATION,
    TRIGGER_LABEL,
    Trigger,
)
from report_operator.api.retention import Retention, parse_lifetime
from report_operator.api.schedule import History
from report_operator.plan import retention
from report_operator.plan.facts import RetainArtifacts
from report_operator.plan.report import decide
from report_operator.plan.schedule import history
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.names import of_run
from report_operator.plan.subject import Subject
from report_operator.plan.upkeep import LOOK_AGAIN, Kept, Step
from tests.support import objects
from tests.support.objects import NOW, SPEC

Json = dict[str, Any]
HOUR = timedelta(hours=1)
DAYS_90 = timedelta(days=90)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90d", DAYS_90),
        ("1d", 24 * HOUR),
        ("36h", 36 * HOUR),
        ("1h30m", timedelta(minutes=90)),
        ("Forever", None),
    ],
)
def test_lifetimes_are_days_durations_or_forever(text: str, length: timedelta | None) -> None:
    assert parse_lifetime(text) == length
    assert retention.expires_at(Retention(ttl=text), NOW) == (NOW + length if length is not None else None)


def finished(**spec: Any) -> Json:
    """Return a Report whose run has just been recorded."""
    manifest = objects.report(spec=SPEC | spec)
    subject = Subject.from_manifest(manifest)
    job = objects.job(subject, objects.condition("Complete"))
    decision = decide(objects.facts(manifest, jobs=(job,), stored=objects.stored(objects.result(subject))))
    assert decision.status is not None
    return manifest | {"status": decision.status.to_wire()}


def kept(manifest: Json) -> Kept:
    found = Kept.from_manifest(manifest, links_allowed=False)
    assert found is not None
    return found


@pytest.mark.parametrize(("phase", "is_left_alone"), [("Waiting", True), ("Running", True), ("Ended", False)])
def test_files_that_are_being_sent_again_are_left_alone(phase: str, is_left_alone: bool) -> None:
    manifest = finished()
    manifest["status"] |= {"redelivery": {"token": "t1", "phase": phase}}
    assert (Kept.from_manifest(manifest, links_allowed=False) is None) is is_left_alone


class TestStatus:
    @pytest.mark.requirement("A9", "D8")
    def test_files_are_kept_for_90_days_unless_the_spec_says_otherwise(self) -> None:
        done = NOW.replace(microsecond=0)
        assert finished()["status"]["expiresAt"] == objects.text(done + DAYS_90)
        assert finished(retention={"ttl": "36h"})["status"]["expiresAt"] == objects.text(done + 36 * HOUR)
        assert "expiresAt" not in finished(retention={"ttl": "Forever"})["status"]

    def test_nothing_of_the_content_is_left(self) -> None:
        manifest = finished()
        manifest["status"] |= {"metrics": {"Rows": "1"}, "inline": {"a": 1}, "subject": {"id": "a", "label": "A"}}
        after = retention.of_expired(Subject.from_manifest(manifest), NOW + DAYS_90).to_wire()
        assert not any(after.get(field) for field in ("artifacts", "inline", "metrics", "subject", "linksRenewAt"))
        assert (after["phase"], after["reason"]) == ("Expired", "Expired")
        assert after["message"] == (
            "The files were kept until 2026-08-02T06:00:30Z (spec.retention.ttl). Edit the spec to make them again."
        )
        for field in ("runID", "jobName", "startTime", "completionTime", "expiresAt", "observedGeneration"):
            assert after[field] == manifest["status"][field]

    @pytest.mark.requirement("N14")
    def test_kstatus_sees_no_failure_and_no_work(self) -> None:
        """Neither Ready=False (in progress) nor Stalled (failed): kstatus takes it for current."""
        after = retention.of_expired(Subject.from_manifest(finished()), NOW)
        assert [(each.type, each.status) for each in after.conditions] == [("Expired", "True")]
        assert after.observed_generation == 1

    def test_that_it_was_delivered_stays_on_record(self) -> None:
        manifest = finished()
        ready = manifest["status"]["conditions"][0]
        manifest["status"]["conditions"] += [ready | {"type": "Rendered"}, ready | {"type": "Delivered"}]
        after = retention.of_expired(Subject.from_manifest(manifest), NOW)
        assert [each.type for each in after.conditions] == ["Delivered", "Expired"]

    def test_an_expired_report_is_left_alone_until_it_is_edited(self) -> None:
        manifest = finished()
        expired = retention.of_expired(Subject.from_manifest(manifest), NOW).to_wire()
        assert decide(objects.facts(manifest | {"status": expired})).status is None
        assert Kept.from_manifest(manifest | {"status": expired}, links_allowed=True) is None
        edited = objects.report(generation=2, status=expired)
        assert decide(objects.facts(edited)).actions


class TestOnDelete:
    def test_the_store_is_told_before_the_status(self) -> None:
        manifest = objects.report(spec=SPEC | {"retention": {"onDelete": "Retain"}})
        subject = Subject.from_manifest(manifest)
        job = objects.job(subject, objects.condition("Complete"))
        decision = decide(objects.facts(manifest, jobs=(job,), stored=objects.stored(objects.result(subject))))
        assert RetainArtifacts(subject.run_id) in decision.actions
        assert decision.status is not None
        assert decision.status.phase is Phase.SUCCEEDED

    def test_a_run_that_fails_leaves_nothing_to_retain(self) -> None:
        manifest = objects.report(spec=SPEC | {"retention": {"onDelete": "Retain"}})
        subject = Subject.from_manifest(manifest)
        job = objects.job(subject, objects.condition("Failed", "DeadlineExceeded"))
        decision = decide(objects.facts(manifest, jobs=(job,)))
        assert not [each for each in decision.actions if isinstance(each, RetainArtifacts)]


class TestWhatIsDue:
    def test_files_go_at_their_time_and_not_before(self) -> None:
        report = kept(finished())
        until = NOW.replace(microsecond=0) + DAYS_90
        assert report.due_at(NOW) is not None
        assert report.expires_at == until
        assert not report.has_expired(until - timedelta(seconds=1))
        assert report.step(until) is Step.EXPIRE

    def test_forever_is_forever(self) -> None:
        assert kept(finished(retention={"ttl": "Forever"})).step(datetime.max.replace(tzinfo=UTC)) is not Step.EXPIRE

    def test_a_last_good_one_stays_and_keeps_its_links_fresh(self) -> None:
        found = Kept.from_manifest(finished(), links_allowed=True)
        assert found is not None
        later = NOW + 2 * DAYS_90
        assert found.step(later, is_last_good=True) is Step.SIGN
        signed = Kept(
            has_links=True, wants_links=True, renews_links=True, renew_at=later + 9 * HOUR, expires_at=found.expires_at
        )
        assert signed.step(later, is_last_good=True) is Step.WAIT
        assert signed.due_at(later, is_last_good=True) == later + LOOK_AGAIN


def scheduled(trigger: Trigger = Trigger.BACKFILL, **status: Any) -> Json:
    """Return a Report without files that a ScheduledReport has made."""
    name = of_run("weekly", "uid", trigger, "", slot=NOW, token="")
    labels = {
        MANAGED_BY_LABEL: MANAGER,
        SCHEDULE_LABEL: "weekly",
        SCHEDULE_UID_LABEL: "uid",
        TRIGGER_LABEL: trigger.value,
    }
    told = {"observedGeneration": 1, "phase": "Failed", "completionTime": objects.text(NOW)} | status
    return objects.report(name=name, labels=labels, annotations={SLOT_ANNOTATION: objects.text(NOW)}, status=told)


class TestWithoutFiles:
    """Backfilled ones are not counted by `history`, and those of a ScheduledReport that is gone are by nobody."""

    @pytest.mark.parametrize("phase", ["Failed", "Cancelled", "Succeeded"])
    @pytest.mark.parametrize("trigger", [Trigger.BACKFILL, Trigger.SCHEDULED])
    def test_one_of_a_schedule_goes_at_the_same_time(self, trigger: Trigger, phase: str) -> None:
        report, done = kept(scheduled(trigger, phase=phase)), NOW.replace(microsecond=0)
        assert report.due_at(NOW) == done + DAYS_90
        assert report.step(done + DAYS_90 - timedelta(seconds=1)) is Step.WAIT
        assert report.step(done + DAYS_90) is Step.EXPIRE

    def test_its_spec_says_when(self) -> None:
        manifest = scheduled()
        hours = manifest | {"spec": SPEC | {"retention": {"ttl": "36h"}}}
        forever = manifest | {"spec": SPEC | {"retention": {"ttl": "Forever"}}}
        assert kept(hours).due_at(NOW) == NOW.replace(microsecond=0) + 36 * HOUR
        assert Kept.from_manifest(forever, links_allowed=True) is None

    def test_one_that_never_ran_goes_by_when_it_was_made(self) -> None:
        """The policy did not allow it."""
        manifest = scheduled()
        del manifest["status"]["completionTime"]
        assert kept(manifest).due_at(NOW) == NOW.replace(microsecond=0) - timedelta(minutes=1) + DAYS_90

    @pytest.mark.parametrize(
        "status",
        [
            {"phase": "Running"},
            {"phase": "Hibernating"},
            {"observedGeneration": 0},
            {"redelivery": {"token": "t1", "phase": "Running"}},
        ],
    )
    def test_one_whose_run_has_not_ended_stays(self, status: Json) -> None:
        assert Kept.from_manifest(scheduled(**status), links_allowed=True) is None

    def test_one_of_a_user_stays(self) -> None:
        mine = scheduled()
        mine["metadata"]["name"] = "mine"
        assert Kept.from_manifest(mine, links_allowed=True) is None
        plain = objects.report(status={"observedGeneration": 1, "phase": "Failed", "completionTime": objects.text(NOW)})
        assert Kept.from_manifest(plain, links_allowed=True) is None

    def test_needs_no_links(self) -> None:
        report = Kept.from_manifest(scheduled(), links_allowed=True)
        assert report is not None
        assert report.step(NOW) is Step.WAIT


def child(number: int, trigger: Trigger, variant: str, phase: str, completed: datetime) -> Child:
    slot = NOW + number * HOUR
    name = f"{trigger}-{variant}-{number}"
    return Child(name, trigger, variant, slot, "", created_at=slot, phase=phase, completed_at=completed)


CHILDREN = st.lists(
    st.builds(
        lambda number, trigger, variant, phase, lag: child(
            number, trigger, variant, phase, NOW + number * HOUR + timedelta(minutes=lag)
        ),
        number=st.integers(0, 60),
        trigger=st.sampled_from([*Trigger]),
        variant=st.sampled_from(["", "eu"]),
        phase=st.sampled_from(["Succeeded", "Failed"]),
        lag=st.integers(0, 180),
    ),
    max_size=25,
    unique_by=lambda each: each.name,
)


@pytest.mark.requirement("D8", "N3")
@given(
    children=CHILDREN,
    keep_last=st.integers(0, 3),
    ttl=st.integers(1, 40),
    looks=st.lists(st.integers(0, 150), min_size=1, max_size=12).map(sorted),
)
def test_over_any_history_what_is_kept_stays_and_what_is_over_goes(
    children: list[Child], keep_last: int, ttl: int, looks: list[int]
) -> None:
    """A ScheduledReport's Reports end one after the other; the upkeep looks at those whose time has come."""
    kept_last = History(keep_last=keep_last)
    gone: set[str] = set()
    for hours in looks:
        now = NOW + hours * HOUR
        ended = [each for each in children if each.completed_at is not None and each.completed_at <= now]
        for each in ended:
            there = [other for other in ended if other.name not in gone]
            last = each.name in history.last_good(there, each.variant, kept_last)
            expires = each.completed_at + ttl * HOUR if each.completed_at is not None else None
            report = Kept(has_links=False, wants_links=False, renews_links=True, renew_at=None, expires_at=expires)
            if each.name not in gone and report.step(now, is_last_good=last) is Step.EXPIRE:
                gone.add(each.name)
        for variant in ("", "eu"):
            runs = (Trigger.SCHEDULED, Trigger.MANUAL)
            good = [c for c in ended if c.variant == variant and c.phase == "Succeeded" and c.trigger in runs]
            newest = sorted(good, key=lambda c: (c.slot, c.name), reverse=True)[:keep_last]
            assert gone.isdisjoint(c.name for c in newest)
            late = {c.name for c in ended if c.variant == variant and now >= c.completed_at + ttl * HOUR}  # type: ignore[operator]
            assert late - gone <= {c.name for c in newest}
        assert all(now >= c.completed_at + ttl * HOUR for c in children if c.name in gone)  # type: ignore[operator]
