"""When the destinations of a schedule are probed, and what becomes of the schedule meanwhile."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from report_operator.api.policy import Policy
from report_operator.api.preflight import ProbeAnswer, Probed, ProbeOrder, ProbeState
from report_operator.plan.job import RunDefaults
from report_operator.plan.policy import Rules
from report_operator.plan.relay import MailRelay
from report_operator.plan.schedule import preflight
from report_operator.plan.schedule.facts import Found
from report_operator.plan.schedule.subject import Subject
from tests.support.schedules import ANSWERED, DAILY, MINUTELY, TEMPLATE, UID, World, condition, utc

Json = dict[str, Any]
HOOK: Json = {"name": "portal", "webhook": {"url": "https://portal.example.com/hook"}}
MAIL: Json = {
    "name": "mail",
    "email": {
        "server": {
            "host": "mail.example.com",
            "login": {
                "usernameFrom": {"secretKeyRef": {"name": "smtp", "key": "username"}},
                "passwordFrom": {"secretKeyRef": {"name": "smtp", "key": "password"}},
            },
        },
        "from": "reports@example.com",
        "to": ["ann@example.com"],
    },
}


def template(*destinations: Json, **fields: Any) -> Json:
    return {"spec": TEMPLATE["spec"] | {"destinations": list(destinations)} | fields}


def world(*destinations: Json, **spec: Any) -> World:
    """Return a world with a ScheduledReport that nobody has seen yet; probes do not end."""
    made = World.of("2026-05-04 08:00", **{"template": template(*destinations), **DAILY, **spec})
    made.probe = None
    return made


def refuse(play: World, problem: str = "Destination portal: it cannot be reached") -> None:
    """Let the probe find something."""
    play.probe = Found(has_ended=True, answer=ProbeAnswer(problems=[problem]))
    play.operate()
    play.probe = None


def answer(play: World) -> None:
    """Let the probe find that all is well."""
    play.probe = ANSWERED
    play.operate()
    play.probe = None


@pytest.mark.requirement("D9")
class TestPreflight:
    def test_a_new_schedule_is_accepted_when_its_destinations_answer(self) -> None:
        play = world(HOOK)
        assert play.operate().wake_at == utc("2026-05-04 08:00") + preflight.POLL
        assert len(play.probes) == 1
        assert condition(play, "Ready") == ("False", "Probing")
        assert condition(play, "Reconciling") == ("True", "Probing")
        assert condition(play, "Stalled") is None
        play.operate()
        assert len(play.probes) == 1
        answer(play)
        assert condition(play, "Ready") == ("True", "Scheduled")
        assert condition(play, "Reconciling") is None
        play.operate(to="2026-05-04 09:00")
        play.operate(to="2026-05-05 09:00")
        assert (play.slots(), len(play.probes)) == (["05-04 09:00", "05-05 09:00"], 1)

    def test_one_that_is_not_reached_is_tried_again_after_longer_and_longer_times(self) -> None:
        play = world(HOOK, **MINUTELY)
        play.operate()
        waits = []
        for _ in range(9):
            refuse(play)
            assert condition(play, "Ready") == ("False", "DestinationUnreachable")
            assert condition(play, "Stalled") == ("True", "DestinationUnreachable")
            [ready] = [c for c in play.status["conditions"] if c["type"] == "Ready"]
            assert ready["message"].startswith("Destination portal: it cannot be reached. It is tried again")
            wake = play.operate().wake_at
            assert wake
            waits.append((wake - play.now).total_seconds())
            play.now = wake
            play.operate()
            assert condition(play, "Ready") == ("False", "Probing")
        assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
        assert len(set(play.probes)) == 10
        assert play.slots() == [], "nothing is run"
        answer(play)
        assert condition(play, "Ready") == ("True", "Scheduled")
        assert play.slots() == [], "nor made up for"
        assert play.told == ["DestinationUnreachable", "Probing"] * 9 + ["Scheduled"]

    @pytest.mark.parametrize("passed_at", ["2026-05-04 09:00:05", "2026-05-04 09:07"])
    def test_a_slot_during_a_probe_is_run_when_that_has_passed(self, passed_at: str) -> None:
        """A thousand schedules that are edited at once wait some minutes for their probes."""
        play = world(HOOK)
        play.operate(to="2026-05-04 08:59:57")
        play.operate(to="2026-05-04 09:00:02")
        assert play.slots() == []
        play.now = utc(passed_at)
        answer(play)
        assert (play.slots(), play.status["missed"]["count"]) == (["05-04 09:00"], 0)
        play.edit(template=template(HOOK | {"webhook": {"url": "https://other.example.com/"}}))
        play.operate(to="2026-05-05 08:59:59")
        play.operate(to="2026-05-05 09:00:02")
        answer(play)
        assert play.slots() == ["05-04 09:00", "05-05 09:00"]

    @pytest.mark.parametrize("catch_up", ["None", "Latest", "All"])
    @pytest.mark.parametrize("policy", ["Allow", "Replace"])
    def test_all_slots_during_a_probe_are_run_whatever_is_made_up_for_after_outages(
        self, catch_up: str, policy: str
    ) -> None:
        play = world(HOOK, schedule=["0-4 9 * * *"], catchUp={"policy": catch_up}, concurrencyPolicy=policy)
        play.operate(to="2026-05-04 08:58:30")
        play.now = utc("2026-05-04 09:04:10")
        answer(play)
        while play.status["catchUp"]:
            play.end_all()
            play.operate()
        assert play.slots() == [f"05-04 09:0{minute}" for minute in range(5)]
        assert play.status["missed"]["count"] == 0

    def test_a_slot_is_held_back_by_a_probe_from_when_that_waits_for_its_turn(self) -> None:
        play = world(HOOK, catchUp={"policy": "None"})
        play.has_place = False
        play.operate(to="2026-05-04 08:58")
        play.has_place = True
        play.operate(to="2026-05-04 09:03")
        play.now = utc("2026-05-04 09:04")
        answer(play)
        assert (play.slots(), play.status["missed"]["count"]) == (["05-04 09:00"], 0)

    def test_of_very_many_slots_during_a_probe_the_latest_are_run(self) -> None:
        play = world(HOOK, schedule=["* 9 * * *"], catchUp={"policy": "None", "limit": 2})
        play.operate(to="2026-05-04 08:58:30")
        play.now = utc("2026-05-04 09:06:30")
        answer(play)
        assert play.slots() == ["05-04 09:04", "05-04 09:05", "05-04 09:06"], "the last of them is on time"
        missed = play.status["missed"]
        assert (missed["count"], missed["reason"], missed["lastSlot"]) == (4, "Probing", "2026-05-04T09:03:00Z")
        assert missed["message"].endswith("09:03:00Z fell within a probe of the destinations, and catchUp.limit is 2.")

    def test_slots_of_an_outage_before_a_probe_are_those_of_an_outage(self) -> None:
        play = world(HOOK, schedule=["0,59 * * * *"], catchUp={"policy": "None"})
        play.operate()
        answer(play)
        play.now = utc("2026-05-04 09:30")
        play.edit(template=template(HOOK | {"webhook": {"url": "https://other.example.com/"}}))
        play.operate(to="2026-05-04 10:58:30")
        play.now = utc("2026-05-04 11:02")
        answer(play)
        assert play.slots() == ["05-04 10:59", "05-04 11:00"]
        assert (play.status["missed"]["count"], play.status["missed"]["reason"]) == (4, "OperatorUnavailable")

    def test_a_slot_during_a_probe_is_not_started_beyond_its_deadline(self) -> None:
        play = world(HOOK, startingDeadline="2m")
        play.operate(to="2026-05-04 08:58:30")
        play.now = utc("2026-05-04 09:02:01")
        answer(play)
        assert (play.slots(), play.status["missed"]["reason"]) == ([], "StartingDeadlineExceeded")

    @pytest.mark.parametrize(("back", "slots"), [("09:03:10", ["05-04 09:00"]), ("09:10:00", [])])
    def test_a_slot_during_a_probe_that_an_edit_ends_is_run_unless_an_outage_follows(
        self, back: str, slots: list[str]
    ) -> None:
        play = world(HOOK, catchUp={"policy": "None"})
        play.operate(to="2026-05-04 08:58:30")
        play.now = utc("2026-05-04 09:03")
        play.edit(preflight="Skip")
        play.operate(to=f"2026-05-04 {back}")
        assert play.slots() == slots
        assert play.status["missed"].get("reason") == (None if slots else "OperatorUnavailable")

    WAITING: Json = {"schedule": ["0 * * * *"], "catchUp": {"policy": "All"}, "concurrencyPolicy": "Forbid"}

    def waiting(self) -> World:
        """Return a world in which 09:00 runs, 10:00 to 12:00 wait for their turn, and an edit has begun a probe."""
        play = world(HOOK, **self.WAITING)
        play.operate()
        answer(play)
        play.operate(to="2026-05-04 12:30")
        play.edit(template=template(HOOK | {"webhook": {"url": "https://other.example.com/"}}))
        play.operate()
        assert condition(play, "Ready") == ("False", "Probing")
        return play

    def test_slots_that_wait_for_their_turn_wait_for_a_probe_too(self) -> None:
        play = self.waiting()
        for _ in range(4):
            play.end_all()
            answer(play)
        assert play.slots() == ["05-04 09:00", "05-04 10:00", "05-04 11:00", "05-04 12:00"]
        assert play.status["missed"]["count"] == 0

    def test_slots_that_wait_for_their_turn_are_missed_when_a_probe_fails(self) -> None:
        play = self.waiting()
        play.end_all()
        refuse(play)
        answer(play)
        assert (play.slots(), play.status["missed"]["count"], play.status["catchUp"]) == (["05-04 09:00"], 3, [])

    def test_a_slot_during_a_probe_that_fails_is_counted_as_missed(self) -> None:
        play = world(HOOK)
        play.operate(to="2026-05-04 08:59:57")
        play.operate(to="2026-05-04 09:00:02")
        refuse(play)
        assert (play.slots(), play.status["missed"]["count"]) == ([], 1)
        play.operate(to="2026-05-04 09:02")
        answer(play)
        assert (play.slots(), play.status["missed"]["count"]) == ([], 1)

    def test_an_edit_probes_at_once_what_has_failed(self) -> None:
        play = world(HOOK)
        play.operate()
        refuse(play)
        play.edit(suspend=False)
        play.operate()
        assert (len(set(play.probes)), condition(play, "Ready")) == (2, ("False", "Probing"))

    @pytest.mark.parametrize(
        ("changed", "probes"),
        [
            ([HOOK], 1),
            ([HOOK | {"onUnknown": "Resend"}], 1),
            ([HOOK | {"webhook": {"url": "https://other.example.com/"}}], 2),
            ([HOOK, MAIL], 2),
            ([], 1),
        ],
    )
    def test_only_an_edit_of_destinations_probes_what_has_passed(self, changed: list[Json], probes: int) -> None:
        play = world(HOOK)
        play.operate()
        answer(play)
        play.edit(template=template(*changed, title="Another"))
        play.operate()
        assert len(play.probes) == probes
        assert condition(play, "Ready") == (("False", "Probing") if probes == 2 else ("True", "Scheduled"))

    def test_who_gets_a_mail_and_what_is_in_it_is_not_probed(self) -> None:
        play = world(MAIL)
        play.operate()
        answer(play)
        play.edit(template=template(MAIL | {"email": MAIL["email"] | {"to": ["bob@example.com"], "subject": "News"}}))
        play.operate()
        assert len(play.probes) == 1

    def test_what_an_older_operator_has_accepted_stays_accepted(self) -> None:
        """As after an upgrade: the status knows nothing of probes."""
        play = world(HOOK)
        play.operate()
        answer(play)
        del play.manifest["status"]["preflight"]
        play.operate(to="2026-05-04 09:00")
        assert (play.slots(), len(play.probes)) == (["05-04 09:00"], 1)
        assert (play.status["preflight"]["state"], play.status["preflight"]["attempt"]) == ("Passed", 0)

    @pytest.mark.parametrize(
        "spec",
        [{"preflight": "Skip"}, {"suspend": True}, {"template": TEMPLATE}],
    )
    def test_what_needs_no_probe(self, spec: Json) -> None:
        play = world(HOOK, **spec)
        play.operate()
        assert (play.probes, condition(play, "Ready")) == (
            [],
            ("True", "Suspended" if "suspend" in spec else "Scheduled"),
        )

    def test_a_schedule_that_is_resumed_is_probed_then(self) -> None:
        play = world(HOOK, suspend=True)
        play.operate()
        play.edit(suspend=False)
        play.operate()
        assert (len(play.probes), condition(play, "Ready")) == (1, ("False", "Probing"))

    @pytest.mark.parametrize(
        ("left", "back"),
        [
            ({"suspend": True}, {"suspend": False}),
            ({"timeZone": "Mars/Olympus"}, {"timeZone": "UTC"}),
            ({"concurrencyPolicy": "Whatever"}, {"concurrencyPolicy": "Allow"}),
        ],
    )
    def test_a_schedule_that_is_left_during_its_probe_holds_no_place_and_is_probed_anew(
        self, left: Json, back: Json
    ) -> None:
        """Nobody looks at the Job any more, whose answer would be an old one anyway."""
        play = world(HOOK)
        play.operate()
        play.edit(**left)
        play.operate(to="2026-05-04 08:00:05")
        assert "preflight" not in play.status
        play.edit(**back)
        play.operate(to="2026-05-04 08:59:50")
        assert (len(set(play.probes)), condition(play, "Ready")) == (2, ("False", "Probing"))
        play.now = utc("2026-05-04 09:00:05")
        answer(play)
        assert (play.slots(), play.status["missed"]["count"]) == (["05-04 09:00"], 0)

    @pytest.mark.parametrize("ended", [answer, refuse])
    def test_what_a_probe_has_found_is_kept_while_a_schedule_is_suspended(self, ended: Callable[[World], None]) -> None:
        play = world(HOOK)
        play.operate()
        ended(play)
        found = play.status["preflight"]
        play.edit(suspend=True)
        play.operate()
        assert play.status["preflight"] == found

    def test_one_that_waits_for_its_turn_after_an_edit_holds_no_place_meanwhile(self) -> None:
        """Else schedules that are edited during their probes could wait for each other."""
        play = world(HOOK)
        play.operate()
        play.edit(template=template(HOOK | {"webhook": {"url": "https://other.example.com/"}}))
        play.has_place = False
        play.operate()
        assert ("preflight" in play.status, condition(play, "Ready")) == (False, ("False", "Probing"))
        play.has_place = True
        play.operate()
        answer(play)
        assert (len(set(play.probes)), condition(play, "Ready")) == (2, ("True", "Scheduled"))

    def test_a_probe_that_waits_for_its_turn(self) -> None:
        play = world(HOOK)
        play.has_place = False
        assert play.operate().wake_at == play.now + preflight.POLL
        assert (play.probes, condition(play, "Ready")) == ([], ("False", "Probing"))
        assert "preflight" not in play.status
        play.has_place = True
        play.operate()
        play.has_place = False
        assert len(play.probes) == 1
        answer(play)
        assert condition(play, "Ready") == ("True", "Scheduled")

    def test_owners_are_probed_too(self) -> None:
        play = world(onFailure={"notify": [HOOK]})
        play.operate()
        assert condition(play, "Ready") == ("False", "Probing")

    @pytest.mark.parametrize(
        ("probe", "at", "says"),
        [
            (Found(has_ended=True), "2026-05-04 08:01", "ended without an answer"),
            (None, "2026-05-04 08:05", "ended without an answer"),
        ],
    )
    def test_a_probe_that_tells_nothing(self, *, probe: Found | None, at: str, says: str) -> None:
        play = world(HOOK)
        play.operate()
        play.probe = probe
        play.operate(to=at)
        assert condition(play, "Ready") == ("False", "DestinationUnreachable")
        assert says in play.status["preflight"]["message"]

    def test_a_job_that_is_refused(self) -> None:
        play = world(HOOK)
        play.refused["preflight"] = "exceeded quota"
        play.operate()
        assert condition(play, "Ready") == ("False", "DestinationUnreachable")
        assert play.status["preflight"]["message"] == "The API server refuses the Job that probes: exceeded quota"

    def test_a_crash_between_the_job_and_the_status_makes_no_second_probe(self) -> None:
        play = world(HOOK)
        first = play.facts()
        play.operate(steps=None)
        play.manifest.pop("status")
        play.operate()
        assert (len(play.probes), first.probe) == (1, None)


def order_of(job: Json) -> ProbeOrder:
    [container] = job["spec"]["template"]["spec"]["containers"]
    [variable] = container["env"]
    return ProbeOrder.model_validate(json.loads(variable["value"]))


def test_the_job_of_a_probe() -> None:
    """It has the Secrets of the destinations, the policy and the way to the relay, and no leave to send by it."""
    relayed: Json = {"name": "relayed", "email": {"to": ["ann@example.com"] * 500}}
    play = world(MAIL, relayed, onFailure={"notify": [HOOK]})
    subject = Subject.from_manifest(play.manifest)
    assert subject.spec
    probed = Probed(destinations="x", state=ProbeState.PROBING, attempt=1, time=play.now)
    relay = MailRelay("relay.reporting.svc", 2525, "reports@platform.example.com", b"key")
    rules = Rules(Policy(max_rows=5), relay=relay)
    job = preflight.manifest(subject, subject.spec, probed, rules, RunDefaults(image="image"))
    assert job["metadata"]["ownerReferences"][0]["uid"] == UID
    assert len(job["metadata"]["name"]) <= 63
    assert "app.kubernetes.io/managed-by" not in job["metadata"]["labels"], "it is no run, and holds no place"
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert [volume.get("secret", {}).get("secretName") for volume in pod["volumes"]] == ["smtp", None, None]
    assert pod["volumes"][0]["secret"]["optional"] is True
    order = order_of(job)
    assert [each.name for each in order.request.spec.destinations] == ["mail", "relayed", "notify-portal"]
    assert order.request.policy == rules.policy
    assert order.relay
    assert (order.relay.host, order.relay.username, order.relay.password) == ("relay.reporting.svc", "", "")
    assert "ann@example.com" not in json.dumps(job)


def test_notices_to_destinations_with_long_names() -> None:
    """The longest, and one that had a hyphen where it was cut off, which no destination's name may end with."""
    names = ["a" * 56, f"{'a' * 55}-bbbbbb", "a" * 62 + "c", "a" * 62 + "d"]
    play = world(onFailure={"notify": [HOOK | {"name": each} for each in names]})
    subject = Subject.from_manifest(play.manifest)
    assert subject.spec
    probed = Probed(destinations="x", state=ProbeState.PROBING, attempt=1, time=play.now)
    order = order_of(preflight.manifest(subject, subject.spec, probed, Rules(), RunDefaults(image="image")))
    told = [each.name for each in order.request.spec.destinations]
    assert told[0] == f"notify-{names[0]}"
    assert all(each.startswith(f"notify-{'a' * 47}") for each in told)
    assert len(set(told)) == len(names)
