"""One HTTP POST, and what its end means for a delivery."""

import ssl
from collections.abc import Callable
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
_BEHIND = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
"""What a gateway says that has passed the request on and got no answer that it understands, or none in time
(RFC 9110, 15.6.3 and 15.6.5): the server behind it may have taken the request."""
_SHOWN = 200
"""Characters of an answer that a message repeats."""
_READ = 65_536
"""Bytes of an answer, at most, that has something to say."""
_LOCATION = "location"
"""Extension of an answer: where it redirects to, as it was written."""

Redact = Callable[[str], str]
"""Takes credentials out of a text."""


def client(trust: ssl.SSLContext, reach: Reach | None) -> httpx.Client:
    """Return a client that goes where it may, follows no redirect and makes a connection for each request.

    A connection that was kept may be closed by the server at any moment: nobody could tell whether it took the request.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    way = guard.transport(reach, "", trust)
    hooks = {"response": [_set_redirect_aside]}
    return httpx.Client(
        verify=trust, timeout=_TIMEOUT, limits=limits, transport=way, event_hooks=hooks, follow_redirects=False
    )


def post(
    sender: httpx.Client, url: str, body: bytes, headers: dict[str, str], redact: Redact, *, has_id: bool
) -> Outcome:
    """Send a body once, to a URL as `web_address` returns it. It may hold a token: messages name its origin only.

    What the server did not take for certain (no connection, an error status) has failed; when the connection ends
    without an answer after something was sent, nobody knows. A gateway does not know either, but a body that `has_id`
    can be sent again, because the receiver tells repetitions. Raises RunError(NotAllowedByPolicy).
    """
    place = _origin(url)
    try:
        with sender.stream("POST", url, content=body, headers=headers) as answer:
            if answer.is_success:
                return Sent(f"HTTP {answer.status_code}")
            refusal = _refusal(place, answer, redact)
            return Unknown(refusal.message) if answer.status_code in _BEHIND and not has_id else refusal
    except httpx.LocalProtocolError as error:
        return Failed(f"the request cannot be sent: {error}")
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return _unreachable(place, error)
    except httpx.TransportError as error:
        return Unknown(f"{place} got the request and did not answer: {_said(error)}")


def reach(sender: httpx.Client, url: str) -> Outcome:
    """Ask for the head of a URL: any answer shows that a server is there. Raises RunError(NotAllowedByPolicy)."""
    place = _origin(url)
    try:
        with sender.stream("HEAD", url) as answer:
            return Sent(f"HTTP {answer.status_code}")
    except httpx.LocalProtocolError as error:
        return Failed(f"the request cannot be sent: {error}")
    except httpx.TransportError as error:
        return _unreachable(place, error)


def _set_redirect_aside(answer: httpx.Response) -> None:
    """Take the Location out of an answer: httpx makes a request of each, and loses the answer when it is no URL."""
    if answer.has_redirect_location:
        answer.extensions[_LOCATION] = answer.headers.pop("Location")


def _refusal(place: str, answer: httpx.Response, redact: Redact) -> Failed:
    status = answer.status_code
    said = f"{place} answered {status} {answer.reason_phrase}".strip()
    if _LOCATION in answer.extensions:
        return Failed(f"{said}, {_redirect(answer.url, answer.extensions[_LOCATION])}")
    words = " ".join(redact(_text(answer)).split())[:_SHOWN]
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
    wait = retry_after.seconds(answer.headers.get("Retry-After"), datetime.now(UTC)) if passing else 0
    return Failed(f"{said}: {words}" if words else said, passing=passing, retry_after=wait)


def _text(answer: httpx.Response) -> str:
    """Return the text of an answer, whole, as a part of a secret is not known for one; empty when it is none."""
    content = b""
    if "Content-Encoding" in answer.headers:
        return ""
    try:
        for piece in answer.iter_raw():
            content += piece
            if len(content) > _READ:
                return ""
    except httpx.TransportError:
        return ""
    return content.decode("utf-8", "replace")


def _unreachable(place: str, error: httpx.TransportError) -> Failed:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Failed(f"the certificate of {place} is not trusted: {_said(error)}; name its authority in caFrom")
    return Failed(f"{place} cannot be reached: {_said(error)}", passing=True, out_of_reach=True)


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


def _redirect(asked: httpx.URL, location: str) -> str:
    """Return where a redirect leads, and the way out."""
    try:
        target = asked.join(location)
    except (httpx.InvalidURL, ValueError):
        target = httpx.URL()
    if not target.host:
        return "a redirect to what is no web address: use the URL that its server's documentation names"
    return f"a redirect to {_origin(str(target))}: redirects are not followed, use the URL that it leads to"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
