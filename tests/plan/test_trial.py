"""Test sends: the real report, to one address, and nothing of it counts."""

import contextlib
from typing import Any

import pytest

from report_operator.api.metadata import TEST_SEND_ANNOTATION
from report_operator.api.policy import Policy
from report_operator.api.report import ReportSpec
from report_operator.api.run import Links, Request
from report_operator.plan import names, secret
from report_operator.plan.facts import Decision, MakeTrial, StartRun
from report_operator.plan.policy import Rules
from report_operator.plan.relay import MailRelay
from report_operator.plan.report import decide
from report_operator.plan.subject import Subject
from report_operator.plan.upkeep import is_made_by_us
from tests.support.objects import NOW, SPEC, UID, facts, job, ordered, pod, report, running, stored
from tests.support.schedules import DAILY, TWO, CrashError, World

Json = dict[str, Any]
TOKEN = "1/me@example.com"
SERVER = {"host": "smtp.example.com"}
MAIL = {
    "name": "team",
    "email": {
        "server": SERVER,
        "from": "reports@example.com",
        "to": ["ann@example.com"],
        "cc": ["bob@example.com"],
        "bcc": ["eve@example.com"],
        "subject": "Weekly {{ report.title }}",
        "attachments": {"formats": ["pdf"]},
    },
}
HOOK = {"name": "hook", "webhook": {"url": "https://example.com/"}}
MAILED = SPEC | {"destinations": [HOOK, MAIL], "cancel": False, "retention": {"ttl": "90d", "onDelete": "Retain"}}


def asked(spec: Json = MAILED, token: str = TOKEN, status: Json | None = None, **fields: Any) -> Any:
    return facts(report(spec=spec, status=status, annotations={TEST_SEND_ANNOTATION: token}), **fields)


def at_work(**fields: Any) -> Any:
    mine = job(Subject.from_manifest(report()))
    return asked(jobs=(mine,), pods=(pod(mine, running()),), **fields)


def made(decision: Decision) -> MakeTrial:
    (action,) = decision.actions
    assert isinstance(action, MakeTrial)
    return action


class TestOfAReport:
    @pytest.mark.requirement("N12")
    def test_is_the_report_itself_for_one_address(self) -> None:
        manifest = made(decide(at_work())).manifest
        spec = manifest["spec"]
        assert spec["destinations"] == [
            {
                "name": "team",
                "onUnknown": "Hold",
                "email": {
                    **{name: value for name, value in MAIL["email"].items() if name not in ("cc", "bcc")},  # type: ignore[attr-defined]
                    "server": SERVER | {"encryption": "StartTLS"},
                    "to": ["me@example.com"],
                    "replyTo": [],
                    "attachments": {"formats": ["pdf"], "maxBytes": 10_485_760},
                },
            }
        ]
        whole = ReportSpec.model_validate(MAILED)
        tested = ReportSpec.model_validate(spec, extra="forbid")
        same = ("sources", "tables", "outputs", "sections", "template", "period", "run", "download")
        assert all(getattr(tested, name) == getattr(whole, name) for name in same)
        assert (tested.title, tested.cancel, tested.retention.ttl, tested.retention.on_delete) == (
            "weekly",
            False,
            "1d",
            "Delete",
        )

    def test_belongs_to_the_report_and_says_what_it_is(self) -> None:
        metadata = made(decide(at_work())).manifest["metadata"]
        assert metadata["name"] == names.trial_name("weekly", UID, TOKEN)
        assert metadata["labels"] == {
            "app.kubernetes.io/managed-by": "report-operator",
            "report-operator.io/trigger": "test",
        }
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == [UID]
        assert TEST_SEND_ANNOTATION not in metadata["annotations"], "it would test itself"

    def test_is_echoed_beside_what_the_run_does(self) -> None:
        decision = decide(at_work(trial_problem=""))
        assert decision.status is not None
        assert decision.status.phase == "Running"
        assert decision.status.to_wire()["testSend"] == {"token": TOKEN}
        again = decide(at_work(status=decision.status.to_wire()))
        assert (again.status, again.actions) == (None, ())

    def test_does_not_hold_up_the_start_of_a_run(self) -> None:
        assert [type(action) for action in decide(asked()).actions] == [StartRun]

    def test_another_replaces_it(self) -> None:
        status = decide(at_work(trial_problem="")).status
        assert status is not None
        action = made(decide(at_work(token="2/me@example.com", status=status.to_wire())))
        assert action.before == names.trial_name("weekly", UID, TOKEN)

    def test_an_edit_does_not_repeat_it(self) -> None:
        status = decide(at_work(trial_problem="")).status
        assert status is not None
        second = report(2, MAILED, status.to_wire(), annotations={TEST_SEND_ANNOTATION: TOKEN})
        mine = job(Subject.from_manifest(second))
        left = stored(None, "nothing is there")
        decision = decide(facts(second, jobs=(mine,), pods=(pod(mine, running()),), stored=left))
        assert not any(isinstance(action, MakeTrial) for action in decision.actions)
        assert decision.status is not None
        assert decision.status.test_send == status.test_send

    @pytest.mark.parametrize(
        ("token", "spec", "policy", "says"),
        [
            ("1", MAILED, {}, "write <token>/<address>, such as 1/me@example.com"),
            ("1/Me <me@example.com>", MAILED, {}, "write <token>/<address>"),
            (TOKEN, SPEC | {"destinations": [HOOK]}, {}, "The report has no destination of kind email"),
            (TOKEN, SPEC, {}, "The report has no destination of kind email"),
            (
                TOKEN,
                MAILED,
                {"recipientDomains": ["example.org"]},
                "recipientDomains: spec.destinations[team].email has me@example.com, allowed: example.org",
            ),
        ],
    )
    def test_is_refused(self, token: str, spec: Json, policy: Json, says: str) -> None:
        mine = job(Subject.from_manifest(report()))
        rules = Rules(Policy.read(policy))
        status = {"observedGeneration": 1, "phase": "Succeeded", "reason": "Succeeded"}
        decision = decide(asked(spec, token, status=status, jobs=(mine,), rules=rules))
        assert decision.status is not None
        assert decision.status.test_send is not None
        assert decision.status.test_send.token == token
        assert says in (decision.status.test_send.message or "")
        assert [(told.type, told.reason) for told in decision.announcements] == [("Warning", "TestRefused")]

    def test_that_the_api_server_refuses_says_so(self) -> None:
        status = decide(at_work(trial_problem="The API server refuses it: quota")).status
        assert status is not None
        assert status.test_send is not None
        assert status.test_send.message == "The API server refuses it: quota"

    def test_during_an_outage_is_tried_again(self) -> None:
        decision = decide(asked(outage="The API server is down."))
        assert decision.retry
        assert decision.status is not None
        assert decision.status.test_send is None

    def test_goes_by_the_platforms_relay_where_no_mail_was_meant(self) -> None:
        rules = Rules(relay=MailRelay("relay", 25, "reports@example.com", b"key"))
        manifest = made(decide(asked(SPEC, jobs=(job(Subject.from_manifest(report())),), rules=rules))).manifest
        assert manifest["spec"]["destinations"] == [{"name": "test", "email": {"to": ["me@example.com"]}}]

    @pytest.mark.parametrize(("labels", "is_test"), [({"report-operator.io/trigger": "test"}, True), ({}, False)])
    def test_its_run_knows_that_it_is_one(self, labels: dict[str, str], is_test: bool) -> None:
        subject = Subject.from_manifest(report(labels=labels))
        links = Links(expires_at=NOW, uploads={})
        written = secret.manifest(subject, ordered(subject), links)["stringData"]["request.json"]
        assert Request.model_validate_json(written).is_test is is_test


