"""Where a cluster keeps its things, and what its parts are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from .addresses import Addresses
from .errors import LocalClusterError

CLUSTERS = Path("/var/lib/localcluster")
TEMPLATES = Path(__file__).resolve().parent / "config"
NAME_RULE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """Cluster `name`, with `addresses` by its number."""

    name: str
    addresses: Addresses

    @property
    def folder(self) -> Path:
        return folder_of(self.name)

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.kubeconfig"

    @property
    def node_name(self) -> str:
        """As kind would call it."""
        return f"{self.name}-control-plane"

    @property
    def namespace(self) -> str:
        """The network namespace's name."""
        return f"localcluster-{self.name}"

    def rendered(self, template: str, **values: object) -> str:
        """The text of config/TEMPLATE with this cluster's names and addresses and `values` put in."""
        own = {
            "folder": self.folder,
            "name": self.name,
            "node": self.addresses.node,
            "node_name": self.node_name,
            "pods": self.addresses.pods,
        }
        return Template((TEMPLATES / template).read_text()).substitute(own | values)


def folder_of(name: str) -> Path:
    """The folder of cluster `name`. Raises LocalClusterError on a name that kind would refuse, or too long."""
    if not NAME_RULE.fullmatch(name):
        raise LocalClusterError(
            f"cluster name {name!r}: use at most 40 lower-case letters, digits and dashes, with no dash at the ends"
        )
    return CLUSTERS / name


def recorded(name: str) -> Layout | None:
    """The cluster of that name, alive or dead, or None when there is no trace of one."""
    try:
        number = int((folder_of(name) / "number").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Layout(name, Addresses(number))
