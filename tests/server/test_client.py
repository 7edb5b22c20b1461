"""The operator's calls on a real API server: what they answer, and which error means what."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.cluster import client, connection, errors
from report_operator.cluster.client import Cluster
from tests.server.process import kubeconfig
from tests.server.scheduled import create
from tests.server.team import Team
from tests.support.apiserver import ApiServer
from tests.support.ports import free_ports

Json = dict[str, Any]
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"client-{next(_numbers)}")


@pytest.fixture
def seen() -> list[tuple[str, str, int]]:
    return []


@pytest.fixture
async def cluster(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str, str, int]]
) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    connected = await Cluster.connect(4, lambda *request: seen.append(request))
    yield connected
    await connected.close()
    # A connection whose answer was not read to its end says goodbye (TLS) after that (aiohttp, "Graceful Shutdown").
    await asyncio.sleep(0.25)


def secret(team: Team, name: str = "a") -> Json:
    metadata = {"name": name, "namespace": team.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": "b"}}


async def test_no_file_is_read_for_a_request(cluster: Cluster, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a file of passwords (netrc) aiohttp would go through it for each request, in a thread."""
    monkeypatch.setattr("aiohttp.client.netrc_from_env", lambda: pytest.fail("looked for"))
    team.create("weekly")
    assert (await cluster.report(team.namespace, "weekly"))["spec"]


