"""What a run says it sent, in the status: totals, conditions, and that artifacts stay."""

from typing import Any

import pytest

from report_operator.api.conditions import Phase, Reason, Stage
from report_operator.api.deliveries import RESULT_MARGIN, Delivery, DeliveryState, Entry, Problem
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import EXIT_USER_ERROR, LEDGER_FILE, Outcome, StoredFile
from report_operator.plan import deliveries, leftovers, secret
from report_operator.plan.facts import Decision, DiscardArtifacts, ReadResult, Seal
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from report_operator.run.destinations import smtp
from tests.support.objects import (
    NOW,
    SHA,
    SPEC,
    condition,
    ended,
    facts,
    failure_message,
    job,
    pod,
    report,
    result,
    stored,
)

Json = dict[str, Any]
HOOK = {"name": "hook", "webhook": {"url": "https://example.com/"}}
CHAT = {"name": "chat", "webhook": {"url": "https://chat.example.com/"}}
DELIVERED = SPEC | {"destinations": [HOOK, CHAT]}
SENT = Delivery(name="hook", state="Sent", sent=1)
LEDGER = StoredFile(name=LEDGER_FILE, format=OutputFormat.JSON, size=100, sha256=SHA)


def failed(name: str, state: str = "Failed", **counts: int) -> Delivery:
    problem = Problem(recipient="bob@example.com", state=state, last_error="550 no such user")
    return Delivery(name=name, state=state, last_error="550 no such user", problems=[problem], **counts)


def ended_well(*reported: Delivery, **fields: Any) -> Decision:
    """Return the decision about a run that ended well and says so of its deliveries."""
    manifest = report(spec=DELIVERED)
    subject = Subject.from_manifest(manifest)
    of = result(subject, **({"deliveries": list(reported), "ledger": LEDGER} | fields))
    sizes = {LEDGER_FILE: 100}
    mine = job(subject)
    message = Outcome(result=of).model_dump_json(by_alias=True, exclude_none=True)
    done = pod(mine, ended(), ended(), ended(0, message))
    return decide(facts(manifest, jobs=(mine,), pods=(done,), stored=stored(of, sizes=sizes)))


def conditions(decision: Decision) -> dict[str, tuple[str, str]]:
    assert decision.status
    return {c.type: (c.status, c.reason) for c in decision.status.conditions}


def test_all_is_sent() -> None:
    decision = ended_well(SENT, SENT.model_copy(update={"name": "chat"}))
    assert decision.status
    assert (decision.status.phase, decision.status.reason) == (Phase.SUCCEEDED, Reason.SUCCEEDED)
    assert decision.status.message == "3 files in the store. Sent to 2 destinations."
    assert conditions(decision) == {
        "Ready": ("True", "Succeeded"),
        "Rendered": ("True", "Succeeded"),
        "Delivered": ("True", "Delivered"),
    }
    assert [artifact.name for artifact in decision.status.artifacts] == ["report.pdf", "sales.csv", LEDGER_FILE]


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(
    ("reported", "reason", "says"),
    [
        ([SENT, failed("chat", failed=1)], Reason.DELIVERY_FAILED, "Destination chat: failed: 550 no such user."),
        (
            [failed("hook", failed=37, unknown=1, sent=962), failed("chat", "Unknown", unknown=1)],
            Reason.DELIVERY_FAILED,
            "Destination hook: 37 failed, 1 unknown of 1000: 550 no such user. Destination chat: unknown: 550",
        ),
        ([SENT, failed("chat", "Unknown", unknown=1)], Reason.DELIVERY_UNKNOWN, "Destination chat: unknown: 550"),
        ([SENT, failed("chat", "Pending", pending=1)], Reason.DELIVERY_FAILED, "Destination chat: not begun: 550"),
        ([SENT], Reason.DELIVERY_UNKNOWN, "Destination chat: unknown: the run does not report it."),
    ],
)
def test_a_delivery_that_failed_is_no_rendering_that_failed(
    reported: list[Delivery], reason: Reason, says: str
) -> None:
    decision = ended_well(*reported)
    assert decision.status
    assert (decision.status.phase, decision.status.reason) == (Phase.FAILED, reason)
    assert says in (decision.status.message or "")
    assert conditions(decision) == {
        "Ready": ("False", reason),
        "Stalled": ("True", reason),
        "Rendered": ("True", "Succeeded"),
        "Delivered": ("False", reason),
    }
    assert [delivery.name for delivery in decision.status.deliveries] == ["hook", "chat"]
    assert [announcement.type for announcement in decision.announcements] == ["Warning"]


