"""Probes of real servers: what is found, what is left there, and what is not told."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from report_operator.api.policy import Policy
from report_operator.api.preflight import ORDER_VARIABLE, ProbeAnswer, ProbeOrder
from report_operator.api.relay import Access
from report_operator.api.run import TERMINATION_MESSAGE_LIMIT, Request
from report_operator.run.destinations.email import EmailChannel
from report_operator.run.preflight import probe
from report_operator.run.workspace import Workspace
from tests.run.conftest import Resolve
from tests.support import mail_server, relay
from tests.support.http_server import Answer, HttpServer
from tests.support.mail_server import HOST, PASSWORD, USERNAME, MailServer
from tests.support.ports import free_ports
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS

PutSecret = Callable[[str, str, str], dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from report_operator.run.preflight import main
from report_operator.run.workspace import Workspace
sys.exit(main(sys.argv[1], Workspace.under(Path(sys.argv[2]))))
"""


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


@pytest.fixture
def ask(order: Callable[..., Request], workspace: Workspace) -> Callable[..., list[str]]:
    """Probe destinations: `ask({"name": …, "webhook": {…}}, policy=…)`."""

    def of(*destinations: dict[str, Any], policy: Policy | None = None, access: Access | None = None) -> list[str]:
        request = order(destinations=list(destinations)).model_copy(update={"policy": policy})
        return probe(ProbeOrder(request=request, relay=access), workspace)

    return of


def mail(port: int, **server: Any) -> dict[str, Any]:
    way = {"host": HOST, "port": port, "encryption": "None"} | server
    return {"name": "mail", "email": {"server": way, "from": "reports@example.com"}}


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("status", [200, 401, 404, 405, 500])
def test_any_answer_of_a_web_server_is_an_answer(
    ask: Callable[..., list[str]], web: HttpServer, put_secret: PutSecret, status: int
) -> None:
    web.respond = lambda _: Answer(status=status)
    chat = {"name": "chat", "slack": {"urlFrom": put_secret("chat", "url", f"{web.url}/token")}}
    assert ask({"name": "hook", "webhook": {"url": f"{web.url}/hook"}}, chat) == []
    assert sorted((asked.method, asked.path) for asked in web.asked) == [("HEAD", "/hook"), ("HEAD", "/token")]


@pytest.mark.requirement("D9")
def test_each_destination_that_is_not_reached_is_named(
    ask: Callable[..., list[str]], web: HttpServer, put_secret: PutSecret
) -> None:
    nowhere, other = free_ports(2)
    web.answer()
    problems = ask(
        {"name": "good", "webhook": {"url": web.url}},
        {"name": "gone", "webhook": {"url": f"http://{HOST}:{nowhere}/secret-path"}},
        mail(other),
        {"name": "chat", "slack": {"urlFrom": {"secretKeyRef": {"name": "missing", "key": "url"}}}},
        {"name": "weak", "webhook": {"url": web.url, "signingSecretFrom": put_secret("weak", "key", "whsec_short")}},
    )
    assert len(problems) == 4
    gone, mailed, chat, weak = problems
    assert gone.startswith(f"Destination gone: http://{HOST}:{nowhere} cannot be reached")
    assert "secret-path" not in gone
    assert mailed.startswith(f"Destination mail: {HOST}:{other} cannot be reached")
    assert "Destination chat: " in chat
    assert "'missing'" in chat
    assert "is no signing secret" in weak