class TestWhose:
    def test_a_test_is_ours_and_what_a_user_copies_from_it_is_not(self) -> None:
        manifest = made(decide(at_work())).manifest
        copied = {**manifest, "metadata": {**manifest["metadata"], "name": "mine"}}
        orphan = {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": []}}
        unlabelled = {**manifest, "metadata": {**manifest["metadata"], "labels": {}}}
        assert is_made_by_us(manifest)
        assert not any(is_made_by_us(each) for each in (copied, orphan, unlabelled, report()))


class TestOfASchedule:
    def world(self, **spec: Any) -> World:
        world = World.of("2026-05-04 08:00", **spec)
        world.manifest["spec"]["template"]["spec"]["destinations"] = [HOOK, MAIL]
        world.operate()
        return world

    @pytest.mark.requirement("N12")
    def test_is_made_for_each_variant_and_is_no_run(self) -> None:
        world = self.world(**DAILY, **TWO, suspend=True)
        before = {name: world.status.get(name) for name in ("lastRun", "active", "failures", "lastScheduleTime")}
        world.annotate(test_send=TOKEN)
        world.operate()
        assert world.status["testSend"] == {"token": TOKEN}
        assert len(world.reports) == 2
        for made in world.reports.values():
            assert made["metadata"]["labels"]["report-operator.io/trigger"] == "test"
            assert [each["email"]["to"] for each in made["spec"]["destinations"]] == [["me@example.com"]]
        world.operate()
        assert len(world.made) == 2
        assert {name: world.status.get(name) for name in before} == before

    def test_the_next_one_replaces_it(self) -> None:
        world = self.world(**DAILY)
        world.annotate(test_send=TOKEN)
        world.operate()
        world.annotate(test_send="2/you@example.com")
        world.operate()
        [left] = world.reports.values()
        assert left["metadata"]["annotations"]["report-operator.io/run-now"] == "2/you@example.com"

    @pytest.mark.parametrize("steps", range(1, 4))
    def test_once_wherever_the_operator_is_killed(self, steps: int) -> None:
        world = self.world(**TWO)
        world.annotate(test_send=TOKEN)
        with contextlib.suppress(CrashError):
            world.operate(steps=steps)
        world.operate()
        world.operate()
        assert len(world.made) == len(set(world.made)) == 2

    def test_is_refused_without_mail(self) -> None:
        world = World.of("2026-05-04 08:00", **DAILY)
        world.operate()
        world.annotate(test_send=TOKEN)
        world.operate()
        assert "no destination of kind email" in world.status["testSend"]["message"]
        assert (world.reports, world.told[-1]) == ({}, "TestRefused")

    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            ({"schedule": ["0 9 31 2 *"]}, "The schedule is not accepted: "),
            ({"variants": [{"name": "emea", "suspend": True}]}, "Every variant is suspended."),
        ],
    )
    def test_that_cannot_be_made_now_is_refused(self, spec: Json, says: str) -> None:
        world = self.world(**spec)
        world.annotate(test_send=TOKEN)
        world.operate()
        assert world.status["testSend"]["message"].startswith(says)
        assert world.reports == {}

    def test_does_not_keep_a_slot_from_running(self) -> None:
        world = self.world(**DAILY, concurrencyPolicy="Forbid")
        world.annotate(test_send=TOKEN)
        world.operate()
        world.operate(to="2026-05-04 09:00")
        assert world.slots(trigger="scheduled") == ["05-04 09:00"]
