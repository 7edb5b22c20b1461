"""ScheduledReports on a real API server, by the real clock: what is made when, and what is not."""

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.server.scheduled import create, ready, schedule, slot_of, status, wait
from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import condition, eventually

Json = dict[str, Any]
MINUTELY: Json = {"schedule": ["* * * * *"]}
YEARLY: Json = {"schedule": ["0 0 1 1 *"]}
RUN_NOW = "report-operator.io/run-now"
RUN_PERIOD = "report-operator.io/run-period"
A_TICK = 75.0
"""Seconds until a minutely schedule has certainly run."""
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Iterator[Team]:
    made = Team.make(api, f"scheduled-{next(_numbers)}")
    yield made
    api.delete(made.path("scheduledreports")).raise_for_status()


def edit(team: Team, **spec: Any) -> None:
    """Change the spec of the ScheduledReport, and wait until that was seen."""
    generation = team.patch("scheduledreports", "weekly", {"spec": spec})["metadata"]["generation"]
    wait(team, "the edit is seen", lambda found: found["observedGeneration"] == generation)


def ask(team: Team, token: str, period: str | None = None) -> None:
    annotations = {RUN_NOW: token, RUN_PERIOD: period}
    team.patch("scheduledreports", "weekly", {"metadata": {"annotations": annotations}})


def accepted(team: Team, reason: str = "Scheduled") -> Json:
    """Wait until the ScheduledReport has a Ready condition with this reason."""
    return wait(team, reason, lambda found: ready(found) == reason)


def jobs(team: Team) -> Sequence[Json]:
    """Return the Jobs of probes, oldest first."""
    found = team.list("jobs", "report-operator.io/preflight")
    return sorted(found, key=lambda job: int(job["metadata"]["resourceVersion"]))


def children(team: Team, count: int, patience: float = PATIENCE) -> Sequence[Json]:
    """Return the Reports of the namespace once there are so many, oldest slots first."""
    found = eventually(
        lambda: reports if len(reports := team.list("reports")) >= count else None, patience, f"{count} Reports"
    )
    assert len(found) == count
    return sorted(found, key=slot_of)


