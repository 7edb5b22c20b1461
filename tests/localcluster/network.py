"""The node's network namespace and the cable (a veth pair) that joins it to the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .addresses import Addresses
from .command import run


def connect(namespace: str, addresses: Addresses) -> None:
    """Make the network namespace, and routes from the machine to the cluster's pods and Services."""
    cable, node_end = addresses.interface, "eth0"
    run("ip", "netns", "add", namespace)
    run("ip", "link", "add", cable, "type", "veth", "peer", "name", node_end, "netns", namespace)
    run("ip", "address", "add", f"{addresses.host}/{addresses.link.prefixlen}", "dev", cable)
    run("ip", "link", "set", cable, "up")
    inside = ("ip", "-netns", namespace)
    run(*inside, "address", "add", f"{addresses.node}/{addresses.link.prefixlen}", "dev", node_end)
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "set", node_end, "up")
    run(*inside, "route", "add", "default", "via", str(addresses.host))
    for network in (addresses.pods, addresses.services):
        run("ip", "route", "add", str(network), "via", str(addresses.node))


def disconnect(namespace: str, addresses: Addresses) -> None:
    """Undo `connect`, also when it did only a part. The routes go with the cable."""
    for command in (("link", "delete", addresses.interface), ("netns", "delete", namespace)):
        subprocess.run(("ip", *command), stderr=subprocess.DEVNULL, check=False)


def taken(addresses: Addresses) -> bool:
    return Path("/sys/class/net", addresses.interface).exists()
