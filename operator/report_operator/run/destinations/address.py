"""Web addresses that authors write, into the spec or a Secret: looked at before anything is sent."""

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.sources import KeySelector
from report_operator.run.failure import RunError
from report_operator.run.mounts import place_of, secret_value
from report_operator.run.workspace import Workspace

_PORTS = 65_535


def web_address(url: str, field: str) -> str:
    """Return a URL that has a scheme and the name of a host; raises RunError(InvalidSpec) for another.

    `field` is what messages call it: the URL itself may hold a token.
    """
    try:
        parts = httpx.URL(url)
        parts.raw_host.decode().encode("idna")  # As the resolver will: it refuses labels that are empty or too long.
        named = bool(parts.host) and "%" not in parts.host
        is_usable = named and parts.scheme in ("http", "https") and (parts.port or 0) <= _PORTS
    except (httpx.InvalidURL, UnicodeError):
        is_usable = False
    if not is_usable:
        raise RunError(Reason.INVALID_SPEC, f"{field} is no web address: write it as https://HOST/PATH")
    return url


def secret_address(workspace: Workspace, selector: KeySelector) -> str:
    """Return the URL in a Secret; raises RunError as `secret_value` and `web_address`."""
    return web_address(secret_value(workspace, selector), place_of(selector))
