"""What the destinations have in common that copy the files into a bucket."""

import contextlib
from urllib.parse import urlsplit

from report_operator.run import guard
from report_operator.run.destinations.package import Package

PART = 8 << 20
"""Bytes of a file that are in memory at the same time."""


def folder(prefix: str, package: Package) -> str:
    """Return the folder of a run's copies: the same each time, so that a repetition changes nothing."""
    request, prefix = package.request, prefix.strip("/")
    return f"{prefix}{'/' if prefix else ''}{request.namespace}/{request.name}/{request.run_id}"


def metadata(sha256: str, package: Package, separator: str = "-") -> dict[str, str]:
    """Return what is kept beside a copy; `separator` joins the words of a name."""
    return {"sha256": sha256, f"run{separator}id": package.request.run_id}


def check_endpoint(url: str | None, package: Package) -> None:
    """Check where the name in a URL leads; raises RunError(NotAllowedByPolicy).

    The vendors' libraries resolve it once more, so this cannot hold them to an address.
    """
    policy, host = package.request.policy, urlsplit(url or "").hostname
    if policy is not None and host:
        with contextlib.suppress(OSError, UnicodeError):  # No such name: the library says so.
            guard.addresses(host, policy.buckets, "")