@pytest.mark.usefixtures("running")
class TestTicks:
    def test_a_slot_from_its_time_to_the_end_of_its_run(self, team: Team) -> None:
        eventually(lambda: True if datetime.now(UTC).second < 50 else None, 20, "no minute ends meanwhile")
        tracked = {"labels": {"argocd.argoproj.io/instance": "reports", "team": "a"}, "annotations": {"note": "mine"}}
        before = create(team, metadata=tracked, **MINUTELY)
        planned = accepted(team)
        assert planned["nextRunTime"] > before["metadata"]["creationTimestamp"]
        first = children(team, 1, A_TICK)[0]
        labels = first["metadata"]["labels"]
        assert labels == {
            "app.kubernetes.io/managed-by": "report-operator",
            "report-operator.io/schedule": "weekly",
            "report-operator.io/schedule-uid": before["metadata"]["uid"],
            "report-operator.io/trigger": "scheduled",
        }
        assert first["metadata"]["annotations"] == {"report-operator.io/slot": planned["nextRunTime"]}
        assert "ownerReferences" not in first["metadata"]
        assert first["spec"]["period"] == planned["nextPeriod"]
        name = first["metadata"]["name"]
        going = wait(team, "the run is shown", lambda found: found.get("active"))
        assert [each["name"] for each in going["active"]] == [name]
        assert (going["lastRun"]["name"], going["lastRun"]["phase"]) == (name, "Active")
        team.finish(name)
        ended = wait(team, "the end is shown", lambda found: found["lastRun"]["phase"] == "Succeeded")
        assert ended["lastSuccessfulTime"] == team.status(name)["completionTime"]
        assert ended["lastScheduleTime"] == planned["nextRunTime"]
        after = schedule(team)
        assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], tracked["labels"])
        assert after["metadata"]["annotations"] == {"note": "mine"}
        assert "finalizers" not in after["metadata"]

    @pytest.mark.requirement("N8")
    def test_a_failed_slot_is_told_to_its_owners(self, team: Team) -> None:
        hook: Json = {"name": "owners", "webhook": {"url": "https://chat.example/hook"}}
        create(team, onFailure={"notify": [hook]}, preflight="Skip", **MINUTELY)
        accepted(team)
        name = children(team, 1, A_TICK)[0]["metadata"]["name"]
        team.end_job(team.job_of(name)["metadata"]["name"], "Failed", "BackoffLimitExceeded", failed=1)
        selector = "report-operator.io/trigger=notice"
        notice = eventually(lambda: next(iter(team.list("reports", selector)), None), PATIENCE, "the notice")
        cause = team.status(name)
        assert notice["spec"]["template"]["params"]["details"][0] == f"{cause['reason']}: {cause['message']}"
        assert notice["spec"]["destinations"][0]["webhook"]["url"] == hook["webhook"]["url"]
        assert team.job_of(notice["metadata"]["name"])

    @pytest.mark.requirement("D9")
    def test_destinations_are_probed_before_a_schedule_is_accepted(self, team: Team) -> None:
        """The test is Job controller and kubelet: the first probe finds a problem, the one after an edit none."""

        def probe(number: int) -> Json:
            found = eventually(lambda: by_age if len(by_age := jobs(team)) == number else None, PATIENCE, "the probe")
            return found[-1]

        def end(job: Json, *problems: str) -> None:
            said = {"terminated": {"exitCode": 0, "message": json.dumps({"problems": problems})}}
            named = {"name": "probe", "state": said, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
            labels = {**job["spec"]["template"]["metadata"]["labels"], "job-name": job["metadata"]["name"]}
            job["spec"]["template"]["metadata"]["labels"] = labels
            pod = team.start_pod(job)
            team.patch("pods", f"{pod}/status", {"status": {"phase": "Succeeded", "containerStatuses": [named]}})
            team.end_job(job["metadata"]["name"], "Complete")

        hook: Json = {"name": "portal", "webhook": {"url": "https://portal.example/hook"}}
        create(team, template={"spec": {"outputs": [{"format": "html"}], "destinations": [hook]}}, **YEARLY)
        first = probe(1)
        wait(team, "the probe is told", lambda found: ready(found) == "Probing")
        assert condition(schedule(team), "Reconciling") == "True"
        assert first["metadata"]["ownerReferences"][0]["kind"] == "ScheduledReport"
        end(first, "Destination portal: https://portal.example cannot be reached")
        found = wait(team, "what is wrong", lambda found: found["preflight"]["state"] == "Failed")
        assert (ready(found), condition(schedule(team), "Stalled")) == ("DestinationUnreachable", "True")
        edit(team, stopAfter=3)
        end(probe(2))
        found = wait(team, "that all is well", lambda found: found["preflight"]["state"] == "Passed")
        assert (ready(found), found["preflight"]["attempt"]) == ("Scheduled", 2)
        assert condition(schedule(team), "Stalled") is None

    def test_nothing_runs_for_what_lies_before_a_creation(self, team: Team) -> None:
        """Before an edit or a resumption neither: that takes minutes by the clock, see test_schedule_outage.py."""
        past = datetime.now(UTC) - timedelta(minutes=2)
        create(team, schedule=[f"{past.minute} * * * *"])
        found = accepted(team)
        assert team.list("reports") == []
        assert found["nextRunTime"] > objects.text(datetime.now(UTC))
        assert found["missed"]["count"] == 0

    def test_a_schedule_that_never_fires_waits_for_an_edit(self, team: Team) -> None:
        create(team, schedule=["0 0 31 2 *"])
        accepted(team, "InvalidSchedule")
        assert condition(schedule(team), "Stalled") == "True"
        assert condition(schedule(team), "Ready") == "False"
        edit(team, schedule=["0 0 1 2 *"])
        assert ready(status(team)) == "Scheduled"
        assert condition(schedule(team), "Stalled") is None
        told = team.told("InvalidSchedule", "Scheduled")
        assert {event["involvedObject"]["kind"] for event in told} == {"ScheduledReport"}


@pytest.mark.usefixtures("running")
class TestByHand:
    def test_each_token_runs_once_also_while_suspended(self, team: Team) -> None:
        create(team, suspend=True, **YEARLY)
        accepted(team, "Suspended")
        ask(team, "one", "2026-05-04/2026-05-11")
        first = children(team, 1)[0]
        assert first["spec"]["period"] == {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"}
        assert first["metadata"]["labels"]["report-operator.io/trigger"] == "manual"
        wait(team, "the token is echoed", lambda found: found.get("lastHandledRunNow") == "one")
        team.patch("scheduledreports", "weekly", {"metadata": {"annotations": {"other": "1"}}})
        ask(team, "two")
        assert len(children(team, 2)) == 2

    def test_flux_asks_for_a_look_and_gets_no_run(self, team: Team) -> None:
        create(team, **YEARLY)
        accepted(team)
        team.patch(
            "scheduledreports", "weekly", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "x"}}}
        )
        wait(team, "the request is echoed", lambda found: found.get("lastHandledReconcileAt") == "x")
        assert team.list("reports") == []

    def test_a_period_that_cannot_be_read_is_skipped_and_told(self, team: Team) -> None:
        create(team, **YEARLY)
        accepted(team)
        ask(team, "one", "last week")
        found = wait(team, "the skip is counted", lambda found: found["skipped"]["count"] == 1)
        assert found["skipped"]["reason"] == "InvalidRunPeriod"
        assert "write 2026-05-01/2026-05-08" in found["skipped"]["message"]
        assert team.list("reports") == []

    def test_each_active_variant_has_its_own_report(self, team: Team) -> None:
        variants = [{"name": "emea", "params": {"region": "emea"}}, {"name": "apac"}, {"name": "old", "suspend": True}]
        create(team, variants=variants, **YEARLY)
        accepted(team)
        ask(team, "one")
        made = {each["metadata"]["labels"]["report-operator.io/variant"]: each for each in children(team, 2)}
        assert set(made) == {"emea", "apac"}
        assert made["emea"]["spec"]["template"]["params"]["region"] == "emea"


