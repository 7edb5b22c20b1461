"""Reports with one idempotency key: one runs, the others tell what becomes of it."""

from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.run import Outcome
from report_operator.plan.facts import Decision, Facts, StartRun
from report_operator.plan.orphans import Orphans
from report_operator.plan.report import decide
from report_operator.plan.retention import of_expired
from report_operator.plan.sharing import Sharer
from report_operator.plan.subject import Subject
from tests.support.objects import (
    NOW,
    SPEC,
    UID,
    condition,
    ended,
    facts,
    job,
    pod,
    report,
    result,
    running,
    stored,
    text,
)

Json = dict[str, Any]
OTHER = "11111111-2222-4333-8444-555555555555"
KEYED = SPEC | {"idempotencyKey": "order-4711"}


def first(status: Json | None = None, spec: Json = KEYED, generation: int = 1) -> Subject:
    return Subject.from_manifest(report(generation, spec, status))


def second(of: Subject | None, status: Json | None = None, spec: Json = KEYED, **fields: Any) -> Facts:
    return facts(report(spec=spec, status=status, name="again", uid=OTHER), first=of, **fields)


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def status_of(*, succeeded: bool) -> Json:
    """Return the status of the first one's run when it has ended."""
    mine, of = job(first(), condition("Complete" if succeeded else "Failed")), result(first())
    message = Outcome(result=of).model_dump_json(by_alias=True, exclude_none=True)
    done = pod(mine, ended(), ended(), ended(0, message)) if succeeded else pod(mine, ended(64), phase="Failed")
    return wire(decide(facts(report(spec=KEYED), jobs=(mine,), pods=(done,), stored=stored(of))))


def at_work() -> Json:
    mine = job(first())
    return wire(decide(facts(report(spec=KEYED), jobs=(mine,), pods=(pod(mine, running()),))))


class TestFollowing:
    @pytest.mark.requirement("B5")
    def test_has_the_result_of_the_first_and_no_run(self) -> None:
        done = status_of(succeeded=True)
        decision = decide(second(first(done)))
        assert decision.actions == ()
        after = wire(decision)
        same = ("phase", "reason", "message", "runID", "artifacts", "completionTime", "expiresAt", "linksRenewAt")
        assert {name: after[name] for name in same} == {name: done[name] for name in same}
        assert after["sameAs"] == "weekly"
        assert [c["type"] for c in after["conditions"]] == ["Ready"]
        assert decide(second(first(done), after)) == Decision()

    def test_follows_a_run_that_goes_on(self) -> None:
        decision = decide(second(first(at_work())))
        after = wire(decision)
        assert (after["phase"], after["stage"], after["reason"], after["sameAs"]) == (
            "Running",
            "fetch",
            "Running",
            "weekly",
        )
        assert "Report weekly has the same spec.idempotencyKey" in after["message"]
        assert not {"runID", "jobName"} & after.keys(), "nothing of the first one is to be ended in its stead"
        assert decision.requeue_after is not None
        again = decide(second(first(at_work()), after))
        assert (again.status, again.actions, again.cleanup) == (None, (), ())

    def test_follows_one_that_the_operator_has_not_seen(self) -> None:
        after = wire(decide(second(first())))
        assert (after["phase"], after["reason"]) == ("Queued", "Queued")

    def test_fails_like_the_first(self) -> None:
        done = status_of(succeeded=False)
        after = wire(decide(second(first(done))))
        assert (after["phase"], after["reason"], after["message"]) == ("Failed", done["reason"], done["message"])
        assert {c["type"] for c in after["conditions"]} == {"Ready", "Stalled"}

    def test_with_another_spec_there_is_a_clear_reason_and_no_run(self) -> None:
        other = KEYED | {"title": "Another"}
        after = wire(decide(second(first(status_of(succeeded=True)), spec=other)))
        assert (after["phase"], after["reason"]) == ("Failed", "IdempotencyConflict")
        assert "Report weekly has the same spec.idempotencyKey and another spec." in after["message"]
        assert not {"runID", "sameAs"} & after.keys()
        assert after["artifacts"] == []
        alone = decide(second(None, after, spec=other))
        assert [type(action) for action in alone.actions] == [StartRun], "when the first one is gone"

    def test_when_the_first_is_gone_before_its_end_it_runs_itself(self) -> None:
        following = wire(decide(second(first(at_work()))))
        assert [type(action) for action in decide(second(None, following)).actions] == [StartRun]

    def test_when_the_first_is_gone_after_its_end_the_result_stays(self) -> None:
        after = wire(decide(second(first(status_of(succeeded=True)))))
        assert decide(second(None, after)) == Decision()

    def test_waits_until_it_is_known_who_is_the_first(self) -> None:
        decision = decide(second(None, key_settles_in=timedelta(seconds=2)))
        assert decision == Decision(requeue_after=timedelta(seconds=2))

    def test_a_run_that_is_there_goes_on(self) -> None:
        mine = job(Subject.from_manifest(report(spec=KEYED, name="again", uid=OTHER)))
        after = wire(decide(second(first(at_work()), jobs=(mine,))))
        assert "sameAs" not in after

    def test_a_redelivery_is_to_be_asked_for_at_the_first(self) -> None:
        done = status_of(succeeded=True)
        after = wire(decide(second(first(done))))
        manifest = report(spec=KEYED, status=after, name="again", uid=OTHER)
        manifest["metadata"]["annotations"] = {"report-operator.io/redeliver": "t1"}
        assert "Report weekly; ask there" in wire(decide(facts(manifest)))["redelivery"]["message"]


