"""Rows of a real HTTP server, and each way in which it can fail."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.run import Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.workspace import Workspace
from tests.support import http_server
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports

Order = Callable[..., Request]
PutSecret = Callable[[str, str, str], dict[str, Any]]
Rows = list[tuple[Any, ...]]

TOKEN = "Bearer very-secret-token"


@pytest.fixture
def read(workspace: Workspace, order: Order) -> Callable[..., Rows]:
    """Fetch a URL: `read(url, format=…, headers=…)` returns the rows."""

    def read(url: str, period: object = None, **more: object) -> Rows:
        fetch(order(sources=[{"name": "answer", "http": {"url": url, **more}}], period=period), workspace)
        with duckdb.connect() as connection:
            return connection.execute("FROM read_parquet(?)", [str(workspace.table("answer"))]).fetchall()

    return read


@pytest.fixture
def failure(read: Callable[..., Rows]) -> Callable[..., RunError]:
    """Fetch a URL that has to fail; returns the failure."""

    def failure(url: str, **more: object) -> RunError:
        with pytest.raises(RunError) as caught:
            read(url, **more)
        return caught.value

    return failure


@pytest.fixture
def other() -> Iterator[HttpServer]:
    """Another origin: the same machine by another address."""
    with http_server.running("127.0.0.2") as server:
        yield server


def test_json_csv_and_parquet(web: HttpServer, read: Callable[..., Rows], tmp_path: Path) -> None:
    web.answer('[{"a": 1}, {"a": 2}]')
    assert read(f"{web.url}/rows") == [(1,), (2,)]
    web.answer("a,b\n1,x\n")
    assert read(f"{web.url}/rows", format="csv") == [(1, "x")]
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 3 AS c) TO '{tmp_path / 'c.parquet'}'")
    web.answer((tmp_path / "c.parquet").read_bytes())
    assert read(f"{web.url}/rows", format="parquet") == [(3,)]
    assert web.asked[0].headers["accept"].startswith("application/json")
    assert web.asked[1].headers["accept"] == "text/csv"
    assert web.asked[0].headers["user-agent"].startswith("report-operator/")


def test_a_large_compressed_answer(web: HttpServer, read: Callable[..., Rows]) -> None:
    rows = "\n".join(json.dumps({"n": number, "text": "x" * 100}) for number in range(50_000))
    web.answer(gzip.compress(rows.encode()), Content_Encoding="gzip")
    assert len(read(f"{web.url}/rows")) == 50_000


def test_the_period_is_percent_encoded_in_utc(web: HttpServer, read: Callable[..., Rows]) -> None:
    web.answer('{"a": 1}')
    period = {"start": "2026-05-04T00:00:00+02:00", "end": "2026-05-11T00:00:00Z"}
    read(f"{web.url}/rows?from={{period_start}}&to={{period_end}}&keep={{other}}", period=period)
    assert web.asked[0].path.startswith("/rows?from=2026-05-03T22%3A00%3A00Z&to=2026-05-11T00%3A00%3A00Z&keep=")


def test_a_period_in_the_url_needs_a_period(web: HttpServer, failure: Callable[..., RunError]) -> None:
    error = failure(f"{web.url}/rows?from={{period_start}}")
    assert error.reason is Reason.INVALID_SPEC
    assert "spec.period" in error.message


def test_headers_from_plain_values_and_secrets(
    web: HttpServer, read: Callable[..., Rows], put_secret: PutSecret
) -> None:
    web.answer('{"a": 1}')
    headers = [
        {"name": "Authorization", "valueFrom": put_secret("api", "token", f"{TOKEN}\n")},
        {"name": "accept", "value": "application/vnd.api+json"},
    ]
    read(f"{web.url}/rows", headers=headers)
    assert web.asked[0].headers["authorization"] == TOKEN
    assert web.asked[0].headers["accept"] == "application/vnd.api+json"


def test_user_and_password_in_the_url_are_basic_authentication(web: HttpServer, read: Callable[..., Rows]) -> None:
    web.answer('{"a": 1}')
    read(web.url.replace("http://", "http://user:p%40ss@"))
    assert web.asked[0].headers["authorization"] == "Basic dXNlcjpwQHNz"


def test_a_header_that_cannot_be_sent(web: HttpServer, failure: Callable[..., RunError], put_secret: PutSecret) -> None:
    headers = [{"name": "X-Key", "valueFrom": put_secret("api", "token", "first-line\r\nX-Other: second-line")}]
    error = failure(f"{web.url}/rows", headers=headers)
    assert error.reason is Reason.INVALID_SPEC
    assert "header 'X-Key': key 'token' of Secret 'api'" in error.message
    assert web.asked == []


def test_a_plain_value_that_cannot_be_sent(web: HttpServer, failure: Callable[..., RunError]) -> None:
    error = failure(f"{web.url}/rows", headers=[{"name": "X-Name", "value": "Zoë"}])
    assert error.reason is Reason.INVALID_SPEC
    assert "header 'X-Name': its value has" in error.message


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hidden@[::1/rows",
        "http://user:hidden@127.0.0.1:port/rows",
        "http://user:hidden@xn--/rows",
        "http://user:hidden@data..example.com/rows",
    ],
)
def test_no_valid_url(failure: Callable[..., RunError], url: str) -> None:
    error = failure(url)
    assert error.reason is Reason.INVALID_SPEC
    assert "no valid URL" in error.message
    assert "hidden" not in error.message


def test_a_missing_secret(web: HttpServer, failure: Callable[..., RunError]) -> None:
    missing = {"secretKeyRef": {"name": "api", "key": "token"}}
    error = failure(f"{web.url}/rows", headers=[{"name": "Authorization", "valueFrom": missing}])
    assert error.reason is Reason.SECRET_NOT_FOUND


def test_a_redirect_on_the_same_origin_keeps_the_headers(
    web: HttpServer, read: Callable[..., Rows], put_secret: PutSecret
) -> None:
    web.respond = lambda asked: (
        Answer(b'{"a": 1}') if asked.path == "/there" else Answer(status=302, headers={"Location": "/there"})
    )
    headers = [{"name": "X-Api-Key", "valueFrom": put_secret("api", "token", TOKEN)}]
    assert read(f"{web.url}/here", headers=headers) == [(1,)]
    assert [asked.headers["x-api-key"] for asked in web.asked] == [TOKEN, TOKEN]


def test_a_redirect_to_another_origin_gets_no_credentials(
    web: HttpServer, other: HttpServer, read: Callable[..., Rows], put_secret: PutSecret
) -> None:
    location = {"Location": f"{other.url}/there", "Set-Cookie": "session=hidden"}
    web.respond = lambda _: Answer(status=307, headers=location)
    other.answer('{"a": 1}')
    headers = [
        {"name": name, "valueFrom": put_secret("api", "token", TOKEN)} for name in ("X-Api-Key", "Authorization")
    ]
    read(web.url.replace("http://", "http://user:pass@"), headers=headers)
    assert {"x-api-key", "authorization"} <= set(web.asked[0].headers)
    assert not {"x-api-key", "authorization", "cookie"} & set(other.asked[0].headers)


@pytest.mark.parametrize("location", ["/again", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_that_leads_nowhere(web: HttpServer, failure: Callable[..., RunError], location: str) -> None:
    web.respond = lambda _: Answer(status=302, headers={"Location": location})
    assert failure(f"{web.url}/rows").reason is Reason.SOURCE_REFUSED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.AUTHENTICATION_FAILED),
        (403, Reason.SOURCE_REFUSED),
        (404, Reason.SOURCE_NOT_FOUND),
        (410, Reason.SOURCE_NOT_FOUND),
        (422, Reason.SOURCE_REFUSED),
        (304, Reason.SOURCE_REFUSED),
        (206, Reason.SOURCE_REFUSED),
        (408, Reason.SOURCE_UNAVAILABLE),
        (429, Reason.SOURCE_UNAVAILABLE),
        (500, Reason.SOURCE_UNAVAILABLE),
        (503, Reason.SOURCE_UNAVAILABLE),
        (599, Reason.SOURCE_UNAVAILABLE),
    ],
)
def test_status(
    web: HttpServer, failure: Callable[..., RunError], put_secret: PutSecret, status: int, reason: Reason
) -> None:
    web.answer(f"{TOKEN} in the body", status=status)
    url = web.url.replace("http://", "http://user:hidden-password@")
    headers = [{"name": "Authorization", "valueFrom": put_secret("api", "token", TOKEN)}]
    error = failure(f"{url}/rows?key=hidden-key", headers=headers)
    assert error.reason is reason
    assert f"source 'answer': {web.url}/rows answered {status}" in error.message
    for secret in ("hidden", "very-secret", "user"):
        assert secret not in error.message
    assert len(web.asked) == 1


def test_refused_credentials_say_where_they_are(
    web: HttpServer, failure: Callable[..., RunError], put_secret: PutSecret
) -> None:
    web.answer(status=401)
    assert "the request has no credentials" in failure(f"{web.url}/rows").message
    headers = [{"name": "Authorization", "valueFrom": put_secret("api", "token", TOKEN)}]
    assert failure(f"{web.url}/rows", headers=headers).message.endswith("check key 'token' of Secret 'api'")


def test_nothing_listens(failure: Callable[..., RunError]) -> None:
    error = failure(f"http://127.0.0.1:{free_ports(1)[0]}/rows?key=hidden-key")
    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "Connection refused" in error.message
    assert "hidden-key" not in error.message


def test_unknown_host(failure: Callable[..., RunError]) -> None:
    error = failure("http://host.invalid/rows")
    assert error.reason is Reason.SOURCE_UNAVAILABLE


def test_no_tls_where_tls_is_asked_for(web: HttpServer, failure: Callable[..., RunError]) -> None:
    assert failure(web.url.replace("http://", "https://")).reason is Reason.SOURCE_UNAVAILABLE


def test_an_answer_that_breaks_off(web: HttpServer, failure: Callable[..., RunError]) -> None:
    web.respond = lambda _: Answer(b'[{"a": 1}', length=100)
    error = failure(f"{web.url}/rows")
    assert error.reason is Reason.SOURCE_UNAVAILABLE


def test_an_answer_in_the_wrong_encoding(web: HttpServer, failure: Callable[..., RunError]) -> None:
    web.answer("no gzip", Content_Encoding="gzip")
    assert failure(f"{web.url}/rows").reason is Reason.DATA_INVALID


def test_an_answer_in_the_wrong_format(web: HttpServer, failure: Callable[..., RunError]) -> None:
    web.answer("<html>login</html>")
    for data_format, part in (("json", "line 1, column 1"), ("parquet", "no valid parquet")):
        error = failure(f"{web.url}/rows", format=data_format)
        assert error.reason is Reason.DATA_INVALID
        assert f"source 'answer': {web.url}/rows" in error.message
        assert part in error.message


def test_a_login_page_in_place_of_csv_is_one_column(web: HttpServer, read: Callable[..., Rows]) -> None:
    """CSV cannot tell: the table then lacks the columns that the report names, and that error names this one."""
    web.answer("<html>\nlogin\n")
    assert read(f"{web.url}/rows", format="csv") == [("login",)]


def test_scratch_files_go_when_it_fails(
    web: HttpServer, failure: Callable[..., RunError], workspace: Workspace
) -> None:
    web.answer("[1]")
    failure(f"{web.url}/rows")
    assert [path.name for path in workspace.data.rglob("*")] == ["tables"]


def test_asks_once(web: HttpServer, failure: Callable[..., RunError]) -> None:
    asked: list[Asked] = web.asked
    web.answer(status=503)
    failure(f"{web.url}/rows")
    assert [request.method for request in asked] == ["GET"]
