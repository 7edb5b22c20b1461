"""Which hosts and addresses are let through, however they are written."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.api.networks import NEVER, Reach, matches

PUBLIC = Reach("webhookNetworks")
INSIDE = Reach("webhookNetworks", tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.0/8", "::1/128", "fc00::/7"))))
STANDING_FOR_IPV4 = [
    ip_network(each) for each in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/96", "2002::/16")
]
EVERYTHING = Reach("webhookNetworks", tuple(map(ip_network, ("0.0.0.0/0", "::/0"))))


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.215.14", "2606:2800:21f:cb07::1"),
        *("64:ff9b::5db8:d70e", "64:ff9b:1::808:808", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"),
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert PUBLIC.refusal_of_address("hook.example.com", ip_address(address)) == ""


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "198.18.0.1"),
        *("::1", "fc00::1", "fd12::1", "2001:db8::1", "fec0::1", "feff::1", "::10.0.0.1", "64:ff9b:1:a00:0:100::"),
        *("::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::"),
    ],
)
def test_others_are_not(address: str) -> None:
    said = PUBLIC.refusal_of_address("hook.example.com", ip_address(address))
    assert said.startswith("webhookNetworks: hook.example.com has the address ")
    assert said.endswith("which is not public; allowed beside public addresses: none")


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "127.0.0.1", "::1", "fd12::1"),
        *("::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1"),
    ],
)
def test_a_network_lets_its_addresses_through(address: str) -> None:
    assert INSIDE.refusal_of_address("hook", ip_address(address)) == ""


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "0.0.0.0", "255.255.255.255"),
        *("fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "::", "ff02::1", "224.0.0.1"),
        *("::ffff:169.254.169.254", "::ffff:0:169.254.169.254", "2002:a9fe:a9fe::"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe"),
    ],
)
def test_metadata_and_link_local_are_never_allowed(address: str) -> None:
    assert "never allowed" in EVERYTHING.refusal_of_address("hook", ip_address(address))


@given(st.ip_addresses())
def test_what_is_let_through_is_public_or_in_an_allowed_network(address: IPv4Address | IPv6Address) -> None:
    if not PUBLIC.refusal_of_address("hook", address):
        meant = any(address in network for network in STANDING_FOR_IPV4 if network.version == address.version)
        assert meant or (address.is_global and (address.version == 4 or address in ip_network("2000::/3")))
    assert bool(EVERYTHING.refusal_of_address("hook", address)) >= any(address in network for network in NEVER)


@pytest.mark.parametrize("host", ["web", "localhost", "web.team-a.svc", "web.team-a.svc.cluster.local.", "2130706433"])
def test_names_within_the_cluster_are_known_before_they_are_resolved(host: str) -> None:
    assert "is a name within the cluster" in PUBLIC.refusal_of_host(host)
    assert INSIDE.refusal_of_host(host) == "", "the address decides"


def test_addresses_are_names_too() -> None:
    assert "10.0.0.5 is not public" in PUBLIC.refusal_of_host("10.0.0.5")
    assert "::1 is not public" in PUBLIC.refusal_of_host("[::1]")
    assert "169.254.169.254 is link-local" in EVERYTHING.refusal_of_host("169.254.169.254")
    assert PUBLIC.refusal_of_host("8.8.8.8") == ""


@pytest.mark.parametrize(
    ("name", "patterns", "allowed"),
    [
        ("example.com", ["*"], True),
        ("example.com", [], False),
        ("example.com", ["example.com"], True),
        ("hooks.example.com", ["example.com"], False),
        ("hooks.example.com", ["*.example.com"], True),
        ("a.b.example.com", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("notexample.com", ["*.example.com", "example.com"], False),
        ("example.com.evil.test", ["example.com", "*.example.com"], False),
    ],
)
def test_names_and_patterns(*, name: str, patterns: list[str], allowed: bool) -> None:
    assert matches(name, patterns) is allowed


def test_a_host_that_is_not_listed_is_named_with_those_that_are() -> None:
    reach = Reach("webhookNetworks", (), "webhookHosts", ("*.corp.example", "hooks.slack.com"))
    assert reach.refusal_of_host("Hooks.Slack.COM.") == ""
    assert reach.refusal_of_host("evil.test") == "webhookHosts: evil.test is none of *.corp.example, hooks.slack.com"
    nothing = Reach("webhookNetworks", (), "webhookHosts", ())
    assert nothing.refusal_of_host("evil.test") == "webhookHosts: evil.test is not allowed: no host is"
