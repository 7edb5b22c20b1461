"""What was not delivered is sent again, once for each request: taken up, refused, under way, edited, cancelled."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.deliveries import Deliveries, Delivery, DeliveryState, Entry, Problem
from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION, REDELIVER_ANNOTATION
from report_operator.api.outputs import OutputFormat
from report_operator.api.policy import Policy
from report_operator.api.redelivery import MESSAGES_FILE, RedeliveryOrder, RedeliveryPhase
from report_operator.api.report import ReportSpec, ReportStatus
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Outcome, StoredFile
from report_operator.plan import names, redelivery_order, secret
from report_operator.plan.facts import (
    Decision,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    ReadResult,
    RenewLinks,
    Seal,
    StartRedelivery,
    StartRun,
)
from report_operator.plan.job import RunDefaults
from report_operator.plan.objects import Job, Pod
from report_operator.plan.policy import Rules
from report_operator.plan.report import decide
from report_operator.plan.run_queue import Turn
from report_operator.plan.subject import Subject
from tests.support.objects import (
    NOW,
    SHA,
    SPEC,
    UID,
    condition,
    ended,
    facts,
    job,
    ordered,
    pod,
    report,
    result,
    running,
    stored,
    text,
)

Json = dict[str, Any]
HOOK = {"name": "hook", "webhook": {"url": "https://example.com/"}}
CHAT = {"name": "chat", "webhook": {"url": "https://chat.example.com/"}}
DELIVERED = SPEC | {"destinations": [HOOK, CHAT]}
SENT = Delivery(name="hook", state=DeliveryState.SENT, sent=1)
LEDGER = StoredFile(name=LEDGER_FILE, format=OutputFormat.JSON, size=100, sha256=SHA)
PARSED = ReportSpec.model_validate(DELIVERED)
FIRST = Subject.from_manifest(report(spec=DELIVERED))
NAME = names.redelivery_name("weekly", f"{UID}-1", "t1")
LEDGER_FOLDER = names.redelivery_prefix(FIRST.prefix, "t1")
FAILED = frozenset({DeliveryState.FAILED, DeliveryState.PENDING})


def chat(state: str, error: str | None = "410 Gone") -> Delivery:
    counts = {} if state == "Sent" else {"problems": [Problem(state=DeliveryState(state), last_error=error or "")]}
    fields = {state.lower(): 1, "last_error": error if counts else None}
    return Delivery(name="chat", state=DeliveryState(state), **counts, **fields)


def after_run(*deliveries: Delivery, spec: Json = DELIVERED) -> Json:
    """Return the status of a run that made everything and says so of its deliveries."""
    subject = Subject.from_manifest(report(spec=spec))
    of = result(subject, deliveries=list(deliveries), ledger=LEDGER)
    found = facts(
        report(spec=spec), jobs=(job(subject, condition("Complete")),), stored=stored(of, sizes={LEDGER_FILE: 100})
    )
    return wire(decide(found))


def failed() -> Json:
    return after_run(SENT, chat("Failed"))


def wire(decision: Decision) -> Json:
    assert decision.status is not None
    return decision.status.to_wire()


def asked(status: Json, token: str = "t1", generation: int = 1, spec: Json = DELIVERED, **fields: Any) -> Facts:
    """Return facts about a Report with the annotation."""
    return facts(report(generation, spec, status, annotations={REDELIVER_ANNOTATION: token}), **fields)


def conditions(decision: Decision) -> dict[str, tuple[str, str]]:
    assert decision.status
    return {c.type: (c.status, c.reason) for c in decision.status.conditions}


def redelivery_job(*holding: Json, ttl: int | None = None, deleted: bool = False) -> Job:
    made = job(FIRST, *holding, ttl=ttl, deleted=deleted).to_wire()
    metadata = redelivery_order.job_manifest(FIRST, ordered(FIRST), RunDefaults(image="i"), "t1")["metadata"]
    made["metadata"] |= metadata | {"uid": "job-of-t1"}
    return Job.model_validate(made)


def at_work(*states: Json, **fields: Any) -> Pod:
    made = pod(redelivery_job(), *states, **fields).to_wire()
    for found in made["status"]["initContainerStatuses"]:
        made["status"]["containerStatuses"] = [found | {"name": "redeliver"}]
    made["status"]["initContainerStatuses"] = []
    return Pod.model_validate(made)


def taken_up() -> Json:
    return wire(decide(asked(failed())))


def under_way() -> Json:
    return wire(decide(asked(taken_up(), redeliveries=(redelivery_job(),))))


class TestRequest:
    def test_is_on_record_before_anything_is_done_for_it(self) -> None:
        decision = decide(asked(failed()))
        assert decision.status is not None
        assert (decision.actions, decision.requeue_after) == ((), timedelta())
        assert decision.status.redelivery is not None
        assert (decision.status.redelivery.token, decision.status.redelivery.phase) == ("t1", RedeliveryPhase.WAITING)
        assert [told.reason for told in decision.announcements] == [Reason.REDELIVERING]

    def test_leaves_phase_files_and_deliveries(self) -> None:
        before, decision = failed(), decide(asked(failed()))
        after = wire(decision)
        same = ("phase", "artifacts", "deliveries", "runID", "completionTime", "expiresAt", "metrics")
        assert {name: after.get(name) for name in same} == {name: before.get(name) for name in same}
        assert conditions(decision) == {
            "Ready": ("Unknown", "Redelivering"),
            "Reconciling": ("True", "Redelivering"),
            "Rendered": ("True", "Succeeded"),
            "Delivered": ("False", "DeliveryFailed"),
        }

    @pytest.mark.requirement("N1")
    def test_of_before_the_last_one_is_refused_while_its_job_is_there(self) -> None:
        """Its ledger tells that all of it is sent: nothing would be, and it would seem to be done."""
        status = failed()
        status["redelivery"] = {"token": "t2", "phase": "Refused"}
        decision = decide(asked(status, redeliveries=(redelivery_job(condition("Complete"), ttl=3600),)))
        assert decision.status is not None
        assert decision.status.redelivery is not None
        assert (decision.status.redelivery.token, decision.status.redelivery.phase) == ("t1", RedeliveryPhase.REFUSED)
        assert "another value" in (decision.status.redelivery.message or "")
        assert wire(decide(asked(status)))["redelivery"]["phase"] == "Waiting"

    def test_then_starts_a_job_of_its_own(self) -> None:
        decision = decide(asked(taken_up()))
        assert decision == Decision(actions=(StartRedelivery(NAME, "t1", FAILED),))
        assert FIRST.job_name != NAME

    @pytest.mark.parametrize(
        ("token", "states"),
        [
            ("t1", FAILED),
            ("retry/2", FAILED),
            ("unknown/t1", FAILED | {DeliveryState.UNKNOWN}),
            ("all/t1", frozenset(DeliveryState)),
        ],
    )
    def test_is_about(self, token: str, states: frozenset[DeliveryState]) -> None:
        status = wire(decide(asked(failed(), token)))
        (action,) = decide(asked(status, token)).actions
        assert isinstance(action, StartRedelivery)
        assert (action.token, action.states) == (token, states)

    def test_is_followed_once(self) -> None:
        done = wire(decide(ended_with(chat("Failed"))))
        assert decide(asked(done)) == Decision()

    def test_after_another_is_followed(self) -> None:
        done = wire(decide(ended_with(chat("Failed"))))
        assert wire(decide(asked(done, "t2")))["redelivery"] == {"token": "t2", "phase": "Waiting"}

    def test_that_comes_meanwhile_waits_for_its_end(self) -> None:
        decision = decide(asked(under_way(), "t2", redeliveries=(redelivery_job(),)))
        assert (decision.status, decision.actions) == (None, ())

    def test_waits_for_its_turn(self) -> None:
        turn = Turn(3, NOW, "namespace team-a may have 1 run at once", None)
        decision = decide(asked(taken_up(), turn=turn))
        status = wire(decision)
        assert (status["phase"], status["queue"]["position"], status["reason"]) == ("Failed", 3, "RunLimitReached")
        assert conditions(decision)["Ready"] == ("Unknown", "RunLimitReached")
        assert decision.requeue_after is not None
        assert "queue" not in wire(decide(asked(status, redeliveries=(redelivery_job(),))))

    def test_whose_job_the_api_server_refuses(self) -> None:
        decision = decide(asked(taken_up(), refusal="exceeded quota"))
        assert wire(decision)["reason"] == "JobRefused"
        assert decision.requeue_after is not None

    def test_during_an_outage_is_tried_again(self) -> None:
        decision = decide(asked(taken_up(), outage="The store is down."))
        assert decision.retry
        assert (wire(decision)["reason"], decision.actions) == ("OperatorRetrying", ())


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "token", "says"),
        [
            (after_run(SENT, chat("Sent")), "t1", "Nothing has failed; to send everything again, write all/<token>."),
            (after_run(SENT, chat("Unknown")), "t1", "write unknown/<token>."),
            (after_run(SENT, chat("Sent")), "unknown/t1", "write all/<token>."),
            (failed() | {"artifacts": [], "phase": "Expired"}, "t1", "There are no files to send"),
            (failed() | {"runID": f"{UID}-7"}, "t1", "The files are of another run"),
        ],
    )
    def test_says_why(self, status: Json, token: str, says: str) -> None:
        decision = decide(asked(status, token))
        after = wire(decision)
        assert (after["redelivery"]["phase"], after["redelivery"]["token"]) == ("Refused", token)
        assert says in after["redelivery"]["message"]
        assert {**after, "redelivery": None} == {**status, "redelivery": None}
        (told,) = decision.announcements
        assert (told.type, told.reason, told.message) == (
            "Warning",
            "RedeliveryRefused",
            after["redelivery"]["message"],
        )
        assert decide(asked(after, token)) == Decision()

    def test_without_destinations(self) -> None:
        status = after_run(spec=SPEC)
        assert wire(decide(asked(status, spec=SPEC)))["redelivery"]["message"] == "The Report has no destinations."

    def test_by_policy(self) -> None:
        rules = Rules(Policy.read({"destinations": ["email"]}))
        decision = decide(asked(failed(), rules=rules))
        assert "is of kind webhook, allowed: email" in wire(decision)["redelivery"]["message"]

    def test_while_the_run_goes_on(self) -> None:
        mine = job(FIRST)
        decision = decide(asked({}, jobs=(mine,), pods=(pod(mine, running()),)))
        status = wire(decision)
        assert status["phase"] == "Running"
        assert (status["redelivery"]["token"], status["redelivery"]["phase"]) == ("t1", "Refused")
        assert "RedeliveryRefused" in [told.reason for told in decision.announcements]
        again = decide(asked(status, jobs=(mine,), pods=(pod(mine, running()),)))
        assert (again.status, again.announcements) == (None, ())

    def test_does_not_hold_up_the_start_of_a_run(self) -> None:
        assert decide(asked({})).actions == (StartRun(FIRST.job_name),)

    def test_when_the_store_has_not_what_it_needs(self) -> None:
        before = failed()
        decision = decide(asked(taken_up(), nothing_to_send="The store does not hold messages of the run."))
        after = wire(decision)
        assert after["redelivery"]["phase"] == "Refused"
        assert {**after, "redelivery": None, "conditions": None} == {**before, "redelivery": None, "conditions": None}
        assert conditions(decision)["Ready"] == ("False", "DeliveryFailed")


class TestGoingOn:
    def test_its_job_and_stage_are_shown(self) -> None:
        mine = redelivery_job()
        decision = decide(asked(taken_up(), redeliveries=(mine,), pods=(at_work(running()),)))
        status = wire(decision)
        assert (status["phase"], status["stage"], status["reason"]) == ("Failed", "redeliver", "Redelivering")
        assert status["redelivery"] == {
            "token": "t1",
            "phase": "Running",
            "jobName": NAME,
            "startTime": text(NOW - timedelta(seconds=20)),
        }
        assert status["jobName"] == FIRST.job_name

    @pytest.mark.parametrize(("minutes", "due"), [(13, False), (12, True)])
    def test_its_links_are_renewed_before_the_credentials_end(self, minutes: int, due: bool) -> None:
        noted = {LINKS_EXPIRE_ANNOTATION: text(NOW + timedelta(minutes=minutes))}
        mine = redelivery_job()
        mine = mine.model_copy(update={"metadata": mine.metadata.model_copy(update={"annotations": noted})})
        decision = decide(asked(under_way(), redeliveries=(mine,)))
        wanted = RenewLinks(NAME, StartRedelivery(NAME, "t1", FAILED))
        assert decision.cleanup == ((wanted,) if due else ())

    def test_a_second_look_changes_nothing(self) -> None:
        decision = decide(asked(under_way(), redeliveries=(redelivery_job(),)))
        assert (decision.status, decision.actions, decision.announcements, decision.cleanup) == (None, (), (), ())

    def test_a_job_that_was_made_before_a_kill_is_not_made_again(self) -> None:
        decision = decide(asked(taken_up(), redeliveries=(redelivery_job(),)))
        assert decision.actions == ()

    def test_it_is_not_the_run_of_an_older_generation(self) -> None:
        """Whatever it looks like to the parts that end those."""
        decision = decide(asked(under_way(), redeliveries=(redelivery_job(),), jobs=(job(FIRST, ttl=3600),)))
        assert DeleteJob(NAME) not in (*decision.actions, *decision.cleanup)


def ended_with(new: Delivery, **fields: Any) -> Facts:
    """Return facts about a redelivery that ended well with this result."""
    mine = redelivery_job()
    ledger = LEDGER.model_copy(update={"size": 222, "sha256": "d" * 64})
    of = result(FIRST, deliveries=[SENT, new], ledger=ledger)
    message = Outcome(result=of).model_dump_json(by_alias=True, exclude_none=True)
    done = at_work(ended(0, message), phase="Succeeded")
    whole = asked(under_way(), redeliveries=(mine,), pods=(done,), stored=stored(of, sizes={LEDGER_FILE: 222}))
    return replace(whole, **fields)


class TestEnd:
    def test_the_result_is_read_first(self) -> None:
        (action,) = decide(ended_with(chat("Sent"), stored=None)).actions
        assert isinstance(action, ReadResult)
        assert action.outcome is not None

    def test_when_all_is_sent_the_report_has_succeeded(self) -> None:
        decision = decide(ended_with(chat("Sent")))
        status = decision.status
        assert status is not None
        assert (status.phase, status.reason, status.stage) == (Phase.SUCCEEDED, Reason.SUCCEEDED, None)
        assert conditions(decision) == {
            "Ready": ("True", "Succeeded"),
            "Rendered": ("True", "Succeeded"),
            "Delivered": ("True", "Delivered"),
        }
        assert [each.state for each in status.deliveries] == ["Sent", "Sent"]
        assert status.redelivery is not None
        assert (status.redelivery.phase, status.redelivery.completion_time) == (RedeliveryPhase.ENDED, NOW)
        ledger = next(each for each in status.artifacts if each.name == LEDGER_FILE)
        assert (ledger.size, ledger.sha256) == (222, "d" * 64)
        before = ReportStatus.model_validate(failed())
        assert status.completion_time == before.completion_time
        assert [each for each in status.artifacts if each is not ledger] == before.artifacts[:-1]

    def test_is_tidied_up_and_no_file_goes(self) -> None:
        decision = decide(ended_with(chat("Sent")))
        assert decision.actions == (DeleteSecret(NAME),)
        assert decision.cleanup == (Seal(NAME),)

    def test_when_some_failed_again_it_has_failed(self) -> None:
        decision = decide(ended_with(chat("Failed", "500 still gone")))
        assert (wire(decision)["phase"], wire(decision)["reason"]) == ("Failed", "DeliveryFailed")
        assert "Destination chat: failed: 500 still gone." in wire(decision)["message"]

    def test_of_everything_a_success_can_become_a_failure(self) -> None:
        status = wire(decide(asked(after_run(SENT, chat("Sent")), "all/t1")))
        assert status["phase"] == "Succeeded"
        name = names.redelivery_name("weekly", f"{UID}-1", "all/t1")
        mine = redelivery_job(condition("Complete")).to_wire()
        mine["metadata"]["name"] = name
        of = result(FIRST, deliveries=[SENT, chat("Failed")], ledger=LEDGER)
        found = asked(status, "all/t1", redeliveries=(Job.model_validate(mine),), stored=stored(of))
        assert wire(decide(found))["phase"] == "Failed"

    def test_that_was_killed_is_told_from_the_store(self) -> None:
        mine = redelivery_job(condition("Failed", "DeadlineExceeded"))
        of = result(FIRST, deliveries=[SENT, chat("Unknown", "the run was ended before")], ledger=LEDGER)
        found = asked(under_way(), redeliveries=(mine,))
        assert decide(found).actions == (ReadResult(None, f"{UID}-1", LEDGER_FOLDER),)
        decision = decide(replace(found, stored=stored(of, sizes={LEDGER_FILE: 100})))
        status = wire(decision)
        assert (status["phase"], status["reason"]) == ("Failed", "DeliveryUnknown")
        assert "The run was ended after spec.run.timeout" in status["deliveries"][1]["lastError"]
        assert "The run was ended after spec.run.timeout" in status["redelivery"]["message"]
        assert not any(isinstance(action, DiscardArtifacts) for action in (*decision.actions, *decision.cleanup))

    def test_whose_job_is_gone_is_told_from_the_store(self) -> None:
        of = result(FIRST, deliveries=[SENT, chat("Sent")], ledger=LEDGER)
        decision = decide(asked(under_way(), stored=stored(of, sizes={LEDGER_FILE: 100})))
        assert wire(decision)["phase"] == "Succeeded"
        assert f"Job {NAME} was deleted" in wire(decision)["redelivery"]["message"]

    def test_with_the_result_of_another_run_changes_no_delivery(self) -> None:
        of = result(FIRST, run_id="other-1", deliveries=[SENT, chat("Sent")], ledger=LEDGER)
        decision = decide(ended_with(chat("Sent"), stored=stored(of)))
        assert wire(decision)["deliveries"] == failed()["deliveries"]
        assert "The result is of run other-1" in wire(decision)["redelivery"]["message"]

    def test_a_kill_before_the_seal_is_made_up_for(self) -> None:
        done = wire(decide(ended_with(chat("Sent"))))
        decision = decide(asked(done, redeliveries=(redelivery_job(condition("Complete")),)))
        assert decision.cleanup == (DeleteSecret(NAME), Seal(NAME))
        sealed = decide(asked(done, redeliveries=(redelivery_job(condition("Complete"), ttl=3600),)))
        assert sealed == Decision()


class TestEdit:
    def test_ends_it_before_the_new_run_starts(self) -> None:
        decision = decide(asked(under_way(), generation=2, redeliveries=(redelivery_job(),)))
        assert decision.actions == (DeleteJob(NAME),)
        status = wire(decision)
        assert (status["phase"], status["reason"], status["runID"]) == ("Queued", "Replacing", f"{UID}-2")
        assert status["redelivery"]["phase"] == "Ended"
        again = decide(asked(status, generation=2))
        assert [type(action) for action in again.actions] == [StartRun]
        assert not any(isinstance(action, DiscardArtifacts) for action in (*again.actions, *again.cleanup))

    def test_its_token_is_not_followed_by_the_new_run(self) -> None:
        ended_ = wire(decide(asked(under_way(), generation=2, redeliveries=(redelivery_job(),))))
        second = Subject.from_manifest(report(2, DELIVERED))
        of = result(second, deliveries=[SENT, chat("Failed")], ledger=LEDGER)
        mine = job(second, condition("Complete"))
        done = wire(decide(asked(ended_, generation=2, jobs=(mine,), stored=stored(of, sizes={LEDGER_FILE: 100}))))
        assert (done["phase"], done["redelivery"]["token"]) == ("Failed", "t1")
        decision = decide(asked(done, generation=2, jobs=(job(second, ttl=3600),)))
        assert decision == Decision()

    def test_before_its_job_is_made_takes_its_secret_away(self) -> None:
        decision = decide(asked(taken_up(), generation=2, jobs=(job(Subject.from_manifest(report(2, DELIVERED))),)))
        assert DeleteSecret(NAME) in decision.cleanup


class TestCancel:
    CANCELLED = DELIVERED | {"cancel": True}

    def test_ends_it_and_keeps_the_files(self) -> None:
        found = asked(under_way(), generation=2, spec=self.CANCELLED, redeliveries=(redelivery_job(),))
        decision = decide(found)
        assert (decision.status, decision.actions) == (None, (DeleteJob(NAME),))
        read = decide(replace(found, redeliveries=()))
        assert read.actions == (ReadResult(None, f"{UID}-1", LEDGER_FOLDER),)
        of = result(FIRST, deliveries=[SENT, chat("Unknown", "begun")], ledger=LEDGER)
        decision = decide(replace(found, redeliveries=(), stored=stored(of, sizes={LEDGER_FILE: 100})))
        status = wire(decision)
        assert (status["phase"], status["reason"], status["observedGeneration"]) == ("Failed", "DeliveryUnknown", 2)
        assert (status["runID"], len(status["artifacts"])) == (f"{UID}-1", 3)
        assert "spec.cancel" in status["redelivery"]["message"]
        assert decide(asked(status, generation=2, spec=self.CANCELLED)) == Decision()


class TestOrder:
    ENTRIES = (
        Entry(destination="hook", state=DeliveryState.SENT),
        Entry(destination="chat", state=DeliveryState.FAILED),
        Entry(destination="nobody asked", state=DeliveryState.FAILED),
    )

    def test_names_planned_entries_in_the_states(self) -> None:
        ledger = Deliveries(run_id=FIRST.run_id, entries=list(self.ENTRIES))
        made = redelivery_order.order(PARSED, ledger, FAILED)
        assert [entry.destination for entry in made.before] == ["hook", "chat"]
        assert made.again == [self.ENTRIES[1].id]
        assert type(made).unpacked(made.packed()) == made

    def test_of_a_thousand_recipients_fits_into_a_secret(self) -> None:
        """Of 1 MiB, beside 230 KB of links."""
        error = "127.0.0.1:25 refuses recipient {0}@example.com: 550 {1}"
        entries = [
            Entry(
                destination="mails",
                recipient=f"{n}@example.com",
                last_error=error.format(n, sha256(bytes(n)).hexdigest()),
            )
            for n in range(1000)
        ]
        made = RedeliveryOrder(before=entries, again=[entry.id for entry in entries])
        assert len(made.packed()) < 256 * 1024

    def test_reads_what_the_run_has_left(self) -> None:
        assert secret.files_read(PARSED) == [MESSAGES_FILE, RESULT_FILE, "report.pdf", "sales.csv"]

    def test_its_job_has_one_container_and_no_data(self) -> None:
        made = redelivery_order.job_manifest(FIRST, ordered(FIRST), RunDefaults(image="i"), "t1")
        pod_spec = made["spec"]["template"]["spec"]
        (container,) = pod_spec["containers"]
        assert "initContainers" not in pod_spec
        assert (container["name"], container["command"]) == ("redeliver", ["report-operator", "run", "redeliver"])
        assert {volume["name"] for volume in pod_spec["volumes"]} == {"request", "links", "outputs", "tmp-redeliver"}
        assert Job.model_validate(
            made | {"metadata": made["metadata"] | {"creationTimestamp": text(NOW)}}
        ).is_redelivery
        assert made["metadata"]["name"] == NAME
        assert Stage.REDELIVER.value == container["name"]
