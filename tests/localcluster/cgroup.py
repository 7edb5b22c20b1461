"""A cluster's control groups: the kernel's own list of what belongs to it.

All that a node starts, down to the last container, is born into the cluster's groups. So they tell
without any pid file whether the cluster runs, and what has to end with it.

Both layouts are handled: version 1 (one tree per controller) and version 2 (one tree).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from .errors import LocalClusterError

MOUNT = Path("/sys/fs/cgroup")
PATIENCE_SECONDS = 20.0


def path_of(name: str) -> str:
    """The group of cluster `name` inside each tree; kubelet's `cgroupRoot`."""
    return f"/localcluster/{name}"


def create(name: str) -> None:
    for tree in _trees():
        group = tree
        # The processes live in a leaf: version 2 allows none beside child groups.
        for part in (*path_of(name).strip("/").split("/"), "node"):
            _hand_down_controllers(group)
            group = group / part
            group.mkdir(exist_ok=True)
            _hand_down_cpus(group)


def inside(name: str, command: list[str]) -> list[str]:
    """A command line that starts `command` as a member of the groups of cluster `name`."""
    members = [str(group / "node" / "cgroup.procs") for group in _groups(name)]
    join = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit; shift; done; shift; exec "$@"'
    return ["sh", "-c", join, "join", *members, "--", *command]


def populated(name: str) -> bool:
    return any(_pids(group) for group in _groups(name))


def kill(name: str) -> None:
    """End all processes of the cluster at once and remove its groups."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while pids := {pid for group in _groups(name) for pid in _pids(group)}:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LocalClusterError(f"processes of cluster {name} do not end: {sorted(pids)}")
        time.sleep(0.02)
    for group in _groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder), deadline)


def _trees() -> list[Path]:
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    fields = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    # Beside version 1 there is often an empty version 2 tree, in which runc makes groups as well.
    return [Path(field[1]) for field in fields if field[2] in ("cgroup", "cgroup2")]


def _groups(name: str) -> list[Path]:
    paths = (tree / path_of(name).strip("/") for tree in _trees())
    return [path for path in paths if path.exists()]


def _hand_down_controllers(group: Path) -> None:
    """Version 2: a child has only the controllers that its parent hands down."""
    control = group / "cgroup.subtree_control"
    if control.exists():
        offered = (group / "cgroup.controllers").read_text().split()
        wanted = [name for name in ("cpuset", "cpu", "io", "memory", "hugetlb", "pids") if name in offered]
        control.write_text(" ".join(f"+{name}" for name in wanted))


def _hand_down_cpus(group: Path) -> None:
    """Version 1: a group accepts no process before it is told its processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = group / name
        if file.exists() and not (group / "cgroup.subtree_control").exists():
            file.write_text((group.parent / name).read_text())


def _pids(group: Path) -> set[int]:
    found: set[int] = set()
    for folder, _, _ in os.walk(group):
        try:
            found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
        except FileNotFoundError:  # the group went meanwhile
            continue
    return found


def _remove(group: Path, deadline: float) -> None:
    while True:
        try:
            return group.rmdir()
        except FileNotFoundError:
            return None
        except OSError:  # busy for the instant in which the last process is being buried
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
