"""HTTP connections to real servers on loopback: refused unless the policy allows it, whatever the name says."""

import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.policy import Policy
from report_operator.run import guard
from report_operator.run.failure import RunError
from tests.localcluster import certificates
from tests.run.conftest import Resolve
from tests.support import http_server
from tests.support.http_server import Answer, HttpServer
from tests.support.ports import free_ports

NAME = "hooks.example.com"
LOOPBACK = Policy.read({"webhookNetworks": ["127.0.0.1/32"]}).webhooks


def get(url: str, reach: Any = LOOPBACK, **more: Any) -> httpx.Response:
    with httpx.Client(transport=guard.transport(reach, "source 'x': ", **more), follow_redirects=True) as client:
        return client.get(url)


def refused(url: str, reach: Any = LOOPBACK) -> str:
    with pytest.raises(RunError) as raised:
        get(url, reach)
    assert raised.value.reason is Reason.NOT_ALLOWED_BY_POLICY
    return raised.value.message


def named(web: HttpServer, name: str = NAME) -> str:
    """Return the server's URL with another name."""
    return f"{web.url.partition('://')[0]}://{name}:{web.url.rpartition(':')[2]}"


def test_without_a_policy_nothing_is_limited() -> None:
    assert guard.transport(None, "") is None


def test_loopback_is_refused_unless_it_is_allowed(web: HttpServer) -> None:
    web.answer("here")
    assert refused(web.url, Policy().webhooks) == (
        "source 'x': not allowed by the platform team: webhookNetworks: 127.0.0.1 is not public; allowed beside public"
        " addresses: none; change the Report, or ask the platform team to change the rule (docs/policy.md)"
    )
    assert web.asked == []
    assert get(web.url).text == "here"


@pytest.mark.parametrize("spelling", ["127.1", "0x7f.1", "127.0.1"])
def test_other_spellings_of_an_address(web: HttpServer, spelling: str) -> None:
    """What the machine's own resolver makes of them."""
    web.answer("here")
    address = socket.getaddrinfo(spelling, None)[0][4][0]
    said = refused(named(web, spelling), Policy().webhooks)
    assert f"{spelling} has the address {address}, which is not public" in said
    assert web.asked == []


@pytest.mark.parametrize("name", ["localhost", "web.team-a.svc"])
def test_a_name_within_the_cluster_is_refused_unless_a_network_is_allowed(web: HttpServer, name: str) -> None:
    assert f"{name} is a name within the cluster" in refused(named(web, name), Policy().webhooks)
    assert web.asked == []


def test_localhost_is_let_through_with_its_network(web: HttpServer) -> None:
    web.answer("here")
    assert get(named(web, "localhost")).text == "here"


def test_a_name_that_leads_to_loopback_is_refused(web: HttpServer, resolve: Resolve) -> None:
    resolve(NAME, ["127.0.0.1"])
    assert f"{NAME} has the address 127.0.0.1, which is not public" in refused(named(web), Policy().webhooks)
    assert web.asked == []


def test_a_name_is_resolved_once_and_the_host_is_still_told(web: HttpServer, resolve: Resolve) -> None:
    web.answer("here")
    asked = resolve(NAME, ["127.0.0.1"])
    assert get(f"{named(web)}/x?y=1").text == "here"
    assert asked == [NAME], "a second answer could be another one"
    [request] = web.asked
    assert (request.path, request.headers["host"]) == ("/x?y=1", named(web).partition("//")[2])


def test_an_address_that_is_not_allowed_is_left_out(web: HttpServer, resolve: Resolve) -> None:
    with http_server.running("127.0.0.2", port=int(web.url.rpartition(":")[2])) as other:
        other.answer("there")
        resolve(NAME, ["127.0.0.2", "127.0.0.1"])
        web.answer("here")
        assert get(named(web)).text == "here"
        assert other.asked == []


def test_the_next_address_is_tried_when_one_takes_no_connection(web: HttpServer, resolve: Resolve) -> None:
    both = Policy.read({"webhookNetworks": ["127.0.0.0/8"]}).webhooks
    resolve(NAME, ["127.0.0.3", "127.0.0.1"])
    web.answer("here")
    assert get(named(web), both).text == "here"


def test_nobody_there_and_no_such_name(resolve: Resolve) -> None:
    with pytest.raises(httpx.ConnectError):
        get(f"http://127.0.0.1:{free_ports(1)[0]}/")
    with pytest.raises(UnicodeError):
        get(f"http://{'a' * 64}.example/")


def test_each_redirect_is_checked(web: HttpServer) -> None:
    with http_server.running("127.0.0.2") as other:
        web.respond = lambda _: Answer(status=302, headers={"Location": other.url})
        assert "127.0.0.2 is not public" in refused(web.url)
        assert (len(web.asked), other.asked) == (1, [])


def test_a_host_that_is_not_listed(web: HttpServer, resolve: Resolve) -> None:
    asked = resolve(NAME, ["127.0.0.1"])
    fields = {"webhookNetworks": ["127.0.0.1/32"], "webhookHosts": ["*.corp.example"]}
    assert f"webhookHosts: {NAME} is none of *.corp.example" in refused(named(web), Policy.read(fields).webhooks)
    assert asked == []


@pytest.mark.parametrize("reach", [LOOPBACK, None])
def test_the_certificate_is_of_the_name_and_not_of_the_address(tmp_path: Path, resolve: Resolve, reach: Any) -> None:
    certificates.authority(tmp_path)
    certificates.server(tmp_path, "server", [f"DNS:{NAME}"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    with http_server.running(tls=context) as web:
        web.answer("here")
        resolve(NAME, ["127.0.0.1"])
        resolve_other = "other.example.com"
        with httpx.Client(transport=guard.transport(reach, "", trust), verify=trust) as client:
            assert client.get(named(web)).text == "here"
            resolve(resolve_other, ["127.0.0.1"])
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                client.get(named(web, resolve_other))
