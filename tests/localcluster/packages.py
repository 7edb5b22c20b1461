"""Programs from Debian's packages, installed when they are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .command import PATH, run
from .errors import LocalClusterError
from .progress import step

CNI_PLUGINS = Path("/usr/lib/cni")

PACKAGE_OF = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "openssl": "openssl",
    "pip3": "python3-pip",
    "runc": "runc",
    "unshare": "util-linux",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
}


def require(*programs: str) -> None:
    """Install the Debian packages of those `programs` that are missing.

    Raises LocalClusterError when that takes root or another system than Debian.
    """
    missing = sorted({PACKAGE_OF[program] for program in programs if not shutil.which(program, path=PATH)})
    if not missing:
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise LocalClusterError(f"missing packages, and no apt-get here to install them: {names}")
    if os.geteuid() != 0:
        raise LocalClusterError(f"missing packages; as root: apt-get install --no-install-recommends {names}")
    with step(f"apt-get install {names}"):
        _install(missing)


def _install(missing: list[str]) -> None:
    install = ("apt-get", "install", "--yes", "--no-install-recommends", *missing)
    # The clusters start a containerd of their own: the package's service must not run as well.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_OFFLINE": "1"}
    try:
        run(*install, env=quiet)
    except LocalClusterError:  # most often because the package lists are missing or old
        run("apt-get", "update", env=quiet)
        run(*install, env=quiet)
    if "containerd" in missing and shutil.which("systemctl"):
        run("systemctl", "disable", "containerd", env=quiet)