def test_a_failed_delivery_discards_nothing() -> None:
    decision = ended_well(SENT, failed("chat", failed=1))
    assert decision.status
    assert len(decision.status.artifacts) == 3
    discarded = [action for action in (*decision.actions, *decision.cleanup) if isinstance(action, DiscardArtifacts)]
    assert discarded == []
    settled = facts(report(spec=DELIVERED, status=decision.status.to_wire()))
    mine = job(settled.subject, condition("Complete"))
    again = leftovers.of_settled(facts(report(spec=DELIVERED, status=decision.status.to_wire()), jobs=(mine,)))
    assert again[-1] == Seal(settled.subject.job_name)
    assert not [action for action in again if isinstance(action, DiscardArtifacts)]
    edited = report(generation=2, spec=DELIVERED, status=decision.status.to_wire())
    later = leftovers.of_others(facts(edited, jobs=(mine,)))
    assert not [action for action in later if isinstance(action, DiscardArtifacts)]


def test_a_run_that_failed_before_has_sent_nothing() -> None:
    manifest = report(spec=DELIVERED)
    mine = job(Subject.from_manifest(manifest), condition("Failed", "PodFailurePolicy"))
    message = failure_message(Reason.QUERY_FAILED, "no such table", Stage.FETCH)
    died = pod(mine, ended(EXIT_USER_ERROR, message), phase="Failed")
    decision = decide(facts(manifest, jobs=(mine,), pods=(died,), stored=stored(None, "nothing is there")))
    assert conditions(decision) == {
        name: ("True" if name == "Stalled" else "False", "QueryFailed")
        for name in ("Ready", "Stalled", "Rendered", "Delivered")
    }


def interrupted(**fields: Any) -> Decision:
    """Return the decision about a run that met its deadline, after the store was read or before."""
    manifest = report(spec=DELIVERED)
    mine = job(Subject.from_manifest(manifest), condition("Failed", "DeadlineExceeded", "too long"))
    return decide(facts(manifest, jobs=(mine,), **fields))


@pytest.mark.requirement("N1")
def test_a_run_that_was_ended_while_it_delivered_keeps_its_files() -> None:
    """Somebody may have a mail with links to them."""
    subject = Subject.from_manifest(report(spec=DELIVERED))
    assert interrupted().actions == (ReadResult(None, cut_off=subject.prefix),)
    unknown = [failed(name, "Unknown", unknown=1) for name in ("hook", "chat")]
    left = stored(result(subject, deliveries=unknown, ledger=LEDGER), sizes={LEDGER_FILE: 100})
    decision = interrupted(stored=left)
    assert decision.status
    assert (decision.status.phase, decision.status.reason) == (Phase.FAILED, Reason.DELIVERY_UNKNOWN)
    assert len(decision.status.artifacts) == 3
    assert "The run was ended after spec.run.timeout (30m)." in (decision.status.message or "")
    assert not [action for action in decision.cleanup if isinstance(action, DiscardArtifacts)]


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("size", [999, 0])
def test_a_run_that_was_ended_while_it_delivered_keeps_what_is_there(size: int) -> None:
    """One file is another one by now, or gone: recipients have links to the others, and the ledger tells who."""
    subject = Subject.from_manifest(report(spec=DELIVERED))
    some = [SENT, failed("chat", "Pending", pending=1)]
    left = stored(result(subject, deliveries=some, ledger=LEDGER), sizes={LEDGER_FILE: 100, "sales.csv": size})
    decision = interrupted(stored=left)
    assert decision.status
    assert [artifact.name for artifact in decision.status.artifacts] == ["report.pdf", LEDGER_FILE]
    assert [delivery.state for delivery in decision.status.deliveries] == ["Sent", "Pending"]
    assert conditions(decision)["Rendered"] == ("True", "Succeeded")
    assert "chat: not begun: 550 no such user. The run was ended after" in (decision.status.message or "")
    assert "sales.csv" in (decision.status.message or "")
    assert not [action for action in (*decision.actions, *decision.cleanup) if isinstance(action, DiscardArtifacts)]


