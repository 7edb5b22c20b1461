"""Reports with the same idempotency key on a real API server and a real store: one run, whose files stay for all."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import Operator, operator
from tests.server.team import PATIENCE, Team
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

Json = dict[str, Any]
KEY = "order-4711"
PREFIX = "keyed"
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"keyed-{next(_numbers)}")


@pytest.fixture(scope="module")
def sweeping(access: Path, store: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that sweeps all the time, and spares nothing for its youth."""
    log = tmp_path_factory.mktemp("operator") / "log"
    sweep = {"REPORT_OPERATOR_SWEEP_INTERVAL": "1s", "REPORT_OPERATOR_SWEEP_GRACE": "0s"}
    with operator(access, store, log, REPORT_OPERATOR_STORE_PREFIX=PREFIX, **sweep) as process:
        yield process.wait_ready()
        assert '"level": "error"' not in log.read_text()


def swept(store: SeaweedFS, prefix: str) -> None:
    eventually(lambda: True if not store.keys(prefix) else None, PATIENCE, f"{prefix} is swept")


@pytest.mark.requirement("B5")
@pytest.mark.usefixtures("sweeping")
def test_one_run_for_all_and_its_files_outlive_its_report(team: Team, store: SeaweedFS) -> None:
    for name in ("again", "weekly", "yet-again"):
        team.create(name, idempotencyKey=KEY)
    [job] = eventually(lambda: team.list("jobs") or None, PATIENCE, "the Job")
    first = job["metadata"]["labels"]["report-operator.io/report"]
    others = {"again", "weekly", "yet-again"} - {first}
    for name in others:
        eventually(lambda name=name: team.status(name).get("sameAs"), PATIENCE, f"{name} follows")  # type: ignore[misc]
        assert team.status(name)["sameAs"] == first
    team.finish(first)
    done = team.wait(first, "Succeeded")
    for name in others:
        status = team.wait(name, "Succeeded")
        assert (status["phase"], status["runID"], status["sameAs"]) == ("Succeeded", done["runID"], first)
        assert [each["uri"] for each in status["artifacts"]] == [each["uri"] for each in done["artifacts"]]
    assert len(team.list("jobs")) == 1
    late = team.create("late", idempotencyKey=KEY)
    assert late["metadata"]["generation"] == 1
    assert team.wait("late", "Succeeded")["sameAs"] == first
    team.create("other", idempotencyKey=KEY, title="Another")
    assert f"Report {first} has the same" in team.wait("other", "IdempotencyConflict")["message"]
    team.delete("reports", "other")
    # What is to go goes, so that it is known that the sweep has passed by.
    marker = f"{PREFIX}/{team.namespace}/gone/11111111-2222-4333-8444-555555555555-1/report.pdf"
    team.delete("reports", first)
    for name in ("late", *others):
        store.client().put_object(Bucket="reports", Key=marker, Body=b"x")
        swept(store, marker)
        [url] = [each["downloadURL"] for each in team.status(name)["artifacts"] if each["name"] == "report.pdf"]
        assert httpx.get(url).content == b"content"
        team.delete("reports", name)
    swept(store, f"{PREFIX}/{team.namespace}/{first}/")


@pytest.mark.requirement("B5")
@pytest.mark.usefixtures("sweeping")
def test_files_stay_when_the_first_has_expired(team: Team, store: SeaweedFS) -> None:
    team.create("weekly", idempotencyKey=KEY)
    team.finish("weekly")
    team.wait("weekly", "Succeeded")
    team.create("again", idempotencyKey=KEY)
    status = team.wait("again", "Succeeded")
    for name, expires_at in (("weekly", "2026-01-01T00:00:00Z"), ("again", "2026-01-01T00:00:00Z")):
        known = team.status(name)
        assert known["artifacts"]
        assert httpx.get(status["artifacts"][0]["downloadURL"]).content == b"content"
        team.patch("reports", f"{name}/status", {"status": {"expiresAt": expires_at}})
        team.wait(name, "Expired")
    swept(store, f"{PREFIX}/{team.namespace}/weekly/")


@pytest.mark.usefixtures("sweeping")
def test_the_next_one_runs_when_the_first_is_gone(team: Team) -> None:
    team.create("weekly", idempotencyKey=KEY)
    team.job_of("weekly")
    team.create("again", idempotencyKey=KEY)
    eventually(lambda: team.status("again").get("sameAs"), PATIENCE, "it follows")
    team.patch("reports", "weekly", {"spec": {"cancel": True}})
    job = team.job_of("again")
    assert job["metadata"]["labels"]["report-operator.io/report"] == "again"
    assert "sameAs" not in team.status("again")
