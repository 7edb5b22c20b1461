"""A run that has begun to deliver and whose end is not on record, when somebody edits or cancels its Report.

Recipients have links to its files: those stay, and somebody is told who has them.
"""

from datetime import timedelta
from typing import Any

import pytest

from report_operator.api.deliveries import Delivery
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import LEDGER_FILE, StoredFile
from report_operator.plan.facts import Decision, DeleteSecret, ReadResult, RetainArtifacts, Seal, StartRun, Stored
from report_operator.plan.objects import Job
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from tests.support.objects import SHA, SPEC, condition, facts, job, report, result, stored

Json = dict[str, Any]
MAILS = {"email": {"server": {"host": "mail.example.com"}, "from": "a@example.com", "to": ["b@example.com"]}}
MAILED = SPEC | {"destinations": [{"name": "mails", **MAILS}]}
CANCEL = MAILED | {"cancel": True}
FIRST = Subject.from_manifest(report(spec=MAILED))
SECOND = Subject.from_manifest(report(2, MAILED))
SENT = Delivery(name="mails", state="Sent", sent=1000)
HALF = Delivery(name="mails", state="Pending", sent=600, pending=400)
LEDGER = StoredFile(name=LEDGER_FILE, format=OutputFormat.JSON, size=100, sha256=SHA)
IN_PART = ReadResult(None, FIRST.run_id, cut_off=FIRST.prefix)
WHOLE = ReadResult(None, FIRST.run_id)
COMPLETE = job(FIRST, condition("Complete"))
FAILED = job(FIRST, condition("Failed", "DeadlineExceeded"))


def left(*delivered: Delivery, **fields: Any) -> Stored:
    """Return what the store holds of the first run, its ledger too."""
    of = {"deliveries": list(delivered), "ledger": LEDGER} | fields
    return stored(result(FIRST, **of), sizes={LEDGER_FILE: 100})


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def running() -> Json:
    return wire(decide(facts(report(spec=MAILED), jobs=(job(FIRST),))))


def being_ended(spec: Json) -> Json:
    """Return the status while the Job of the first run is being deleted."""
    return wire(decide(facts(report(2, spec, running()), jobs=(job(FIRST),))))


@pytest.mark.requirement("N1")
class TestCancelled:
    def decided(self, status: Json, *jobs: Job, **fields: Any) -> Decision:
        return decide(facts(report(2, CANCEL, status), jobs=jobs, **fields))

    def test_half_of_the_recipients_keep_their_links_and_the_status_tells_who_has_them(self) -> None:
        assert self.decided(being_ended(CANCEL)).actions == (IN_PART,)
        decision = self.decided(being_ended(CANCEL), stored=left(HALF))
        status = wire(decision)
        assert (status["phase"], status["reason"], status["runID"]) == ("Cancelled", "Cancelled", FIRST.run_id)
        assert [file["name"] for file in status["artifacts"]] == ["report.pdf", "sales.csv", LEDGER_FILE]
        assert [(each["sent"], each["pending"]) for each in status["deliveries"]] == [(600, 400)]
        assert "400 not begun of 1000: The run was ended because of spec.cancel." in status["message"]
        assert {"expiresAt", "linksRenewAt", "completionTime"} <= status.keys()
        assert {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]} == {
            "Ready": ("False", "Cancelled"),
            "Stalled": ("True", "Cancelled"),
            "Rendered": ("True", "Succeeded"),
            "Delivered": ("False", "DeliveryFailed"),
        }
        (told,) = decision.announcements
        assert (told.reason, "400 not begun" in told.message) == ("Cancelled", True)
        assert decide(facts(report(2, CANCEL, status))) == Decision()

    @pytest.mark.parametrize(("ended", "asked", "said"), [(COMPLETE, WHOLE, SENT), (FAILED, IN_PART, HALF)])
    def test_what_ended_before_its_end_was_on_record_tells_too(
        self, ended: Job, asked: ReadResult, said: Delivery
    ) -> None:
        assert self.decided(running(), ended).actions == (asked,)
        decision = self.decided(running(), ended, stored=left(said))
        status = wire(decision)
        assert (status["phase"], len(status["artifacts"])) == ("Cancelled", 3)
        assert [each["sent"] for each in status["deliveries"]] == [said.sent]
        assert {DeleteSecret(FIRST.job_name), Seal(FIRST.job_name)} <= set(decision.cleanup)

    def test_a_destination_that_the_run_does_not_report_is_unknown(self) -> None:
        (delivery,) = wire(self.decided(being_ended(CANCEL), stored=left()))["deliveries"]
        assert (delivery["state"], delivery["unknown"]) == ("Unknown", 1)

    def test_a_destination_that_was_taken_out_is_told_of(self) -> None:
        spec = SPEC | {"cancel": True}
        status = wire(decide(facts(report(2, spec, being_ended(spec)), stored=left(HALF))))
        assert (status["deliveries"], len(status["artifacts"])) == ([], 2)
        assert "Destination mails: 400 not begun of 1000" in status["message"]

    @pytest.mark.parametrize("fields", [{"ledger": None}, {"run_id": "another-1"}])
    def test_what_has_not_begun_to_deliver_leaves_nothing(self, fields: Json) -> None:
        status = wire(self.decided(being_ended(CANCEL), stored=left(HALF, **fields)))
        assert (status["phase"], status["artifacts"], status["deliveries"]) == ("Cancelled", [], [])
        assert "nothing of it is kept" in status["message"]

    def test_a_spec_that_cannot_be_read_is_cancelled_all_the_same(self) -> None:
        unreadable = {"outputs": [{"format": "docx"}], "cancel": True}
        status = wire(decide(facts(report(2, unreadable, being_ended(CANCEL)))))
        assert (status["phase"], status["artifacts"]) == ("Cancelled", [])
        assert "only what it had begun to deliver is kept" in status["message"]

    def test_its_files_outlive_the_report_where_that_is_asked_for(self) -> None:
        spec = CANCEL | {"retention": {"onDelete": "Retain"}}
        decision = decide(facts(report(2, spec, being_ended(CANCEL)), stored=left(HALF)))
        assert decision.actions[-1] == RetainArtifacts(FIRST.run_id)

    def test_it_is_not_read_again_when_it_runs_again(self) -> None:
        status = wire(self.decided(being_ended(CANCEL), stored=left(HALF)))
        third = Subject.from_manifest(report(3))
        assert decide(facts(report(3, MAILED, status))) == Decision(actions=(StartRun(third.job_name),))


