"""What runs upload with, on a real API server and a real store: renewed before it ends, and nothing left of it after.

The credentials are temporary as those of a web identity are: a program gives boto3 others each time, with an end
(botocore.credentials, RefreshableCredentials). The store knows their keys by themselves.
"""

import base64
import itertools
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Stage
from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION
from report_operator.api.redelivery import ORDER_FILE
from report_operator.api.run import Links
from tests.server.process import Operator, operator
from tests.server.stages import order, work
from tests.server.team import PATIENCE, Team
from tests.server.test_redelivery import ask, redeliveries
from tests.support import mail_server, seaweedfs
from tests.support.cluster import eventually
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS

Json = dict[str, Any]

LIFE = timedelta(minutes=11)
"""Of the credentials. boto3 uses none that have less than ten minutes left; links are renewed at twelve."""
ROLE = "arn:aws:iam::123456789012:role/reports"
SQL = {"urlFrom": {"secretKeyRef": {"name": "warehouse", "key": "url"}}, "query": "select 1"}
LARGE: Json = {"sources": [{"name": "sales", "sql": SQL}]}
_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"uploads-{next(_numbers)}")


@pytest.fixture
def temporary(access: Path, store: SeaweedFS, tmp_path: Path) -> Iterator[Operator]:
    """An operator with temporary credentials; there is no other beside it."""
    keys = json.dumps({"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Expiration": "END"})
    program = tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\necho '{keys}' | sed s/END/$(date -u -d '+{LIFE.seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)/\n"
    )
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    own = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    with operator(access, store, tmp_path / "log", **own) as process:
        yield process.wait_ready()
        assert '"level": "error"' not in (tmp_path / "log").read_text()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A store with a certificate of an authority that nobody knows, which may be used as a role."""
    with seaweedfs.running(tmp_path_factory.mktemp("private"), ROLE, tls=True) as server:
        yield server


@pytest.fixture
def on_private(access: Path, private: SeaweedFS, tmp_path: Path) -> Iterator[None]:
    """An operator on that store; there is no other beside it."""
    settings = {"CA_FILE": str(private.authority), "ROLE_ARN": ROLE, "ROLE_ENDPOINT": private.endpoint}
    settings = {f"REPORT_OPERATOR_STORE_{name}": value for name, value in settings.items()}
    with operator(access, private, tmp_path / "log", **settings) as process:
        process.wait_ready()
        yield
        assert '"level": "error"' not in (tmp_path / "log").read_text()


@pytest.mark.usefixtures("on_private")
def test_a_run_trusts_the_store_by_the_links(team: Team, private: SeaweedFS) -> None:
    """The links are those of the role, and need the certificate that comes with them."""
    team.create("weekly")
    found = links(secret(team, team.job_of("weekly")))
    assert found.authorities
    url = found.uploads["report.pdf"].whole.url
    assert "X-Amz-Security-Token" in url
    trust = ssl.create_default_context(cadata=found.authorities)
    httpx.put(url, content=b"%PDF", verify=trust).raise_for_status()
    assert [key.rpartition("/")[2] for key in private.keys(f"{team.namespace}/")] == ["report.pdf"]


def secret(team: Team, job: Json) -> Json:
    return team.get("secrets", job["metadata"]["name"])


def links(of: Json) -> Links:
    return Links.unpacked(base64.b64decode(of["data"]["links.json.gz"]))


def remembered(job: Json) -> datetime:
    return datetime.fromisoformat(job["metadata"]["annotations"][LINKS_EXPIRE_ANNOTATION])


class TestRenewal:
    @pytest.mark.usefixtures("temporary")
    def test_a_run_that_outlives_the_credentials_gets_new_links(self, team: Team) -> None:
        asked_at = datetime.now(UTC).replace(microsecond=0)
        team.create("weekly", **LARGE)
        job = team.job_of("weekly")
        before = secret(team, job)
        assert "immutable" not in before or before["immutable"] is False
        assert remembered(job) == links(before).expires_at
        assert asked_at + LIFE <= remembered(job) <= datetime.now(UTC) + LIFE

        eventually(lambda: True if datetime.now(UTC) > asked_at + timedelta(seconds=3) else None, 9, "later ends")
        team.start_pod(job)  # An event: otherwise the operator looks once a minute.

        def renewed() -> Json | None:
            found = team.get("jobs", job["metadata"]["name"])
            return found if remembered(found) > remembered(job) else None

        after = secret(team, eventually(renewed, PATIENCE, "new links"))
        assert links(after).expires_at > links(before).expires_at
        assert links(after).expires_at <= datetime.now(UTC) + LIFE
        assert after["data"]["request.json"] == before["data"]["request.json"]
        assert after["metadata"]["uid"] == before["metadata"]["uid"], "the kubelet sees a change, not another Secret"
        [old, new] = [links(each).uploads["sales.csv"].parts for each in (before, after)]
        assert old is not None
        assert new is not None
        tag = httpx.put(old.puts[0].url, content=b"first").raise_for_status().headers["ETag"]
        body = new.listing.format(parts=new.listed.format(number=1, etag=tag))
        httpx.post(new.complete.url, content=body).raise_for_status()

    @pytest.mark.usefixtures("temporary")
    def test_so_does_a_redelivery_and_is_about_the_same(self, team: Team, tmp_path: Path) -> None:
        with mail_server.running() as post:
            post.recipient_answer = lambda address: "550 no such user" if address.startswith("bob") else None
            order(team, post, "ann@example.com", "bob@example.com")
            work(team, team.job_of("weekly"), Stage.PUBLISH, tmp_path)
            team.wait("weekly", "DeliveryFailed")
            post.recipient_answer = lambda _: None
            ask(team, "t1")
            [job] = eventually(lambda: redeliveries(team) or None, PATIENCE, "the Job that sends again")
            before, ordered = secret(team, job), datetime.now(UTC)
            assert remembered(job) == links(before).expires_at

            eventually(lambda: True if datetime.now(UTC) > ordered + timedelta(seconds=3) else None, 9, "later ends")
            waiting = team.start_pod(job, "waits")
            unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            team.patch("pods", f"{waiting}/status", {"status": {"conditions": [unschedulable]}})

            def renewed() -> Json | None:
                [found] = redeliveries(team)
                return found if remembered(found) > remembered(job) else None

            job = eventually(renewed, PATIENCE, "new links")
            after = secret(team, job)
            assert links(after).expires_at > links(before).expires_at
            assert links(after).entries.keys() == links(before).entries.keys()
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            for name in ("request.json", ORDER_FILE.name):
                assert after["data"][name] == before["data"][name]
            team.api.delete(team.path("pods", waiting)).raise_for_status()
            work(team, job, Stage.REDELIVER, tmp_path)
            team.wait("weekly", "Succeeded")
            assert sorted(post.recipients) == ["ann@example.com", "bob@example.com"]

    def test_one_that_does_not_has_a_secret_that_nobody_changes(self, team: Team, running: Operator) -> None:
        team.create("weekly")
        job = team.job_of("weekly")
        assert secret(team, job)["immutable"] is True
        assert LINKS_EXPIRE_ANNOTATION not in job["metadata"].get("annotations", {})


def unfinished(store: SeaweedFS, team: Team) -> list[str]:
    found = store.client().list_multipart_uploads(Bucket=BUCKET, Prefix=f"{team.namespace}/").get("Uploads", [])
    return [each["Key"].rpartition("/")[2] for each in found]


@pytest.mark.usefixtures("running")
class TestUnfinished:
    def test_what_a_good_run_did_not_need_goes_with_its_end(self, team: Team, store: SeaweedFS) -> None:
        team.create("weekly", **LARGE)
        team.job_of("weekly")
        assert unfinished(store, team) == ["sales.csv"]
        team.finish("weekly")
        status = team.wait("weekly", "Succeeded")
        eventually(lambda: True if not unfinished(store, team) else None, PATIENCE, "no upload is left")
        assert httpx.get(status["artifacts"][1]["downloadURL"]).content == b"content"

    def test_what_a_job_that_is_refused_does_not_need_goes_at_once(self, team: Team, store: SeaweedFS) -> None:
        spec = {"hard": {"count/jobs.batch": "0"}}
        team.post("resourcequotas", {"metadata": {"name": "none"}, "spec": spec})
        team.patch("resourcequotas", "none/status", {"status": spec | {"used": {"count/jobs.batch": "0"}}})
        team.create("weekly", **LARGE)
        team.wait("weekly", "JobRefused")
        assert unfinished(store, team) == []

    @pytest.mark.parametrize("how", ["failed", "cancelled"])
    def test_what_another_has_uploaded_goes_too(self, team: Team, store: SeaweedFS, how: str) -> None:
        team.create("weekly", **LARGE)
        job = team.job_of("weekly")
        parts = links(secret(team, job)).uploads["sales.csv"].parts
        assert parts is not None
        httpx.put(parts.puts[0].url, content=b"first").raise_for_status()
        if how == "failed":
            team.end_job(job["metadata"]["name"], "Failed", "BackoffLimitExceeded", failed=1)
        else:
            team.patch("reports", "weekly", {"spec": {"cancel": True}})
            eventually(lambda: team.get("jobs", job["metadata"]["name"])["metadata"].get("deletionTimestamp"), 9, "end")
            team.patch("jobs", job["metadata"]["name"], {"metadata": {"finalizers": None}})
        eventually(lambda: True if not unfinished(store, team) else None, PATIENCE, "no upload is left")
        assert store.keys(f"{team.namespace}/") == []
        assert not team.status("weekly").get("artifacts")