def sharer(status: Json | None = None, spec: Json = KEYED, **metadata: Any) -> Sharer:
    found = Sharer.from_manifest(report(spec=spec, status=status, **metadata))
    assert found is not None
    return found


class TestRank:
    def test_who_was_made_first_then_by_name(self) -> None:
        late = text(NOW)
        assert sharer().rank < sharer(creationTimestamp=late).rank
        assert sharer(name="a").rank < sharer(name="b").rank

    def test_who_has_a_run_comes_first_whenever_it_was_made(self) -> None:
        assert sharer(at_work(), creationTimestamp=text(NOW)).rank < sharer().rank
        copied = wire(decide(second(first(status_of(succeeded=True)))))
        assert not sharer(copied).has_run

    def test_cancelled_and_expired_ones_do_not_count(self) -> None:
        assert sharer().counts
        assert not sharer(spec=KEYED | {"cancel": True}).counts
        manifest = report(spec=KEYED, status=status_of(succeeded=True))
        expired = of_expired(Subject.from_manifest(manifest), NOW).to_wire()
        assert not sharer(expired).counts

    def test_without_a_key_or_on_its_way_out_there_is_none(self) -> None:
        assert Sharer.from_manifest(report()) is None
        assert Sharer.from_manifest(report(spec=KEYED, deletionTimestamp=text(NOW))) is None


class TestSweep:
    """The files of the run of `weekly`, which is gone where it is not among the Reports."""

    def left(self, *reports: Json) -> list[str]:
        found = Orphans(NOW, grace=timedelta())
        found.see(f"team-a/weekly/{UID}-1/report.pdf", NOW - timedelta(hours=1))
        for each in reports:
            found.keep(each, None)
        return found.folders

    def test_spares_what_a_report_names(self) -> None:
        after = wire(decide(second(first(status_of(succeeded=True)))))
        again = report(spec=KEYED, status=after, name="again", uid=OTHER)
        expired = report(spec=KEYED, status=of_expired(first(status_of(succeeded=True)), NOW).to_wire())
        assert self.left(again) == self.left(again, expired) == self.left(expired, again) == []

    def test_spares_nothing_for_one_that_has_expired(self) -> None:
        assert self.left(report(spec=KEYED, status=status_of(succeeded=True))) == []
        expired = of_expired(first(status_of(succeeded=True)), NOW).to_wire()
        assert self.left(report(spec=KEYED, status=expired)) == [f"team-a/weekly/{UID}-1/"]
        assert self.left(report(2, KEYED, {**expired, "observedGeneration": 1})) == [], "it runs again"