@pytest.mark.requirement("N1")
class TestEdited:
    def decided(self, status: Json, *jobs: Job, **fields: Any) -> Decision:
        return decide(facts(report(2, MAILED, status), jobs=jobs, **fields))

    @pytest.mark.parametrize(
        ("jobs", "asked", "said", "event"),
        [
            ((), IN_PART, HALF, ("Warning", "DeliveryFailed", "400 not begun of 1000: The run was ended.")),
            ((FAILED,), IN_PART, HALF, ("Warning", "DeliveryFailed", "400 not begun of 1000: The run was ended.")),
            ((COMPLETE,), WHOLE, SENT, ("Normal", "Delivered", "Sent to 1 destination.")),
        ],
    )
    def test_it_is_told_who_has_got_it_before_the_new_run_begins(
        self, jobs: tuple[Job, ...], asked: ReadResult, said: Delivery, event: tuple[str, str, str]
    ) -> None:
        before = running() if jobs else being_ended(MAILED)
        assert self.decided(before, *jobs).actions == (asked,)
        decision = self.decided(before, *jobs, stored=left(said))
        assert (wire(decision)["reason"], wire(decision)["runID"]) == ("Replacing", SECOND.run_id)
        told = decision.announcements[-1]
        assert (told.type, told.reason) == event[:2]
        assert told.message.startswith(f"Run {FIRST.run_id}, before the spec was edited: ")
        assert event[2] in told.message
        assert decision.requeue_after == timedelta()
        start = self.decided(wire(decision))
        assert start == Decision(actions=(StartRun(SECOND.job_name),))

    def test_a_run_that_was_never_on_record_is_told_of_too(self) -> None:
        asked = decide(facts(report(2, MAILED), jobs=(COMPLETE,)))
        assert asked.actions == (WHOLE,)

    def test_it_is_told_once(self) -> None:
        told = wire(self.decided(running(), COMPLETE, stored=left(SENT)))
        again = self.decided(told, COMPLETE, job(SECOND))
        assert [each.reason for each in again.announcements] == ["Queued"]
        assert {DeleteSecret(FIRST.job_name), Seal(FIRST.job_name)} <= set(again.cleanup)

    def test_a_destination_that_was_taken_out_is_told_of(self) -> None:
        """Who sees 600 wrong mails go out may end that by taking the destination out."""
        decision = decide(facts(report(2, SPEC, being_ended(SPEC)), stored=left(HALF)))
        assert "Destination mails: 400 not begun of 1000" in decision.announcements[-1].message

    def test_its_files_outlive_the_report_where_that_is_asked_for(self) -> None:
        spec = MAILED | {"retention": {"onDelete": "Retain"}}
        decision = decide(facts(report(2, spec, being_ended(MAILED)), stored=left(HALF)))
        assert decision.actions[-1] == RetainArtifacts(FIRST.run_id)

    def test_an_outage_of_the_store_puts_the_new_run_off(self) -> None:
        decision = self.decided(being_ended(MAILED), outage="The store is down.")
        assert (wire(decision)["reason"], decision.retry) == ("OperatorRetrying", True)
        assert self.decided(wire(decision)).actions == (IN_PART,)

    def test_what_waited_and_never_had_a_job_is_not_asked_for(self) -> None:
        refused = wire(decide(facts(report(spec=MAILED), refusal="exceeded quota: jobs")))
        assert self.decided(refused).actions == (StartRun(SECOND.job_name),)
