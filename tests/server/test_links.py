"""Links in the status of finished Reports, on a real API server and a real store.

That time passes is played by writing an earlier time into the status: the shortest link lives a minute.
"""

import base64
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from report_operator.api.deliveries import delivery_time
from report_operator.api.metadata import REFRESH_LINKS_ANNOTATION
from report_operator.api.run import Links
from tests.server.process import Operator
from tests.server.team import PATIENCE, Team
from tests.support.cluster import eventually

Json = dict[str, Any]
PAST = "2026-01-01T00:00:00Z"
LINKS = {"downloadURL", "viewURL", "urlExpiresAt"}
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"links-{next(_numbers)}")


def finished(team: Team, name: str = "weekly", **spec: Any) -> Json:
    """Make a Report and play its run; return its status."""
    team.create(name, **spec)
    team.finish(name)
    return team.wait(name, "Succeeded")


def let_a_second_pass(team: Team, name: str) -> None:
    """Wait for a later second than that in which the links were made: others would be the same."""
    made = datetime.fromisoformat(team.status(name)["artifacts"][0]["urlExpiresAt"]) - timedelta(hours=24)
    eventually(lambda: True if datetime.now(UTC) > made + timedelta(seconds=1) else None, PATIENCE, "a second")


def make_due(team: Team, name: str = "weekly") -> None:
    """Let the time come at which links are renewed."""
    let_a_second_pass(team, name)
    team.patch("reports", f"{name}/status", {"status": {"linksRenewAt": PAST}})


def renewed(team: Team, name: str = "weekly") -> Json:
    """Return the status once its links are renewed later."""

    def look() -> Json | None:
        status = team.status(name)
        return status if status.get("linksRenewAt", PAST) > PAST else None

    return eventually(look, PATIENCE, f"new links for {name}")


def linked(team: Team, name: str = "weekly") -> bool:
    """Return whether the artifacts have links, all of them or none."""
    [found] = {bool(artifact.keys() >= LINKS) for artifact in team.status(name)["artifacts"]}
    return found


@pytest.mark.requirement("A9", "N9")
class TestRenewal:
    def test_links_are_renewed_without_a_run(self, team: Team, running: Operator) -> None:
        before = finished(team)
        seen = team.get("reports", "weekly")["metadata"]
        make_due(team)
        after = renewed(team)
        assert team.get("reports", "weekly")["metadata"]["generation"] == seen["generation"]
        assert len(team.list("jobs")) == 1
        changed = {key for key in after if after[key] != before.get(key)}
        assert changed <= {"artifacts", "linksRenewAt"}
        got = httpx.get(after["artifacts"][0]["downloadURL"])
        assert (got.content, got.headers["Content-Disposition"]) == (b"content", 'attachment; filename="weekly.pdf"')
        shown = httpx.get(after["artifacts"][1]["viewURL"])
        assert shown.headers["Content-Disposition"] == 'inline; filename="weekly-sales.csv"'
        assert shown.headers["Content-Type"] == "text/csv; charset=utf-8"

    def test_a_renewal_costs_one_read_and_one_write(self, team: Team, running: Operator) -> None:
        finished(team)
        before = running.requests_at_rest()
        make_due(team)
        renewed(team)
        spent = {key: count - before.get(key, 0) for key, count in running.requests().items()}
        ours = {key: count for key, count in spent.items() if count and "reports" in key}
        assert ours == {"GET reports": 1, "PUT reports/status": 1}


def ask(team: Team, token: str, name: str = "weekly") -> Json:
    """Ask for new links; return the status with the answer."""
    team.patch("reports", name, {"metadata": {"annotations": {REFRESH_LINKS_ANNOTATION: token}}})

    def answered() -> Json | None:
        status = team.status(name)
        return status if status.get("linkRefresh", {}).get("token") == token else None

    return eventually(answered, PATIENCE, f"{token} is answered")


@pytest.mark.requirement("A9")
class TestOnDemand:
    def test_links_are_renewed_when_they_are_asked_for_and_not_before(self, team: Team, running: Operator) -> None:
        before = finished(team, download={"refresh": "OnDemand"})
        assert "linksRenewAt" not in before
        let_a_second_pass(team, "weekly")
        after = ask(team, "1")
        assert after["artifacts"][0]["urlExpiresAt"] > before["artifacts"][0]["urlExpiresAt"]
        assert httpx.get(after["artifacts"][0]["downloadURL"]).content == b"content"
        assert {key for key in after if after[key] != before.get(key)} == {"artifacts", "linkRefresh"}
        assert (team.get("reports", "weekly")["metadata"]["generation"], len(team.list("jobs"))) == (1, 1)

    def test_those_that_are_made_once_are_not(self, team: Team, running: Operator) -> None:
        before = finished(team, download={"refresh": "Never"})
        after = ask(team, "1")
        assert "spec.download.refresh is Never" in after["linkRefresh"]["message"]
        assert after["artifacts"] == before["artifacts"]

        def told() -> bool | None:
            return True if "LinkRefreshRefused" in [each["reason"] for each in team.list("events")] else None

        eventually(told, PATIENCE, "an Event")


@pytest.mark.requirement("N9")
class TestOffSwitch:
    def test_a_report_without_links_lists_uris_only(self, team: Team, running: Operator) -> None:
        status = finished(team, download={"links": "Disabled"})
        assert status["artifacts"][0]["uri"].startswith("s3://reports/")
        assert not linked(team)
        assert "linksRenewAt" not in status

    def test_nor_does_it_send_any(self, team: Team, running: Operator) -> None:
        hook = {"name": "hook", "webhook": {"url": "https://example.com/"}}
        assert links_of(team, "with", destinations=[hook]).downloads.keys() == {"report.pdf", "sales.csv"}
        sent = links_of(team, "without", destinations=[hook], download={"links": "Disabled"})
        assert (sent.downloads, sent.downloads_expire_at) == ({}, None)


@pytest.mark.requirement("A9", "D7")
def test_a_link_in_a_message_works_for_its_time_however_late_it_is_sent(team: Team, running: Operator) -> None:
    hook = {"name": "hook", "webhook": {"url": "https://example.com/"}}
    sent = links_of(team, "late", destinations=[hook], download={"urlTTL": "1h"}, run={"timeout": "3h"})
    assert sent.deliver_until is not None
    assert sent.downloads_expire_at is not None
    left = sent.downloads_expire_at - sent.deliver_until
    assert timedelta(minutes=59) <= left <= timedelta(minutes=61)
    asked = timedelta(hours=1) + delivery_time(timedelta(hours=3))
    assert all(f"X-Amz-Expires={int(asked.total_seconds())}" in url for url in sent.downloads.values())


def links_of(team: Team, name: str, **spec: Any) -> Links:
    """Make a Report; return the links that its run gets."""
    team.create(name, **spec)
    job = team.job_of(name)
    secret = team.get("secrets", job["metadata"]["name"])["data"]
    return Links.unpacked(base64.b64decode(secret["links.json.gz"]))
