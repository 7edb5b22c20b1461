"""The first process of a node: prepares its namespaces, starts the daemons and buries the dead.

It runs as process 1 of a process namespace, in mount and network namespaces of its own, so that the
daemons see an ordinary machine, the machine sees none of their mounts, and all end with it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from . import api, daemons
from .command import PATH, run
from .layout import Layout, recorded

PAUSE_BEFORE_RESTART_SECONDS = 1.0
API_SERVER_PATIENCE_SECONDS = 300.0

# Written in the node's network namespace; they change nothing outside it.
SYSCTLS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/route_localnet": "1"}


def main(name: str, kubernetes: Path) -> None:
    layout = recorded(name)
    if layout is None:
        sys.exit(f"no cluster {name}")
    mount(layout)
    for key, value in SYSCTLS.items():
        Path("/proc/sys", key).write_text(value)
    commands = daemons.first(layout, kubernetes)
    running = {start(layout, part, commands[part]): part for part in commands}
    api.wait_until_ready(layout, API_SERVER_PATIENCE_SECONDS)
    later = daemons.second(layout, kubernetes)
    running |= {start(layout, part, later[part]): part for part in later}
    watch(layout, commands | later, running)


def mount(layout: Layout) -> None:
    """Give the daemons folders of their own at the places that they expect."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for place, own in {
        "/var/log": layout.log,
        "/var/lib/kubelet": layout.folder / "kubelet",
        "/var/lib/cni": layout.folder / "cni",
    }.items():
        Path(place).mkdir(exist_ok=True)
        run("mount", "--bind", own, place)
    # Often a link into the /run that was just covered. With the cluster's DNS an image that is not
    # loaded is "not found" at once instead of after a time-out.
    names = Path("/etc/resolv.conf").resolve()
    names.parent.mkdir(parents=True, exist_ok=True)
    if not names.exists():
        names.touch()
    run("mount", "--bind", layout.folder / "config/resolv.conf", names)


def start(layout: Layout, part: str, command: list[str]) -> int:
    """Start a daemon in a session of its own, its output added to log/PART.log; returns its pid."""
    log = str(layout.log / f"{part}.log")
    return os.posix_spawnp(
        command[0],
        command,
        # Nothing of the caller's environment: a proxy or a KUBECONFIG there is not meant for the node.
        {"PATH": PATH, "HOME": str(layout.folder)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def watch(layout: Layout, commands: dict[str, list[str]], running: dict[int, str]) -> None:
    """Reap orphans for ever, and start a daemon again when it ends."""
    while True:
        pid, status = os.wait()
        if part := running.pop(pid, None):
            print(f"{part} ended with {os.waitstatus_to_exitcode(status)}, starting it again", flush=True)
            time.sleep(PAUSE_BEFORE_RESTART_SECONDS)
            running[start(layout, part, commands[part])] = part


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
