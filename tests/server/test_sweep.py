"""Files go after their Report, on a real API server and a real store; each operator here is one of its own."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.cluster.client import Cluster
from report_operator.control.sweep import OWNER_KEY, Sweep
from report_operator.plan.policy import Rules
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.server.process import Operator, operator
from tests.server.team import PATIENCE, Team
from tests.support.cluster import eventually
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS

Json = dict[str, Any]
OLD_RUN = "team-x/weekly/11111111-2222-4333-8444-555555555555-1/"
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"swept-{next(_numbers)}")


def finished(team: Team, name: str = "weekly", **spec: Any) -> Json:
    """Make a Report and play its run; return its status."""
    team.create(name, **spec)
    team.finish(name)
    return team.wait(name, "Succeeded")


def put(store: SeaweedFS, *names: str) -> None:
    client = store.client()
    for name in names:
        client.put_object(Bucket=BUCKET, Key=name, Body=b"content")


SWEEPING = {"REPORT_OPERATOR_SWEEP_INTERVAL": "1s", "REPORT_OPERATOR_SWEEP_GRACE": "0s"}
"""Sweeps are minutes apart otherwise, and leave what is younger than some."""


@pytest.fixture
def sweeping(access: Path, store: SeaweedFS, tmp_path: Path) -> Iterator[Operator]:
    with operator(access, store, tmp_path / "log", REPORT_OPERATOR_STORE_PREFIX="swept", **SWEEPING) as process:
        yield process.wait_ready()


def swept(store: SeaweedFS, prefix: str) -> None:
    """Wait until nothing is left below a prefix."""
    eventually(lambda: True if not store.keys(prefix) else None, PATIENCE, f"{prefix} is swept")


@pytest.mark.usefixtures("sweeping")
class TestSweep:
    def test_files_go_after_their_report(self, team: Team, store: SeaweedFS) -> None:
        finished(team)
        stays = finished(team, "stays")
        assert store.keys(f"swept/{team.namespace}/weekly/")
        team.delete("reports", "weekly")
        swept(store, f"swept/{team.namespace}/weekly/")
        assert httpx.get(stays["artifacts"][0]["downloadURL"]).content == b"content"

    def test_unless_they_are_to_be_retained(self, team: Team, store: SeaweedFS) -> None:
        status = finished(team, "retained", retention={"onDelete": "Retain"})
        finished(team)
        for name in ("retained", "weekly"):
            team.delete("reports", name)
        swept(store, f"swept/{team.namespace}/weekly/")
        assert httpx.get(status["artifacts"][0]["downloadURL"]).content == b"content"

    def test_what_is_not_ours_stays(self, team: Team, store: SeaweedFS) -> None:
        foreign = ["swept/photo.jpg", "swept/team-x/weekly/report.pdf", f"elsewhere/{OLD_RUN}report.pdf"]
        put(store, *foreign, f"swept/{OLD_RUN}report.pdf")
        swept(store, f"swept/{OLD_RUN}")
        assert set(foreign) <= set(store.keys(""))

    def test_a_run_that_uploads_is_not_disturbed(self, team: Team, store: SeaweedFS) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        team.upload(job)
        put(store, f"swept/{OLD_RUN}report.pdf")
        swept(store, f"swept/{OLD_RUN}")
        assert len(store.keys(f"swept/{team.namespace}/weekly/")) == 3


def test_young_files_are_left_alone(team: Team, access: Path, store: SeaweedFS, tmp_path: Path) -> None:
    settings = SWEEPING | {"REPORT_OPERATOR_SWEEP_GRACE": "1h", "REPORT_OPERATOR_STORE_PREFIX": "young"}
    put(store, f"young/{OLD_RUN}report.pdf")
    with operator(access, store, tmp_path / "log", **settings) as process:
        process.wait_ready()
        claimed(store, "young")
        sweeps(process, 2)
    assert store.keys(f"young/{OLD_RUN}")


@pytest.mark.requirement("D8")
async def test_files_of_an_earlier_run_go_at_their_time_though_the_edit_has_failed(
    team: Team, access: Path, store: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That months pass is played by a clock of its own; nothing but the sweep is at work."""
    uid = team.create("weekly")["metadata"]["uid"]
    team.patch("reports", "weekly", {"spec": {"title": "Edited"}})
    failed = {"observedGeneration": 2, "phase": "Failed", "reason": "QueryFailed", "runID": f"{uid}-2"}
    team.patch("reports", "weekly/status", {"status": failed})
    folder = f"aged/{team.namespace}/weekly/{uid}"
    put(store, f"{folder}-1/report.pdf", f"{folder}-1/retained", f"{folder}-3/report.pdf")
    monkeypatch.setenv("KUBECONFIG", str(access))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    cluster = await Cluster.connect(1, lambda *_: None)
    opened = S3Store(S3Settings(BUCKET, "aged", store.endpoint, path_style=True))

    async def sweep(days: int) -> list[str]:
        now = datetime.now(UTC) + timedelta(days=days)
        await Sweep(cluster, opened, timedelta(0), timedelta(0), lambda: now, lambda _: Rules()).sweep()
        return store.keys(folder)

    try:
        assert len(await sweep(89)) == 3
        assert await sweep(91) == [f"{folder}-3/report.pdf"]
    finally:
        await cluster.close()
        opened.close()


def test_nothing_is_swept_where_another_cluster_keeps_its_files(access: Path, store: SeaweedFS, tmp_path: Path) -> None:
    store.client().put_object(Bucket=BUCKET, Key=f"shared/{OWNER_KEY}", Body=b"another")
    put(store, f"shared/{OLD_RUN}report.pdf")
    log = tmp_path / "log"
    with operator(access, store, log, REPORT_OPERATOR_STORE_PREFIX="shared", **SWEEPING) as process:
        process.wait_ready()
        eventually(lambda: True if "belongs to another cluster" in log.read_text() else None, PATIENCE, "a warning")
        store.client().delete_object(Bucket=BUCKET, Key=f"shared/{OWNER_KEY}")
        swept(store, f"shared/{OLD_RUN}")


def claimed(store: SeaweedFS, prefix: str) -> None:
    """Wait until the first sweep."""
    eventually(lambda: store.keys(f"{prefix}/{OWNER_KEY}") or None, PATIENCE, "the first sweep")


def sweeps(process: Operator, count: int) -> None:
    """Wait for so many sweeps more."""

    def done() -> int:
        return process.requests().get("GET customresourcedefinitions", 0)

    until = done() + count
    eventually(lambda: True if done() >= until else None, PATIENCE, f"{count} sweeps")


@pytest.mark.requirement("D8")
def test_uploads_that_were_never_completed_go(access: Path, store: SeaweedFS, tmp_path: Path) -> None:
    """They are all there before the operator is."""
    client, key = store.client(), f"unfinished/{OLD_RUN}sales.csv"
    begun = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    client.upload_part(Bucket=BUCKET, Key=key, UploadId=begun, PartNumber=1, Body=b"content")

    def left() -> list[Json]:
        found: list[Json] = client.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads", [])
        return found

    assert left()
    with operator(access, store, tmp_path / "log", REPORT_OPERATOR_STORE_PREFIX="unfinished", **SWEEPING) as process:
        process.wait_ready()
        eventually(lambda: True if not left() else None, PATIENCE, f"{key} is swept")
