"""The address plan: every cluster of a machine has its own number, and from it all its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

CLUSTERS_AT_MOST = 16


@dataclass(frozen=True)
class Addresses:
    """Addresses of cluster `number` (0 to 15). No two numbers share one."""

    number: int

    @property
    def link(self) -> IPv4Network:
        """The two ends of the cable between the machine and the node."""
        return IPv4Network(f"10.99.{self.number}.0/30")

    @property
    def host(self) -> IPv4Address:
        """The machine, as pods see it."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node, as the machine and the pods see it: API server, DNS and NodePorts."""
        return self.link[2]

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"10.98.{16 * self.number}.0/20")

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(f"10.97.{16 * self.number}.0/20")

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The address of Service default/kubernetes: the first of the range."""
        return self.services[1]

    @property
    def interface(self) -> str:
        """The machine's end of the cable (at most 15 characters)."""
        return f"localcluster{self.number}"
