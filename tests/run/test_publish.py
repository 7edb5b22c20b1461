"""Uploads into a real store (SeaweedFS), and each way in which a store can fail."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.outputs import INLINE_LIMIT, OutputFormat
from report_operator.api.run import (
    RESULT_FILE,
    Links,
    Rendered,
    RenderedFile,
    Request,
    Result,
    SignedRequest,
    Upload,
)
from report_operator.run.failure import RunError
from report_operator.run.publish import publish
from report_operator.run.store import ATTEMPTS
from report_operator.run.workspace import Workspace
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports
from tests.support.seaweedfs import BUCKET, SeaweedFS

Order = Callable[..., Request]

FILES = {
    "report.json": b'{"title": "Weekly"}',
    "by_day.csv": b"day,bytes\n2026-05-04,1\n",
    "report.pdf": b"%PDF-1.7 " + bytes(range(256)) * 20_000,
    "empty.csv": b"",
}
OUTPUTS = [
    {"format": "json", "inline": True},
    {"format": "csv", "table": "by_day"},
    {"format": "pdf"},
    {"format": "csv", "table": "empty"},
]


NAMES = [*FILES, RESULT_FILE]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr("report_operator.run.store._LONGEST_WAIT", 0)


@pytest.fixture
def rendered(workspace: Workspace) -> Rendered:
    """What render left: FILES and two metrics."""
    workspace.outputs.mkdir(parents=True)
    for name, content in FILES.items():
        (workspace.outputs / name).write_bytes(content)
    files = [RenderedFile(name=name, format=OutputFormat(name.rpartition(".")[2])) for name in FILES]
    files[1] = files[1].model_copy(update={"rows": 1})
    return Rendered(files=files, metrics={"Flights": "336,776"})


@dataclass(frozen=True)
class Publishing:
    """A run that is about to publish; calling it does so with links for these names, by default for all files."""

    order: Order
    workspace: Workspace

    def __call__(
        self, rendered: Rendered, sign: Callable[[str], str], outputs: Any = OUTPUTS, names: Sequence[str] = NAMES
    ) -> Result:
        expiry = datetime.now(UTC) + timedelta(minutes=10)
        uploads = {name: Upload(whole=SignedRequest(url=sign(name))) for name in names}
        self.workspace.links.write_bytes(Links(expires_at=expiry, uploads=uploads).packed())
        return publish(self.order(outputs=outputs), rendered, self.workspace)


@pytest.fixture
def publishing(order: Order, workspace: Workspace) -> Publishing:
    return Publishing(order, workspace)


@pytest.fixture
def sign(store: SeaweedFS, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Sign a PUT link in the store: `sign(name)`; each test has its own folder."""
    client = store.client()

    def sign(name: str) -> str:
        parameters = {"Bucket": BUCKET, "Key": f"{request.node.name}/{name}"}
        return str(client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=600))

    return sign