@pytest.mark.usefixtures("running")
class TestPolicies:
    def test_a_refused_report_is_skipped_and_told(self, team: Team) -> None:
        hard = {"count/reports.report-operator.io": "0"}
        team.post("resourcequotas", {"metadata": {"name": "none"}, "spec": {"hard": hard}})
        team.patch("resourcequotas", "none/status", {"status": {"hard": hard, "used": hard}})
        create(team, **YEARLY)
        accepted(team)
        ask(team, "one")
        found = wait(team, "the refusal is counted", lambda found: found["skipped"]["count"] == 1)
        assert found["skipped"]["reason"] == "ReportRefused"
        assert "exceeded quota" in found["skipped"]["message"]

    def test_a_foreign_report_of_the_name_is_left_alone(self, team: Team) -> None:
        create(team, **YEARLY)
        accepted(team)
        ask(team, "one")
        name = children(team, 1)[0]["metadata"]["name"]
        wait(team, "the token is echoed", lambda found: found.get("lastHandledRunNow") == "one")
        team.delete("reports", name)
        team.create(name)
        team.patch("scheduledreports", "weekly/status", {"status": {"lastHandledRunNow": None}})
        team.patch(
            "scheduledreports", "weekly", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "x"}}}
        )
        found = wait(team, "the skip is counted", lambda found: found["skipped"]["count"] == 1)
        assert "not of this ScheduledReport" in found["skipped"]["message"]
        assert "report-operator.io/schedule" not in team.get("reports", name)["metadata"].get("labels", {})

    def test_backfill_is_oldest_first_and_bounded(self, team: Team) -> None:
        month = {"from": "2026-04-01T00:00:00Z", "to": "2026-04-04T00:00:00Z"}
        create(team, schedule=["0 0 * * *"], backfill=month, suspend=False)
        made = children(team, 3)
        assert [each["spec"]["period"]["start"] for each in made] == [f"2026-04-0{day}T00:00:00Z" for day in (1, 2, 3)]
        assert {each["metadata"]["labels"]["report-operator.io/trigger"] for each in made} == {"backfill"}
        found = wait(team, "the backfill is done", lambda found: found["backfill"].get("nextSlot") is None)
        assert (found["backfill"]["slots"], found["backfill"]["decided"]) == (3, 3)

    def test_old_runs_make_way_for_new_ones(self, team: Team) -> None:
        create(team, history={"successful": 1, "failed": 1, "keepLast": 1}, **YEARLY)
        accepted(team)
        run_to_its_end(team, "one")
        began = datetime.now(UTC)
        eventually(lambda: True if datetime.now(UTC) - began > timedelta(seconds=1) else None, 5, "another second")
        run_to_its_end(team, "two")
        eventually(lambda: True if by_token(team, "one") is None else None, PATIENCE, "the first Report is gone")
        assert by_token(team, "two") is not None


def run_to_its_end(team: Team, token: str) -> None:
    ask(team, token)
    name = eventually(lambda: by_token(team, token), PATIENCE, f"the run {token}")
    team.finish(name)
    team.wait(name, "Succeeded")


def by_token(team: Team, token: str) -> str | None:
    found = [each for each in team.list("reports") if each["metadata"]["annotations"].get(RUN_NOW) == token]
    return found[0]["metadata"]["name"] if found else None


@pytest.mark.usefixtures("running")
class TestDeleting:
    def test_deleting_keeps_reports(self, team: Team) -> None:
        create(team, **YEARLY)
        accepted(team)
        ask(team, "one")
        made = children(team, 1)[0]
        team.delete("scheduledreports", "weekly")
        team.finish(made["metadata"]["name"])
        assert team.wait(made["metadata"]["name"], "Succeeded")["artifacts"]

    def test_reports_go_with_it_where_that_is_wanted(self, team: Team) -> None:
        """The garbage collector, which goes by the owner reference, does not run here."""
        created = create(team, **YEARLY)
        accepted(team)
        ask(team, "one")
        name = children(team, 1)[0]["metadata"]["name"]
        other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "1"}
        team.patch("reports", name, {"metadata": {"ownerReferences": [other]}})

        def owners() -> list[str]:
            return [each["uid"] for each in team.get("reports", name)["metadata"].get("ownerReferences", [])]

        edit(team, history={"onDelete": "Delete"})
        eventually(lambda: True if owners() == ["1", created["metadata"]["uid"]] else None, PATIENCE, "it is owned")
        edit(team, history={"onDelete": "Keep"})
        eventually(lambda: True if owners() == ["1"] else None, PATIENCE, "it is not owned")
