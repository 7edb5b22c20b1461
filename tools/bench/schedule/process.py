"""What a process of this machine uses, as the kernel counts it."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_USER_TIME, _SYSTEM_TIME = 11, 12
"""Fields 14 and 15 of proc_pid_stat(5), counted from the state, which is field 3."""


@dataclass(frozen=True)
class Usage:
    """What a process has used until now."""

    cpu_seconds: float
    memory_mib: int
    """Resident now."""
    peak_mib: int
    """Resident at most, since the process began."""

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Ask the kernel."""
        folder = Path(f"/proc/{pid}")
        times = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        sizes = dict(line.split(":") for line in folder.joinpath("status").read_text().splitlines())
        return cls(
            cpu_seconds=(int(times[_USER_TIME]) + int(times[_SYSTEM_TIME])) / _TICKS_PER_SECOND,
            memory_mib=int(sizes["VmRSS"].split()[0]) >> 10,
            peak_mib=int(sizes["VmHWM"].split()[0]) >> 10,
        )