def test_stores_every_file_and_then_the_result(
    *,
    store: SeaweedFS,
    publishing: Publishing,
    rendered: Rendered,
    sign: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> None:
    result = publishing(rendered, sign)

    client = store.client()
    stored: dict[str, dict[str, Any]] = {}
    for name in [*FILES, RESULT_FILE]:
        answer = client.get_object(Bucket=BUCKET, Key=f"{request.node.name}/{name}")
        stored[name] = {"body": answer["Body"].read(), "type": answer["ContentType"]}
    assert {name: stored[name]["body"] for name in FILES} == FILES
    assert stored["by_day.csv"]["type"] == "text/csv; charset=utf-8"
    assert stored["report.pdf"]["type"] == "application/pdf"
    assert stored["report.json"]["type"] == stored[RESULT_FILE]["type"] == "application/json"
    assert Result.model_validate_json(stored[RESULT_FILE]["body"]) == result
    assert [(file.name, file.size, file.rows) for file in result.files] == [
        ("report.json", 19, None),
        ("by_day.csv", 23, 1),
        ("report.pdf", 5_120_009, None),
        ("empty.csv", 0, None),
    ]
    assert [file.sha256 for file in result.files] == [hashlib.sha256(content).hexdigest() for content in FILES.values()]
    assert (result.run_id, result.metrics) == ("0b8e-1", {"Flights": "336,776"})
    assert (result.inline, result.inline_size) == ({"title": "Weekly"}, 19)


def test_the_store_verifies_the_digest(store: SeaweedFS, sign: Callable[[str], str]) -> None:
    """SeaweedFS 4.48 answers a wrong Content-MD5 with 400 BadDigest and keeps nothing, as S3 does."""
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    answer = httpx.put(sign("file"), content=b"content", headers={"Content-MD5": wrong})
    assert (answer.status_code, "<Code>BadDigest</Code>" in answer.text) == (400, True)
    assert store.client().list_objects_v2(Bucket=BUCKET, Prefix="test_the_store_verifies")["KeyCount"] == 0


def test_the_result_comes_last_and_requests_say_what_they_send(
    publishing: Publishing, rendered: Rendered, web: HttpServer
) -> None:
    web.answer()
    publishing(rendered, lambda name: f"{web.url}/{name}?X-Amz-Signature=s")
    assert [asked.path.split("?")[0] for asked in web.asked][-1] == f"/{RESULT_FILE}"
    assert len(web.asked) == len(FILES) + 1
    for asked in web.asked:
        assert asked.method == "PUT"
        assert int(asked.headers["content-length"]) == len(asked.body)
        assert "transfer-encoding" not in asked.headers
        assert base64.b64decode(asked.headers["content-md5"]) == hashlib.md5(asked.body).digest()


@pytest.mark.parametrize(
    ("outputs", "content", "inline", "size"),
    [
        ([{"format": "json"}], b"{}", None, None),
        ([{"format": "json", "inline": False}], b"{}", None, None),
        ([{"format": "json", "inline": True}], b'{"a": "\xc3\xa4"}', {"a": "ä"}, 11),
        ([{"format": "json", "inline": True}], json.dumps({"a": "x" * (INLINE_LIMIT - 9)}).encode(), "x", INLINE_LIMIT),
        (
            [{"format": "json", "inline": True}],
            json.dumps({"a": "x" * (INLINE_LIMIT - 8)}).encode(),
            None,
            INLINE_LIMIT + 1,
        ),
    ],
)
def test_inline(
    *,
    publishing: Publishing,
    workspace: Workspace,
    web: HttpServer,
    outputs: list[dict[str, Any]],
    content: bytes,
    inline: object,
    size: int | None,
) -> None:
    web.answer()
    workspace.outputs.mkdir(parents=True)
    (workspace.outputs / "report.json").write_bytes(content)
    files = Rendered(files=[RenderedFile(name="report.json", format=OutputFormat.JSON)])
    names = ["report.json", RESULT_FILE]
    result = publishing(files, lambda name: f"{web.url}/{name}", outputs, names)
    expected = json.loads(content) if inline == "x" else inline
    assert (result.inline, result.inline_size) == (expected, size)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, ""),
        (503, "<Error><Code>SlowDown</Code></Error>"),
        (429, ""),
        (408, ""),
        (400, "<Error><Code>BadDigest</Code></Error>"),
    ],
)
def test_passing_causes_are_tried_again(
    *, publishing: Publishing, rendered: Rendered, web: HttpServer, status: int, body: str
) -> None:
    tried: dict[str, int] = {}

    def respond(asked: Asked) -> Answer:
        tried[asked.path] = tried.get(asked.path, 0) + 1
        return Answer() if tried[asked.path] > 2 else Answer(body.encode(), status)

    web.respond = respond
    publishing(rendered, lambda name: f"{web.url}/{name}")
    assert tried == {f"/{name}": 3 for name in [*FILES, RESULT_FILE]}
    sent = {asked.path[1:]: asked.body for asked in web.asked}
    assert {name: sent[name] for name in FILES} == FILES


@pytest.mark.parametrize(
    ("status", "body", "reason", "said"),
    [
        (503, "", Reason.STORE_UNAVAILABLE, "HTTP 503"),
        (403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", Reason.STORE_REFUSED,
         "HTTP 403 AccessDenied"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", Reason.STORE_REFUSED, "HTTP 404 NoSuchBucket"),
        (400, "hidden-signature", Reason.STORE_REFUSED, "HTTP 400"),
        (301, "", Reason.STORE_REFUSED, "HTTP 301"),
    ],
)  # fmt: skip
def test_a_store_that_does_not_take_it(
    *,
    publishing: Publishing,
    rendered: Rendered,
    web: HttpServer,
    status: int,
    body: str,
    reason: Reason,
    said: str,
) -> None:
    web.answer(body, status)
    sign = lambda name: f"{web.url}/bucket/{name}?X-Amz-Signature=hidden-signature"  # noqa: E731
    with pytest.raises(RunError) as caught:
        publishing(rendered, sign)
    assert caught.value.reason is reason
    assert said in caught.value.message
    assert web.url in caught.value.message
    assert "hidden-signature" not in caught.value.message
    tries = [asked.path for asked in web.asked if "report.json" in asked.path]
    assert len(tries) == (ATTEMPTS if reason is Reason.STORE_UNAVAILABLE else 1)
    assert not [asked for asked in web.asked if RESULT_FILE in asked.path]


def test_a_store_that_is_down(publishing: Publishing, rendered: Rendered) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(RunError, match="Connection refused") as caught:
        publishing(rendered, lambda name: f"{address}/{name}?X-Amz-Signature=hidden")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    assert f"the store at {address} does not answer" in caught.value.message
    assert "hidden" not in caught.value.message


def test_an_expired_link(
    store: SeaweedFS, publishing: Publishing, rendered: Rendered, sign: Callable[[str], str]
) -> None:
    def expired(name: str) -> str:
        link = httpx.URL(sign(name))
        past = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%dT%H%M%SZ")
        return str(link.copy_set_param("X-Amz-Date", past))

    with pytest.raises(RunError, match="HTTP 403 ") as caught:
        publishing(rendered, expired)
    assert caught.value.reason is Reason.STORE_REFUSED


@pytest.mark.parametrize("missing", ["report.pdf", RESULT_FILE])
def test_a_file_without_a_link(publishing: Publishing, rendered: Rendered, web: HttpServer, missing: str) -> None:
    names = [name for name in [*FILES, RESULT_FILE] if name != missing]
    with pytest.raises(RunError, match=missing) as caught:
        publishing(rendered, lambda name: f"{web.url}/{name}", names=names)
    assert caught.value.reason is Reason.INTERNAL_ERROR
    assert web.asked == []
