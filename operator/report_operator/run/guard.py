"""HTTP connections that go only where the platform team's policy lets them.

A name is resolved once, its addresses are checked, and the connection is made to an address that passed: were the name
resolved again for the connection, it could lead elsewhere by then (DNS rebinding).
"""

import socket
import ssl
from ipaddress import ip_address

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.networks import Address, Reach
from report_operator.api.policy import ASK
from report_operator.run.failure import RunError


def transport(reach: Reach | None, place: str, verify: ssl.SSLContext | bool = True) -> httpx.HTTPTransport | None:
    """Return what makes the connections of a client: httpx's own way (None) where nothing is limited.

    `place` is what messages say before the rule.
    """
    return None if reach is None else GuardedTransport(reach, place, verify)


class GuardedTransport(httpx.HTTPTransport):
    """Connects to hosts and addresses within reach, each time anew; raises RunError(NotAllowedByPolicy) for others.

    As httpx's own way it raises UnicodeError for what can be no name of a host.

    It goes there directly: a proxy would resolve the name by itself. No connection is used twice, as those to two hosts
    of one address look alike from here.
    """

    def __init__(self, reach: Reach, place: str, verify: ssl.SSLContext | bool) -> None:
        super().__init__(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))
        self._reach = reach
        self._place = place

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that takes the connection."""
        host = request.url.raw_host.decode("ascii")
        *others, last = self._addresses(host, request)
        for address in others:
            try:
                return super().handle_request(_directed(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # Nothing was sent.
        return super().handle_request(_directed(request, host, last))

    def _addresses(self, host: str, request: httpx.Request) -> list[Address]:
        try:
            return addresses(host, self._reach, self._place)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error


def addresses(host: str, reach: Reach, place: str) -> list[Address]:
    """Return the addresses of a host that may be connected to, at least one.

    Raises RunError(NotAllowedByPolicy), or OSError or UnicodeError when the name cannot be resolved. `place` is what
    messages say before the rule.
    """
    refusal = reach.refusal_of_host(host)
    if refusal:
        raise _error(place, refusal)
    found = dict.fromkeys(ip_address(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    refusals = {address: reach.refusal_of_address(host, address) for address in found}
    allowed = [address for address, refused in refusals.items() if not refused]
    if not allowed:
        raise _error(place, next(iter(refusals.values())))
    return allowed


def _error(place: str, refusal: str) -> RunError:
    return RunError(Reason.NOT_ALLOWED_BY_POLICY, f"{place}not allowed by the platform team: {refusal}; {ASK}")


def _directed(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    """Return the request to an address; TLS and the header Host still name the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
