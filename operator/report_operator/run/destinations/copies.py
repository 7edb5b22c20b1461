"""What the destinations have in common that copy the files into a bucket."""

import contextlib
import re

from report_operator.api.conditions import Reason
from report_operator.run import guard
from report_operator.run.destinations.address import web_address
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError

PART = 8 << 20
"""Bytes of a file that are in memory at the same time."""
_PLAIN = re.compile(r"https?://(?P<host>[-\w.]+|\[[0-9a-f:.]+\])(?::[0-9]*)?(?:[/?#]|$)", re.ASCII | re.IGNORECASE)
"""A URL without a user, and without a backslash, which some take for the end of the host."""


def folder(prefix: str, package: Package) -> str:
    """Return the folder of a run's copies: the same each time, so that a repetition changes nothing."""
    request, prefix = package.request, prefix.strip("/")
    return f"{prefix}{'/' if prefix else ''}{request.namespace}/{request.name}/{request.run_id}"


def metadata(sha256: str, package: Package, separator: str = "-") -> dict[str, str]:
    """Return what is kept beside a copy; `separator` joins the words of a name."""
    return {"sha256": sha256, f"run{separator}id": package.request.run_id}


def check_endpoint(url: str, field: str, package: Package) -> None:
    """Check that a URL is one, and where the name in it leads; raises RunError(InvalidSpec, NotAllowedByPolicy).

    `field` is what messages call it. The vendors' libraries read the URL and resolve the name once more, so it may have
    nothing that they could read in another way, and this cannot hold them to an address.
    """
    web_address(url, field)
    plain = _PLAIN.match(url)
    if plain is None:
        raise RunError(Reason.INVALID_SPEC, f"{field} is no address of a store: write it as https://HOST")
    policy = package.request.policy
    if policy is not None:
        with contextlib.suppress(OSError):  # No such name: the library says so.
            guard.addresses(plain["host"].strip("[]"), policy.buckets, "")
