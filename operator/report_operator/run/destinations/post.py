"""One HTTP POST, and what its end means for a delivery."""

import ssl
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from report_operator.api.networks import Reach
from report_operator.run import guard
from report_operator.run.destinations import retry_after
from report_operator.run.destinations.outcome import Failed, Outcome, Sent, Unknown

_TIMEOUT = httpx.Timeout(connect=10, read=30, write=30, pool=10)
"""Seconds; Standard Webhooks advises 15 to 30."""
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_SHOWN = 200
"""Characters of an answer that a message repeats."""


def client(trust: ssl.SSLContext, reach: Reach | None) -> httpx.Client:
    """Return a client that goes where it may, follows no redirect and makes a connection for each request.

    A connection that was kept may be closed by the server at any moment: nobody could tell whether it took the request.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    way = guard.transport(reach, "", trust)
    return httpx.Client(verify=trust, timeout=_TIMEOUT, limits=limits, transport=way, follow_redirects=False)


def post(sender: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """Send a body once. The URL may hold a token, so that messages name its origin only.

    What the server did not take for certain (no connection, an error status) has failed; when the connection ends
    without an answer after something was sent, nobody knows. Raises RunError(NotAllowedByPolicy).
    """
    try:
        place = _origin(url)
        answer = sender.post(url, content=body, headers=headers)
    except httpx.InvalidURL as error:
        return Failed(f"no valid URL: {error}")
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        return Failed(f"the request cannot be sent: {error}")
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return _unreachable(place, error)
    except httpx.TransportError as error:
        return Unknown(f"{place} got the request and did not answer: {_said(error)}")
    if answer.is_success:
        return Sent(f"HTTP {answer.status_code}")
    return _refusal(place, answer)


def reach(sender: httpx.Client, url: str) -> Outcome:
    """Ask for the head of a URL: any answer shows that a server is there. Raises RunError(NotAllowedByPolicy)."""
    try:
        place = _origin(url)
        answer = sender.head(url)
    except httpx.InvalidURL as error:
        return Failed(f"no valid URL: {error}")
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        return Failed(f"the request cannot be sent: {error}")
    except httpx.TransportError as error:
        return _unreachable(place, error)
    return Sent(f"HTTP {answer.status_code}")


def _refusal(place: str, answer: httpx.Response) -> Failed:
    status = answer.status_code
    said = f"{place} answered {status} {answer.reason_phrase}".strip()
    if answer.has_redirect_location:
        target = _origin(str(answer.url.join(answer.headers["Location"])))
        return Failed(f"{said}, a redirect to {target}: redirects are not followed, use the URL that it leads to")
    words = " ".join(answer.text[: _SHOWN * 4].split())[:_SHOWN]
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
    wait = retry_after.seconds(answer.headers.get("Retry-After"), datetime.now(UTC)) if passing else 0
    return Failed(f"{said}: {words}" if words else said, passing=passing, retry_after=wait)


def _unreachable(place: str, error: httpx.TransportError) -> Failed:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Failed(f"the certificate of {place} is not trusted: {_said(error)}; name its authority in caFrom")
    return Failed(f"{place} cannot be reached: {_said(error)}", passing=True, out_of_reach=True)


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
