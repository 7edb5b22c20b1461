"""Files go at their time, on a real API server and a real store.

That months pass is played by writing an earlier time into the status.
"""

import itertools
import time
from typing import Any

import httpx
import pytest

from tests.server.team import PATIENCE, Team
from tests.support import objects
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
PAST = "2026-01-01T00:00:00Z"
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"kept-{next(_numbers)}")


def finished(team: Team, name: str = "weekly", **spec: Any) -> Json:
    """Make a Report and play its run; return its status."""
    team.create(name, **spec)
    team.finish(name)
    return team.wait(name, "Succeeded")


def expire(team: Team, name: str = "weekly") -> None:
    """Let the time come at which the files go."""
    team.patch("reports", f"{name}/status", {"status": {"expiresAt": PAST}})


def is_there(team: Team, name: str) -> bool:
    return name in {each["metadata"]["name"] for each in team.list("reports")}


@pytest.mark.requirement("A9", "D8")
@pytest.mark.usefixtures("running")
class TestExpiry:
    def test_a_users_report_stays_as_expired_and_its_files_go(self, team: Team, store: SeaweedFS) -> None:
        finished(team)
        before = team.get("reports", "weekly")
        other = finished(team, "other")
        expire(team)
        status = team.wait("weekly", "Expired")
        assert (status["phase"], status["artifacts"]) == ("Expired", [])
        assert [each["type"] for each in status["conditions"]] == ["Expired"]
        assert store.keys(f"{team.namespace}/weekly/") == []
        after = team.get("reports", "weekly")
        assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)
        team.told("Expired", "Queued", "Queued", "Succeeded", "Succeeded")
        assert httpx.get(other["artifacts"][0]["downloadURL"]).content == b"content"

    def test_files_of_older_generations_go_too(self, team: Team, store: SeaweedFS) -> None:
        finished(team)
        team.patch("reports", "weekly", {"spec": {"title": "Edited"}})
        team.wait("weekly", "Queued", generation=2)
        team.finish("weekly")
        team.wait("weekly", "Succeeded", generation=2)
        assert len({key.split("/")[2] for key in store.keys(f"{team.namespace}/weekly/")}) == 2
        expire(team)
        team.wait("weekly", "Expired")
        assert store.keys(f"{team.namespace}/weekly/") == []

    def test_an_edit_makes_the_files_again(self, team: Team) -> None:
        finished(team)
        expire(team)
        team.wait("weekly", "Expired")
        team.patch("reports", "weekly", {"spec": {"title": "Edited"}})
        team.wait("weekly", "Queued", generation=2)
        team.finish("weekly")
        assert len(team.wait("weekly", "Succeeded", generation=2)["artifacts"]) == 2

    @pytest.mark.requirement("N3")
    def test_reports_of_a_schedule_are_deleted_but_for_the_last_good_ones(self, team: Team, store: SeaweedFS) -> None:
        names = []
        for token in ("1", "2", "3"):
            names.append(self.scheduled(team, token))
            time.sleep(1.1)  # Which is the last is told by the second in which it was asked for.
        first, second, third = names
        for name in (third, first):  # The one that is to stay is looked at first.
            expire(team, name)
        eventually(lambda: True if not is_there(team, first) else None, PATIENCE, f"{first} is deleted")
        assert store.keys(f"{team.namespace}/{first}/") == []
        assert team.status(third)["phase"] == "Succeeded"
        assert len(store.keys(f"{team.namespace}/{third}/")) == 3
        assert is_there(team, second)

    def test_without_their_schedule_the_last_ones_go_too(self, team: Team) -> None:
        name = self.scheduled(team, "1")
        team.delete("scheduledreports", "weekly")
        expire(team, name)
        eventually(lambda: True if not is_there(team, name) else None, PATIENCE, f"{name} is deleted")

    def test_one_of_a_schedule_that_has_no_files_goes_too(self, team: Team) -> None:
        name = self.asked_for(team, "1")
        team.end_job(team.job_of(name)["metadata"]["name"], "Failed", "DeadlineExceeded")
        team.wait(name, "DeadlineExceeded")
        team.delete("scheduledreports", "weekly")
        team.patch("reports", f"{name}/status", {"status": {"completionTime": PAST}})
        eventually(lambda: True if not is_there(team, name) else None, PATIENCE, f"{name} is deleted")

    def test_a_users_copy_of_one_of_a_schedule_stays(self, team: Team) -> None:
        made = team.get("reports", self.scheduled(team, "1"))
        kept = {field: made["metadata"][field] for field in ("labels", "annotations")}
        copied = {"apiVersion": made["apiVersion"], "kind": "Report", "spec": made["spec"]}
        team.post("reports", copied | {"metadata": {"name": "copy", **kept}})
        team.finish("copy")
        team.wait("copy", "Succeeded")
        expire(team, "copy")
        assert team.wait("copy", "Expired")["phase"] == "Expired"

    def scheduled(self, team: Team, token: str) -> str:
        """Have a ScheduledReport make a Report, and play its run; return its name."""
        name = self.asked_for(team, token)
        team.finish(name)
        team.wait(name, "Succeeded")
        return name

    def asked_for(self, team: Team, token: str) -> str:
        """Have a ScheduledReport make a Report; return its name."""
        note = {"report-operator.io/run-now": token}
        if any(each["metadata"]["name"] == "weekly" for each in team.list("scheduledreports")):
            team.patch("scheduledreports", "weekly", {"metadata": {"annotations": note}})
        else:
            kind = {"apiVersion": "report-operator.io/v1alpha1", "kind": "ScheduledReport"}
            spec = {"template": {"spec": objects.SPEC}}
            team.post("scheduledreports", kind | {"metadata": {"name": "weekly", "annotations": note}, "spec": spec})

        def made() -> str | None:
            found = [r["metadata"] for r in team.list("reports")]
            mine = [m["name"] for m in found if m["annotations"].get("report-operator.io/run-now") == token]
            return mine[0] if mine else None

        return eventually(made, PATIENCE, "a Report by hand")
