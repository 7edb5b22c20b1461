"""The store as a run sees it: signed requests, tried again after passing errors."""

import logging
import random
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.run import Links, SignedRequest
from report_operator.run.failure import RunError
from report_operator.run.links import LinksFile
from report_operator.run.redaction import Redactor

ATTEMPTS = 24
"""Tries of one request, in 80 to 160 s: the store may be away for a minute. The Job's attempts come on top."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
"""Seconds between two tries, at most: half of it to all of it, doubled each time."""
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_ERROR_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_PASSING_STATUS = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,  # ConditionalRequestConflict: two conditional writes at once.
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_PASSING_CODES = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown")
"""Codes of S3 (API reference, "Error responses") that come with HTTP 400 or 503 and another try mends."""
_IS_THERE = (HTTPStatus.PRECONDITION_FAILED, "BlobAlreadyExists")
"""How S3 and GCS, and Azure with HTTP 409, answer a conditional write of what is there."""

Content = Callable[[], bytes | Iterable[bytes]]
"""Makes the body of a request anew for each try."""
Way = Callable[[Links], SignedRequest]
"""Finds the signed request among the links that are valid when it is made."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """A request, and which answers it may get beside a success."""

    name: str
    way: Way
    content: Content = bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: Collection[int | str] = ()
    """HTTP statuses, and codes in the answers' bodies."""


class Store:
    """Makes signed requests. A context manager; safe for threads.

    Every method may raise RunError: StoreUnavailable, StoreRefused. `name` is for messages.
    """

    def __init__(self, links: LinksFile) -> None:
        self._links = links
        authorities = links.read().authorities
        trust = ssl.create_default_context(cadata=authorities) if authorities else httpx.create_ssl_context()
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, verify=trust)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, name: str, way: Way, content: Content, headers: Mapping[str, str]) -> str:
        """Send content; return the answer's ETag, empty without one."""
        tag: str = self._send(_Call(name, way, content, headers)).headers.get("ETag", "")
        return tag

    def create(self, name: str, way: Way, content: bytes) -> bool:
        """Upload if there is no such object, and return whether there was none.

        The answer is False, too, when an earlier try has made it and its answer was lost.
        """
        headers = {"Content-Type": "application/json"}
        return self._send(_Call(name, way, lambda: content, headers, _IS_THERE)).is_success

    def get(self, name: str, url: Callable[[Links], str], headers: Mapping[str, str] | None = None) -> bytes | None:
        """Return an object, or None when there is none; `headers` may ask for a range of it."""
        way = _bare("GET", url)
        answer = self._send(_Call(name, way, headers=headers or {}, expected={HTTPStatus.NOT_FOUND}))
        return answer.content if answer.is_success else None

    def delete(self, name: str, url: Callable[[Links], str]) -> None:
        """Delete an object; no matter whether there is one."""
        self._send(_Call(name, _bare("DELETE", url), expected={HTTPStatus.NOT_FOUND}))

    def _send(self, call: _Call) -> httpx.Response:
        """Return the first answer that is a success or expected."""
        for attempt in range(ATTEMPTS):
            found = self._try(call)
            if isinstance(found, httpx.Response):
                return found
            _log.warning("%s: %s (try %d of %d)", call.name, found, attempt + 1, ATTEMPTS)
            if attempt < ATTEMPTS - 1:
                time.sleep(random.uniform(0.5, 1) * _longest_wait(attempt))  # noqa: S311
        raise RunError(Reason.STORE_UNAVAILABLE, f"{call.name}: {ATTEMPTS} tries in vain: {found}")

    def _try(self, call: _Call) -> httpx.Response | str:
        """Return the answer, or why the request has to be made again. Raises RunError when it is refused."""
        links = self._links.read()
        request = call.way(links)
        origin, headers = _origin(httpx.URL(request.url)), {**request.headers, **call.headers}
        try:
            answer = self._client.request(request.method, request.url, headers=headers, content=call.content())
        except httpx.TransportError as error:
            return f"the store at {origin} does not answer: {Redactor()(str(error)) or type(error).__name__}"
        code = _error_code(request, answer)
        if (answer.is_success and not code) or answer.status_code in call.expected or code in call.expected:
            return answer
        said = f"HTTP {answer.status_code} {code}".rstrip()
        passing = answer.is_server_error or answer.status_code in _PASSING_STATUS or code in _PASSING_CODES
        if passing or answer.is_success:
            return f"the store at {origin} answers {said}"
        if links.expires_at <= datetime.now(UTC):
            return f"the store at {origin} answers {said}: the link has expired, a new one from the operator is awaited"
        raise RunError(Reason.STORE_REFUSED, f"the store at {origin} refuses {call.name}: {said}")


def _longest_wait(attempt: int) -> float:
    """Return the seconds after a try, counted from 0."""
    return min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT)


def _bare(method: Literal["GET", "DELETE"], url: Callable[[Links], str]) -> Way:
    return lambda links: SignedRequest(method=method, url=url(links))


def _error_code(request: SignedRequest, answer: httpx.Response) -> str:
    """Return the code in an error's body; empty when there is none.

    S3 answers the completion of an upload, which may take minutes, with HTTP 200 before it knows how it ends
    (API reference, CompleteMultipartUpload).
    """
    if answer.is_success and request.method != "POST":
        return ""
    found = _ERROR_CODE.search(answer.text.strip()[:2000])
    return found[1] if found else ""


def _origin(url: httpx.URL) -> str:
    """Return scheme, host and port of a link; the rest of it is a signature."""
    return f"{url.scheme}://{url.netloc.decode()}"