async def test_a_proxy_of_the_environment_is_used(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    connected = await Cluster.connect(1, lambda *_: None)
    with pytest.raises(errors.UnavailableError, match="cannot be reached"):
        await connected.report("default", "weekly")
    await connected.close()


async def test_a_status_is_written_whole_and_nothing_else_is(cluster: Cluster, team: Team) -> None:
    made = team.create("weekly")
    read = await cluster.report(team.namespace, "weekly")
    read["spec"]["title"] = "changed in memory only"
    await cluster.write_status(read, {"observedGeneration": 1, "phase": "Queued"})
    after = team.get("reports", "weekly")
    assert (after["status"]["observedGeneration"], after["status"]["phase"]) == (1, "Queued")
    assert after["spec"] == made["spec"]
    again = await cluster.report(team.namespace, "weekly")
    await cluster.write_status(again, {"observedGeneration": 1})
    assert "phase" not in team.status("weekly")


async def test_a_status_of_what_has_changed_is_a_conflict(cluster: Cluster, team: Team) -> None:
    read = team.create("weekly")
    team.patch("reports", "weekly", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(errors.ConflictError):
        await cluster.write_status(read, {"observedGeneration": 1})


async def test_a_status_of_a_report_made_anew_is_a_conflict(cluster: Cluster, team: Team) -> None:
    read = team.create("weekly")
    team.delete("reports", "weekly")
    team.create("weekly")
    with pytest.raises(errors.ConflictError):
        await cluster.write_status(read, {"observedGeneration": 1})


async def test_what_is_not_there(cluster: Cluster, team: Team) -> None:
    with pytest.raises(errors.NotFoundError):
        await cluster.report(team.namespace, "nothing")
    await cluster.delete_job(team.namespace, "nothing")
    await cluster.expire_job(team.namespace, "nothing", 60)
    await cluster.delete_secret(team.namespace, "nothing")


async def test_what_is_there_already(cluster: Cluster, team: Team) -> None:
    await cluster.create_secret(secret(team))
    with pytest.raises(errors.AlreadyExistsError):
        await cluster.create_secret(secret(team))
    await cluster.delete_secret(team.namespace, "a")
    await cluster.create_secret(secret(team))


async def test_what_is_refused_is_told_in_the_servers_words(cluster: Cluster, team: Team) -> None:
    with pytest.raises(errors.RefusedError, match="Invalid value"):
        await cluster.create_secret(secret(team, "Not A Name"))


async def test_all_pages_are_read(cluster: Cluster, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for number in range(5):
        team.create(f"report-{number}")
    pages = [page async for page in cluster.report_pages()]
    names = [each["metadata"] for page in pages for each in page["items"]]
    mine = [each["name"] for each in names if each["namespace"] == team.namespace]
    assert mine == [f"report-{number}" for number in range(5)]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1


async def test_a_watch_goes_on_where_a_listing_ended(cluster: Cluster, team: Team) -> None:
    team.create("before")
    versions = [page["metadata"]["resourceVersion"] async for page in cluster.report_pages()]
    team.create("weekly")
    team.patch("reports", "weekly", {"metadata": {"labels": {"a": "b"}}})
    team.delete("reports", "weekly")
    seen = []
    async with aclosing(cluster.watch_reports(versions[-1])) as events:
        async for event in events:
            if event["object"]["metadata"].get("namespace") == team.namespace:
                seen.append((event["type"], event["object"]["metadata"]["name"]))
            if event["type"] == "DELETED":
                break
    assert seen == [("ADDED", "weekly"), ("MODIFIED", "weekly"), ("DELETED", "weekly")]


async def test_a_watch_from_what_is_forgotten(cluster: Cluster, team: Team) -> None:
    team.create("weekly")
    with pytest.raises(errors.ExpiredError, match="too old resource version"):
        await anext(aiter(cluster.watch_reports("1")))


async def test_requests_are_counted_by_resource(cluster: Cluster, team: Team, seen: list[tuple[str, str, int]]) -> None:
    read = team.create("weekly")
    await cluster.write_status(read, {"observedGeneration": 1})
    await cluster.pods(team.namespace, "a=b")
    await cluster.jobs(team.namespace, "a=b")
    await cluster.events_about(team.namespace, "uid")
    with pytest.raises(errors.NotFoundError):
        await cluster.job(team.namespace, "nothing")
    assert seen == [
        ("PUT", "reports/status", 200),
        ("GET", "pods", 200),
        ("GET", "jobs", 200),
        ("GET", "events", 200),
        ("GET", "jobs", 404),
    ]


async def test_an_unknown_token_is_an_outage(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A token that has just expired is renewed by the kubelet: it is worth another try."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(api_server.url, "unknown", tmp_path)))
    await _expect_outage("Unauthorized")


async def test_no_api_server_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(f"https://127.0.0.1:{port}", "token", tmp_path)))
    await _expect_outage("cannot be reached")


async def _expect_outage(says: str) -> None:
    connected = await Cluster.connect(1, lambda *_: None)
    with pytest.raises(errors.UnavailableError, match=says):
        await connected.report("default", "weekly")
    await connected.close()


async def test_nowhere_to_connect_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(errors.UnavailableError, match="no service account and no kubeconfig"):
        await Cluster.connect(1, lambda *_: None)


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "retry_after"),
    [
        (429, {"Retry-After": "7"}, b'{"message": "slow down"}', errors.UnavailableError, 7.0),
        (500, {}, b'{"message": "failed calling webhook"}', errors.UnavailableError, None),
        (503, {}, b"upstream is gone", errors.UnavailableError, None),
        (403, {}, b'{"message": "exceeded quota", "reason": "Forbidden"}', errors.RefusedError, None),
        (409, {}, b'{"message": "x", "reason": "AlreadyExists"}', errors.AlreadyExistsError, None),
        (409, {}, b'{"message": "x", "reason": "Conflict"}', errors.ConflictError, None),
    ],
)
def test_answers_that_a_test_server_does_not_give(
    status: int, headers: dict[str, str], body: bytes, error: type[errors.ClusterError], retry_after: float | None
) -> None:
    made = connection._error(status, headers, body)
    assert type(made) is error
    assert getattr(made, "retry_after", None) == retry_after


async def test_scheduled_reports_are_counted(cluster: Cluster, team: Team) -> None:
    before = await cluster.count_scheduled_reports()
    for number in range(3):
        create(team, f"weekly-{number}")
    assert await cluster.count_scheduled_reports() == before + 3
    found = [each["metadata"] async for page in cluster.scheduled_report_pages() for each in page["items"]]
    assert {f"weekly-{number}" for number in range(3)} == {m["name"] for m in found if m["namespace"] == team.namespace}
    team.api.delete(team.path("scheduledreports")).raise_for_status()
    assert await cluster.count_scheduled_reports() == before