def test_what_nobody_has_thought_of_hides_no_other_problem(
    ask: Callable[..., list[str]], web: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of our own, which has to be made for the test."""

    def fail(_: EmailChannel) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(EmailChannel, "probe", fail)
    fault, gone = ask(mail(25), {"name": "gone", "webhook": {"url": "https://hooks..example.com"}})
    assert fault == ("Destination mail: a fault of report-operator; the traceback is in the log of the probe's pod")
    assert gone.startswith("Destination gone: webhook.url is no web address")


def test_the_policy_holds_for_probes(ask: Callable[..., list[str]], web: HttpServer) -> None:
    web.answer()
    [problem] = ask({"name": "hook", "webhook": {"url": web.url}}, policy=Policy())
    assert "not allowed by the platform team: webhookNetworks" in problem
    assert web.asked == []


def test_the_policy_holds_for_the_name_of_a_bucket(
    ask: Callable[..., list[str]], web: HttpServer, put_secret: PutSecret, resolve: Resolve
) -> None:
    resolve("s3.author.example", ["93.184.215.14"])
    resolve("lake.s3.author.example", ["127.0.0.1"])
    key = {"idFrom": put_secret("lake", "id", "a"), "secretFrom": put_secret("lake", "secret", "b")}
    s3 = {"bucket": "lake", "endpoint": f"http://s3.author.example:{web.url.rpartition(':')[2]}", "accessKey": key}
    [problem] = ask({"name": "lake", "s3": s3}, policy=Policy())
    assert "bucketNetworks: lake.s3.author.example has the address 127.0.0.1" in problem
    assert web.asked == []


@pytest.mark.requirement("D9")
@pytest.mark.parametrize(("password", "says"), [(PASSWORD, ""), ("wrong-p4ssword", "refuses the login: 535")])
def test_a_mail_server_is_asked_to_let_us_in_and_gets_no_mail(
    *, ask: Callable[..., list[str]], put_secret: PutSecret, tmp_path: Path, password: str, says: str
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    with mail_server.running(folder, start_tls=True, login=True) as server:
        login = {
            "usernameFrom": put_secret("relay", "username", USERNAME),
            "passwordFrom": put_secret("relay", "password", password),
        }
        trusted = {"caFrom": put_secret("relay", "ca.crt", (folder / "ca.crt").read_text())}
        problems = ask(mail(server.port, encryption="StartTLS", login=login, **trusted))
        assert [says in problem for problem in problems] == ([True] if says else [])
        assert (len(server.logins) in (1, 2), server.mails) == (True, [])


def test_the_platform_s_relay_is_there(ask: Callable[..., list[str]], mails: MailServer) -> None:
    wanted = {"name": "mail", "email": {}}
    with relay.running(mails.port) as there:
        access = Access(host=HOST, port=there.server_address[1], sender=relay.SENDER, username="", password="")
        assert ask(wanted, access=access) == []
    [problem] = ask(wanted, access=access)
    assert "cannot be reached" in problem


@pytest.mark.requirement("D9")
def test_a_bucket_takes_a_marker_and_keeps_nothing(
    ask: Callable[..., list[str]], put_secret: PutSecret, store: SeaweedFS
) -> None:
    def bucket(name: str, secret: str) -> dict[str, Any]:
        key = {"idFrom": put_secret(name, "id", ACCESS_KEY), "secretFrom": put_secret(name, "secret", secret)}
        s3 = {"bucket": BUCKET, "prefix": "probes", "endpoint": store.endpoint, "pathStyle": True, "accessKey": key}
        return {"name": name, "s3": s3}

    assert ask(bucket("lake", SECRET_KEY)) == []
    [problem] = ask(bucket("shut", "another-secret"))
    assert problem.startswith(f"Destination shut: s3://{BUCKET} refuses a file: 403")
    assert store.keys("probes") == []


def process(request: Request, workspace: Workspace) -> subprocess.CompletedProcess[str]:
    """Run a probe as its container does."""
    wanted = ProbeOrder(request=request).model_dump_json(by_alias=True, exclude_none=True)
    command = [sys.executable, "-c", PROGRAM, wanted, str(workspace.request.parent)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator"), ORDER_VARIABLE: wanted}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_the_process_tells_what_it_found_without_secrets(
    order: Callable[..., Request], workspace: Workspace, put_secret: PutSecret
) -> None:
    url = f"http://{HOST}:{free_ports(1)[0]}/a-token-of-a-chat"
    chat = {"name": "chat", "slack": {"urlFrom": put_secret("chat", "url", url)}}
    done = process(order(destinations=[chat]), workspace)
    [problem] = ProbeAnswer.model_validate_json(workspace.termination_log.read_bytes()).problems
    assert problem.startswith("Destination chat: ")
    assert "a-token-of-a-chat" not in problem + done.stdout + done.stderr
    assert [json.loads(line)["level"] for line in done.stdout.splitlines()] == ["warning"]


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("count", [1, 3])
def test_an_answer_fits_into_what_the_kubelet_keeps(
    order: Callable[..., Request], workspace: Workspace, web: HttpServer, put_secret: PutSecret, count: int
) -> None:
    """A store that says no at length, in a script with three bytes for each character."""
    said = "\N{CJK UNIFIED IDEOGRAPH-7981}" * 3000
    web.respond = lambda _: Answer(f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>".encode(), 403)
    key = {"idFrom": put_secret("lake", "id", ACCESS_KEY), "secretFrom": put_secret("lake", "secret", SECRET_KEY)}
    s3 = {"bucket": "lake", "endpoint": web.url, "pathStyle": True, "accessKey": key}
    process(order(destinations=[{"name": f"lake-{n}", "s3": s3} for n in range(count)]), workspace)
    content = workspace.termination_log.read_bytes()
    assert len(content) <= TERMINATION_MESSAGE_LIMIT
    problems = ProbeAnswer.model_validate_json(content).problems
    beginnings = [f"Destination lake-{n}: s3://lake refuses a file: 403 AccessDenied {said[:50]}" for n in range(count)]
    assert [each.startswith(beginning) for each, beginning in zip(problems, beginnings, strict=True)] == [True] * count
