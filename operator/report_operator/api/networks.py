"""Which hosts a run may ask: names, networks, and addresses that are never asked, whatever anybody allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

ANY = "*"
"""In a list of what is allowed: all."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # "this host": Linux connects to itself (RFC 6890)
            "169.254.0.0/16",  # link-local; credentials of the node's cloud role at AWS, Azure, Google and others
            "100.100.100.200/32",  # metadata at Alibaba
            "168.63.129.16/32",  # the platform at Azure
            "192.0.0.192/32",  # metadata at Oracle
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "::/128",
            "fe80::/10",  # link-local
            "fd00:ec2::/32",  # metadata, and the credentials of pods, at AWS
            "fd20:ce::254/128",  # metadata at Google
            "fd00:42::42/128",  # metadata at Scaleway
            "ff00::/8",  # multicast
        ),
    )
)
"""Nobody serves reports there, and what answers there knows the credentials of nodes."""

_EMBEDDING = tuple(
    map(
        IPv6Network,
        (
            "64:ff9b::/96",  # by which IPv6-only networks reach IPv4 ones (NAT64, RFC 6052)
            "64:ff9b:1::/96",  # the same within a site (RFC 8215)
            "::ffff:0:0:0/96",  # IPv4-translated (SIIT, RFC 2765)
        ),
    )
)
"""Their last 32 bits are an IPv4 address."""
_UNICAST: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3"))
"""What may be public: of IPv6, IANA gives out nothing else (RFC 4291, section 2.4). `is_global` knows only the networks
that are registered as special, older versions of Python fewer, and none `fec0::/10`, once site-local (RFC 3879)."""
_INTERNAL = (".svc", ".cluster.local", ".localhost")


@dataclass(frozen=True)
class Reach:
    """Where requests of one sort may go: hosts by name, and what the names may lead to."""

    network_rule: str
    """What the rule about addresses is called."""
    networks: tuple[Network, ...] = ()
    """Networks beyond the public internet that are allowed."""
    host_rule: str = ""
    """What the rule about names is called."""
    hosts: tuple[str, ...] = (ANY,)
    """Names that are allowed, see `matches`."""

    def refusal_of_host(self, host: str) -> str:
        """Return why a host must not be asked, before its name is resolved; empty when that decides."""
        name = host.strip("[]").rstrip(".").lower()
        if not matches(name, self.hosts):
            listed = f"none of {', '.join(self.hosts)}" if self.hosts else "not allowed: no host is"
            return f"{self.host_rule}: {name} is {listed}"
        try:
            return self.refusal_of_address(name, ip_address(name))
        except ValueError:
            pass
        if not self.networks and is_internal(name):
            return f"{self.network_rule}: {name} is a name within the cluster, and no network there is allowed"
        return ""

    def refusal_of_address(self, host: str, address: Address) -> str:
        """Return why an address that a host has must not be connected to; empty when it may."""
        meant = _meant(address)
        what = str(address) if str(address) == host else f"{host} has the address {address}, which"
        if any(meant in network for network in NEVER):
            return f"{self.network_rule}: {what} is link-local, a cloud's metadata service or reserved: never allowed"
        if _is_public(meant) or any(meant in network for network in self.networks):
            return ""
        allowed = ", ".join(map(str, self.networks)) or "none"
        return f"{self.network_rule}: {what} is not public; allowed beside public addresses: {allowed}"


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a host or domain in small letters is among those allowed.

    `*` is any, `example.com` that name, `*.example.com` any below it.
    """
    return any(
        pattern in (ANY, name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


def is_internal(name: str) -> bool:
    """Return whether a name is certainly one within a cluster, or of the machine itself."""
    return "." not in name or name.endswith(_INTERNAL)


def _is_public(address: Address) -> bool:
    return address.is_global and any(address in network for network in _UNICAST)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
