"""Files into a real store (SeaweedFS): whole or in parts, while it fails, is away, or has had them before."""

import asyncio
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import DeliveryState
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import RESULT_FILE, Links, Rendered, RenderedFile, Request, StoredFile
from report_operator.plan.uploads import Split
from report_operator.run import digests, store, upload
from report_operator.run.failure import RunError
from report_operator.run.links import LinksFile
from report_operator.run.publish import publish
from report_operator.run.store import ATTEMPTS, Store
from report_operator.run.upload import Uploader
from report_operator.run.workspace import Workspace
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.support import seaweedfs
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS
from tests.support.shipping import OUTPUTS, SOURCES, Shipment

MIB = 1 << 20
NAME = "sales.csv"
SALES = RenderedFile(name=NAME, format=OutputFormat.CSV, rows=7)
SPLIT = Split(5 * MIB, 4, "text/csv; charset=utf-8")
LARGE = b"".join(hashlib.sha256(bytes([n])).digest() * (5 * MIB // 32) for n in range(3)) + b"end"
"""Four parts, of which the last has three bytes."""
AWAY = 55
"""Seconds before the store is started again, which takes it a few more."""


@dataclass
class Run:
    """A run with one file to upload, and the operator that signs for it."""

    store: SeaweedFS
    folder: str
    workspace: Workspace

    def sign(self, endpoint: str = "", ttl: timedelta = timedelta(hours=1), *, again: bool = False) -> Links:
        """Write and return links into the store, or into one that stands before it."""
        place, authority = endpoint or self.store.endpoint, self.store.authority
        there = S3Store(S3Settings(bucket=BUCKET, endpoint=place, path_style=True, ca_file=authority))
        keys = {f"{self.folder}/{NAME}": SPLIT, f"{self.folder}/{RESULT_FILE}": None}
        signed = asyncio.run(there.sign_uploads(keys, ttl, again=again))
        there.close()
        uploads = {key.rpartition("/")[2]: found for key, found in signed.by_key.items()}
        links = Links(expires_at=signed.expires_at, uploads=uploads, authorities=signed.authorities)
        fresh = self.workspace.links.with_suffix(".new")
        fresh.write_bytes(links.packed())
        fresh.replace(self.workspace.links)
        return links

    def upload(self, content: bytes = LARGE) -> StoredFile:
        file = self.workspace.outputs / NAME
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        links = LinksFile(self.workspace.links)
        with Store(links) as requests:
            return Uploader(requests, links).put_file(SALES, file)

    def stored(self) -> bytes | None:
        """Return what the store lists under the file's name."""
        client: Any = self.store.client()
        if f"{self.folder}/{NAME}" not in self.store.keys(self.folder):
            return None
        content: bytes = client.get_object(Bucket=BUCKET, Key=f"{self.folder}/{NAME}")["Body"].read()
        return content


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the operator."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def run(store: SeaweedFS, workspace: Workspace, request: pytest.FixtureRequest) -> Run:
    return Run(store, request.node.name.translate(str.maketrans("[] ", "---")), workspace)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr("report_operator.run.store._LONGEST_WAIT", 0)


@pytest.fixture
def front(run: Run, web: HttpServer) -> HttpServer:
    """A server before the store that passes requests on."""
    web.respond = lambda asked: passed_on(run.store, asked)
    return web


def passed_on(to: SeaweedFS, asked: Asked) -> Answer:
    headers = {name: value for name, value in asked.headers.items() if name.lower() != "transfer-encoding"}
    answer = httpx.request(asked.method, f"{to.endpoint}{asked.path}", headers=headers, content=asked.body)
    tag = {"ETag": answer.headers["ETag"]} if "ETag" in answer.headers else {}
    return Answer(answer.content, answer.status_code, tag)


def what(asked: Asked) -> str:
    """Return which request it is: `1` to `4` for a part, `POST`, or `PUT` for the whole file."""
    return asked.path.partition("partNumber=")[2].partition("&")[0] or asked.method


def made(front: HttpServer) -> list[str]:
    """Return the requests of the run; those that begin and list uploads in parts are the operator's."""
    return [what(asked) for asked in front.asked if "uploads" not in asked.path.partition("?")[2]]


def is_right(found: StoredFile, content: bytes) -> bool:
    return (found.size, found.sha256, found.rows) == (len(content), hashlib.sha256(content).hexdigest(), 7)


class TestParts:
    def test_a_large_file_goes_in_parts(self, run: Run, front: HttpServer) -> None:
        run.sign(front.url)
        assert is_right(run.upload(), LARGE)
        assert run.stored() == LARGE
        assert sorted(made(front)) == ["1", "2", "3", "4", "POST"]
        assert made(front)[-1] == "POST"
        assert all("content-md5" in asked.headers for asked in front.asked if asked.method == "PUT")

    @pytest.mark.parametrize("size", [0, 1, 5 * MIB])
    def test_a_file_that_fits_into_one_part_goes_whole(self, run: Run, front: HttpServer, size: int) -> None:
        run.sign(front.url)
        assert is_right(run.upload(LARGE[:size]), LARGE[:size])
        assert run.stored() == LARGE[:size]
        assert made(front) == ["PUT"]

    def test_so_does_one_that_has_more_parts_than_links(self, run: Run, front: HttpServer) -> None:
        content = LARGE * 2
        run.sign(front.url)
        assert is_right(run.upload(content), content)
        assert made(front) == ["PUT"]

    @pytest.mark.usefixtures("soon")
    def test_a_part_that_fails_is_tried_again_alone(self, run: Run, front: HttpServer) -> None:
        failures = ["3", "3", "POST"]

        def respond(asked: Asked) -> Answer:
            if what(asked) in failures:
                failures.remove(what(asked))
                # S3 may say HTTP 200 to a completion before it knows that it fails.
                error = b"<Error><Code>InternalError</Code></Error>"
                return Answer(error, 200 if what(asked) == "POST" else 500)
            return passed_on(run.store, asked)

        run.sign(front.url)
        front.respond = respond
        assert is_right(run.upload(), LARGE)
        assert run.stored() == LARGE
        assert sorted(made(front)) == ["1", "2", "3", "3", "3", "4", "POST", "POST"]

    def test_damage_on_the_way_is_noticed(self, run: Run, front: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("report_operator.run.store._LONGEST_WAIT", 0)
        damaged: list[str] = []

        def respond(asked: Asked) -> Answer:
            if what(asked) == "2" and not damaged:
                damaged.append("2")
                asked = replace(asked, body=b"x" * len(asked.body))
            return passed_on(run.store, asked)

        front.respond = respond
        run.sign(front.url)
        run.upload()
        assert damaged
        assert run.stored() == LARGE

    def test_nothing_is_listed_when_a_part_cannot_be_stored(self, run: Run, front: HttpServer, soon: None) -> None:
        front.respond = lambda asked: Answer(status=503) if what(asked) == "4" else passed_on(run.store, asked)
        run.sign(front.url)
        with pytest.raises(RunError, match=r"part 4 of sales\.csv") as caught:
            run.upload()
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        assert "POST" not in made(front)
        assert run.stored() is None

    def test_a_second_attempt_after_the_first_has_completed_it(self, run: Run, front: HttpServer) -> None:
        """An upload in parts is used once; what the first attempt has stored is replaced, whole."""
        run.sign(front.url)
        run.upload()
        other = LARGE[::-1]
        front.asked.clear()
        assert is_right(run.upload(other), other)
        assert run.stored() == other
        assert made(front)[-1] == "PUT"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A store with a certificate of an authority that nobody knows."""
    with seaweedfs.running(tmp_path_factory.mktemp("private"), tls=True) as server:
        yield server


class TestAuthority:
    """The links name whom a store is trusted by."""

    def test_it_is_trusted(self, private: SeaweedFS, workspace: Workspace) -> None:
        run = Run(private, "trusted", workspace)
        links = run.sign()
        assert private.authority is not None
        assert links.authorities == private.authority.read_text()
        assert is_right(run.upload(), LARGE)
        assert run.stored() == LARGE

    def test_nobody_else_is(self, private: SeaweedFS, workspace: Workspace, soon: None) -> None:
        run = Run(private, "other", workspace)
        links = run.sign()
        workspace.links.write_bytes(links.model_copy(update={"authorities": None}).packed())
        with pytest.raises(RunError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            run.upload()
        assert caught.value.reason is Reason.STORE_UNAVAILABLE


class TestRenewal:
    def test_an_expired_link_is_waited_for(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The operator renews links, and the kubelet the file, while publish waits between two tries."""
        links = run.sign(ttl=timedelta(seconds=1))
        while datetime.now(UTC) <= links.expires_at + timedelta(seconds=1):
            time.sleep(0.1)
        waits: list[float] = []
        renewing = threading.Lock()

        def wait(seconds: float) -> None:
            with renewing:
                waits.append(seconds)
                if len(waits) == 3:
                    run.sign(again=True)

        monkeypatch.setattr(store, "time", SimpleNamespace(sleep=wait))
        assert is_right(run.upload(), LARGE)
        assert run.stored() == LARGE
        assert len(waits) >= 3

    def test_parts_that_were_sent_before_count(self, run: Run, front: HttpServer) -> None:
        """The links are renewed after two parts: the other two and the completion take the new ones."""
        run.sign(front.url)
        first = LinksFile(run.workspace.links).read().uploads[NAME].parts
        assert first is not None

        def respond(asked: Asked) -> Answer:
            if what(asked) == "4":
                run.sign(front.url, timedelta(minutes=9), again=True)
            return passed_on(run.store, asked)

        front.respond = respond
        run.upload()
        assert run.stored() == LARGE
        assert "X-Amz-Expires=540" in front.asked[-1].path
        assert made(front)[-1] == "POST"

    def test_an_upload_that_cannot_go_on_is_made_whole(self, run: Run, front: HttpServer) -> None:
        """As with a store that does not find the upload when the links are renewed."""
        run.sign(front.url)

        def respond(asked: Asked) -> Answer:
            if what(asked) == "4":
                links = LinksFile(run.workspace.links).read()
                whole = {name: each.model_copy(update={"parts": None}) for name, each in links.uploads.items()}
                run.workspace.links.write_bytes(links.model_copy(update={"uploads": whole}).packed())
            return passed_on(run.store, asked)

        front.respond = respond
        assert is_right(run.upload(), LARGE)
        assert run.stored() == LARGE
        assert made(front)[-1] == "PUT"

    def test_an_expired_link_that_nobody_renews(self, run: Run, front: HttpServer, soon: None) -> None:
        links = run.sign(front.url)
        old = links.model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
        run.workspace.links.write_bytes(old.packed())
        front.respond = lambda _: Answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
        with pytest.raises(RunError, match="the link has expired") as caught:
            run.upload(b"small")
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        assert len(made(front)) == ATTEMPTS


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[seaweedfs.Server]:
    """A store that can be ended and started again."""
    (tmp_path / "own").mkdir()
    with seaweedfs.server(tmp_path / "own") as server:
        server.start()
        yield server


@pytest.mark.requirement("N1")
def test_the_store_is_away_for_a_minute_in_the_middle(
    *,
    own_store: seaweedfs.Server,
    tmp_path: Path,
    order: Callable[..., Request],
    web: HttpServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is killed while one run sends the second part of a file, and another has its messages taken but not noted.

    Both end well: no file was listed by half, and no message goes out twice.
    """
    uploading, away, killing = threading.Event(), threading.Event(), threading.Lock()

    def chunks(path: Path, offset: int, size: int) -> Iterator[bytes]:
        for number, chunk in enumerate(digests.chunks(path, offset, size)):
            if (offset, number) == (5 * MIB, 2) and not away.is_set():
                uploading.set()
                assert away.wait(60)
            yield chunk

    def respond(_: Asked) -> Answer:
        with killing:
            assert uploading.wait(60)
            if not away.is_set():
                own_store.kill()
                away.set()
        return Answer()

    run = Run(own_store.store, "team-a/weekly/0b8e-1", Workspace.under(tmp_path / "uploads"))
    run.workspace.outputs.mkdir(parents=True)
    run.sign()
    (run.workspace.outputs / NAME).write_bytes(LARGE)
    hooks = [{"name": name, "webhook": {"url": web.url}} for name in ("one", "two")]
    wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=hooks)
    (tmp_path / "sends").mkdir()
    sends = Shipment.prepare(own_store.store, wanted, "team-a/daily/0b8e-1", Workspace.under(tmp_path / "sends"))
    monkeypatch.setattr(upload, "chunks", chunks)
    web.respond = respond
    with ThreadPoolExecutor(2) as pool:
        only = order(outputs=[{"format": "csv", "table": "sales"}])
        uploaded = pool.submit(publish, only, Rendered(files=[SALES]), run.workspace)
        sent = pool.submit(publish, sends.request, sends.rendered, sends.workspace)
        assert away.wait(60)
        time.sleep(AWAY)
        own_store.start()
        assert is_right(uploaded.result().files[0], LARGE)
        sent.result()
    assert f"part 2 of {NAME}: the store at {own_store.store.endpoint} does not answer" in caplog.text
    assert re.search(r"ledger record \w+: the store at \S+ does not answer", caplog.text)
    assert run.stored() == LARGE
    assert set(own_store.store.keys(run.folder)) == {f"{run.folder}/{NAME}", f"{run.folder}/{RESULT_FILE}"}
    assert [entry.state for entry in sends.ledger()] == [DeliveryState.SENT] * 2
    assert len(web.asked) == len({asked.headers["webhook-id"] for asked in web.asked}) == 2
