"""What a stage may use: memory and CPU of its control group, and the errors that say they are used up."""

import errno
import math
import os
from collections.abc import Iterator
from pathlib import Path

from report_operator.api.conditions import Reason
from report_operator.run.failure import RunError

CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("/proc/self/cgroup")

_NO_LIMIT = 1 << 60
"""cgroup v1 writes a number near 2^63 where there is no limit."""


def memory_limit(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """Return the bytes that this process may use: its cgroup's limit (v2 or v1), at most the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = [folder / "memory.max" for folder in _folders("", root, membership)]
    files += [folder / "memory.limit_in_bytes" for folder in _folders("memory", root, membership)]
    limits = [int(text) for text in map(_read, files) if text.isdigit()]
    return min([machine, *(limit for limit in limits if limit < _NO_LIMIT)])


def cpu_limit(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """Return the number of threads that can compute at once: cgroup quota rounded up, at most the usable CPUs."""
    quotas = [_read(folder / "cpu.max") for folder in _folders("", root, membership)]
    quotas += [
        f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        for folder in _folders("cpu", root, membership)
    ]
    pairs = [quota.split() for quota in quotas]
    cpus = [math.ceil(int(pair[0]) / int(pair[1])) for pair in pairs if len(pair) > 1 and pair[0].isdigit()]
    return max(1, min([len(os.sched_getaffinity(0)), *cpus]))


def exhausted(error: BaseException) -> RunError | None:
    """Return the failure that an error stands for when memory or disk is used up, otherwise None."""
    if isinstance(error, MemoryError):
        return RunError(Reason.OUT_OF_MEMORY, OUT_OF_MEMORY)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(Reason.DISK_FULL, DISK_FULL)
    return None


OUT_OF_MEMORY = (
    "the data does not fit into the memory limit:"
    " raise spec.run.resources.limits.memory, or let the query return fewer rows or columns"
)
DISK_FULL = "the run's scratch volume is full: let the queries return fewer rows or columns, or ask for a larger volume"


def _folders(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroup and of those around it; the limits of all of them hold.

    `controller` is a v1 controller, or "" for v2 (cgroups(7)). A container sees its own cgroup at the root of the
    mount, while /proc/self/cgroup may show the path on the host, which does not exist in here.
    """
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            base = root / controller
            own = base / path.lstrip("/")
            yield base
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(base))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