@pytest.mark.requirement("N1")
def test_a_run_whose_job_was_deleted_while_it_delivered_keeps_its_files() -> None:
    manifest = report(spec=DELIVERED)
    subject = Subject.from_manifest(manifest)
    going = decide(facts(manifest, jobs=(job(subject),))).status
    assert going
    gone = report(spec=DELIVERED, status=going.to_wire())
    assert decide(facts(gone)).actions == (ReadResult(None, cut_off=subject.prefix),)
    some = [SENT, failed("chat", "Pending", pending=1)]
    left = stored(result(subject, deliveries=some, ledger=LEDGER), sizes={LEDGER_FILE: 100})
    decision = decide(facts(gone, stored=left))
    assert decision.status
    assert (decision.status.phase, len(decision.status.artifacts)) == (Phase.FAILED, 3)
    assert "was deleted before its result was recorded" in (decision.status.message or "")
    assert not [action for action in (*decision.actions, *decision.cleanup) if isinstance(action, DiscardArtifacts)]
    nothing = decide(facts(gone, stored=stored(None, "nothing is there")))
    assert nothing.status
    assert (nothing.status.phase, nothing.status.reason) == (Phase.FAILED, Reason.JOB_DELETED)
    assert [action for action in nothing.cleanup if isinstance(action, DiscardArtifacts)]


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(
    ("before", "is_begun", "record", "after"),
    [
        ("Pending", False, None, "Pending"),
        ("Pending", True, None, "Unknown"),
        ("Pending", True, "Sent", "Sent"),
        ("Pending", True, "Failed", "Failed"),
        ("Failed", False, None, "Failed"),  # The same in a redelivery.
        ("Failed", True, None, "Unknown"),
        ("Failed", True, "Sent", "Sent"),
        ("Unknown", False, None, "Unknown"),
        ("Sent", True, None, "Sent"),  # Who has it has it, whatever became of a second send.
        ("Sent", True, "Failed", "Failed"),
    ],
)
def test_the_objects_of_a_ledger_tell(before: str, is_begun: bool, record: str | None, after: str) -> None:
    entry = Entry(destination="mail", recipient="ann@example.com", state=DeliveryState(before))
    # A run is trusted less than the operator: whose entry it is follows from the name of the object.
    records = {entry.id: Entry(destination="other", state=DeliveryState(record))} if record else {}
    [settled] = deliveries.settled([entry], {entry.id} if is_begun else set(), records)
    assert (settled.id, settled.state) == (entry.id, after)


def test_a_run_that_was_ended_before_it_delivered_has_left_nothing() -> None:
    decision = interrupted(stored=stored(None, "nothing is there"))
    assert decision.status
    assert (decision.status.phase, decision.status.reason) == (Phase.FAILED, Reason.DEADLINE_EXCEEDED)
    assert decision.status.artifacts == []
    assert [action for action in decision.cleanup if isinstance(action, DiscardArtifacts)]


def test_destinations_that_the_spec_does_not_name_are_left_out() -> None:
    strange = SENT.model_copy(update={"name": "strange"})
    decision = ended_well(SENT, SENT.model_copy(update={"name": "chat"}), strange)
    assert decision.status
    assert [delivery.name for delivery in decision.status.deliveries] == ["hook", "chat"]


def test_without_a_ledger_the_run_is_not_believed() -> None:
    decision = ended_well(SENT, SENT.model_copy(update={"name": "chat"}), ledger=None)
    assert decision.status
    assert decision.status.reason is Reason.ARTIFACT_MISSING


@pytest.mark.parametrize(
    ("run", "left"), [({"timeout": "30m"}, 26 * 60), ({"timeout": "1m"}, 45), ({"kueueQueueName": "q"}, 168 * 3600)]
)
def test_deliveries_end_before_the_job_does(run: Json, left: int) -> None:
    spec = Subject.from_manifest(report(spec=DELIVERED | {"run": run})).spec
    assert spec
    until = secret.deliver_until(spec, NOW)
    assert until
    assert (until - NOW).total_seconds() == left
    plain = Subject.from_manifest(report()).spec
    assert plain
    assert secret.deliver_until(plain, NOW) is None


def test_what_has_begun_can_end_before_the_job_does() -> None:
    """A server may take so long to answer the commands and then the mail."""
    assert RESULT_MARGIN.total_seconds() > smtp._DATA_TIMEOUT + 2 * smtp._TIMEOUT
