"""Limits of control groups as both versions write them, and what it is called when they are reached."""

import errno
import os
from pathlib import Path

import pytest

from report_operator.api.conditions import Reason
from report_operator.run.limits import cpu_limit, exhausted, memory_limit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
CPUS = len(os.sched_getaffinity(0))
MEBI = 2**20


def write(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """Write files under `root/cgroup`, and `membership` beside it; return both places."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return root / "cgroup", root / "membership"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # v2 in a container: its own group is the root of the mount.
        ({"membership": "0::/", "cgroup/memory.max": f"{512 * MEBI}"}, 512 * MEBI),
        # v2 without a namespace: the path on the host does not exist in the container.
        ({"membership": "0::/kubepods/pod1/c1", "cgroup/memory.max": f"{256 * MEBI}"}, 256 * MEBI),
        # v2 on a machine: the limits of all groups around hold.
        (
            {
                "membership": "0::/user/session",
                "cgroup/user/memory.max": f"{300 * MEBI}",
                "cgroup/user/session/memory.max": f"{400 * MEBI}",
            },
            300 * MEBI,
        ),
        ({"membership": "0::/", "cgroup/memory.max": "max"}, MACHINE),
        # v1 in a container.
        ({"membership": "4:memory:/kubepods/c1", "cgroup/memory/memory.limit_in_bytes": f"{128 * MEBI}"}, 128 * MEBI),
        # v1 on a machine.
        (
            {
                "membership": "5:cpu,cpuacct:/\n4:memory:/outer/inner\n0::/",
                "cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "cgroup/memory/outer/inner/memory.limit_in_bytes": f"{64 * MEBI}",
            },
            64 * MEBI,
        ),
        ({"membership": "4:memory:/", "cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, MACHINE),
        ({"membership": "0::/", "cgroup/memory.max": f"{MACHINE * 2}"}, MACHINE),
        ({}, MACHINE),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert memory_limit(*write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"membership": "0::/", "cgroup/cpu.max": "50000 100000"}, 1),
        ({"membership": "0::/", "cgroup/cpu.max": "150000 100000"}, min(2, CPUS)),
        ({"membership": "0::/", "cgroup/cpu.max": "max 100000"}, CPUS),
        (
            {
                "membership": "5:cpu,cpuacct:/pod",
                "cgroup/cpu/cpu.cfs_quota_us": "100000",
                "cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (
            {
                "membership": "5:cpu,cpuacct:/",
                "cgroup/cpu/cpu.cfs_quota_us": "-1",
                "cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            CPUS,
        ),
        ({}, CPUS),
    ],
)
def test_cpu(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cpu_limit(*write(tmp_path, files)) == expected


def test_of_this_process() -> None:
    assert 0 < memory_limit() <= MACHINE
    assert 1 <= cpu_limit() <= CPUS


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), Reason.OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.DISK_FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Reason.DISK_FULL),
        (OSError(errno.EIO, "Input/output error"), None),
        (ValueError(), None),
    ],
)
def test_exhausted(error: Exception, reason: Reason | None) -> None:
    found = exhausted(error)
    assert (found and found.reason) == reason
