"""The store as a run sees it: presigned links, tried again after passing errors."""

import logging
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.run import SignedRequest
from report_operator.run.failure import RunError
from report_operator.run.redaction import Redactor

ATTEMPTS = 15
"""Tries of one request: about a minute. The Job's attempts come on top."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
"""Seconds between two tries, at most: half of it to all of it, doubled each time."""
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_ERROR_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_PASSING_STATUS = (
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.CONFLICT,  # ConditionalRequestConflict: two conditional writes at once.
    httpx.codes.TOO_EARLY,
    httpx.codes.TOO_MANY_REQUESTS,
)
_PASSING_CODES = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown")
"""Codes of S3 (API reference, "Error responses") that come with HTTP 400 or 503 and another try mends."""

Content = Callable[[], bytes | Iterable[bytes]]
"""Makes the body of a request anew for each try."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """A request, and which answers it may get beside a success."""

    method: str
    name: str
    link: str
    content: Content = bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: Collection[int] = ()


class Store:
    """Sends requests to presigned links. A context manager; safe for threads."""

    def __init__(self) -> None:
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def put(self, name: str, link: SignedRequest, content: Content, headers: Mapping[str, str]) -> None:
        """Upload; raises RunError: StoreUnavailable, StoreRefused. `name` is for messages."""
        self._send(_Call(link.method, name, link.url, content, {**link.headers, **headers}))

    def create(self, name: str, link: SignedRequest, content: bytes) -> bool:
        """Upload if there is no such object, and return whether there was none. Raises as `put`.

        The answer is False, too, when an earlier try has made it and its answer was lost.
        """
        headers = {**link.headers, "Content-Type": "application/json"}
        call = _Call(link.method, name, link.url, lambda: content, headers, {httpx.codes.PRECONDITION_FAILED})
        return self._send(call).is_success

    def get(self, name: str, link: str) -> bytes | None:
        """Return an object, or None when there is none. Raises as `put`."""
        answer = self._send(_Call("GET", name, link, expected={httpx.codes.NOT_FOUND}))
        return answer.content if answer.is_success else None

    def delete(self, name: str, link: str) -> None:
        """Delete an object; no matter whether there is one. Raises as `put`."""
        self._send(_Call("DELETE", name, link, expected={httpx.codes.NOT_FOUND}))

    def _send(self, call: _Call) -> httpx.Response:
        """Return the first answer that is a success or expected."""
        for attempt in range(ATTEMPTS):
            found = self._try(call)
            if isinstance(found, httpx.Response):
                return found
            _log.warning("%s: %s (try %d of %d)", call.name, found, attempt + 1, ATTEMPTS)
            if attempt < ATTEMPTS - 1:
                time.sleep(random.uniform(0.5, 1) * min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT))  # noqa: S311
        done = "stored" if call.method == "PUT" else "reached"
        text = f"{call.name} cannot be {done} after {ATTEMPTS} tries: {found}"
        raise RunError(Reason.STORE_UNAVAILABLE, text)

    def _try(self, call: _Call) -> httpx.Response | str:
        """Return the answer, or why the request has to be tried again. Raises RunError when it is refused."""
        url = httpx.URL(call.link)
        try:
            answer = self._client.request(call.method, url, headers=call.headers, content=call.content())
        except httpx.TransportError as error:
            return f"the store at {_origin(url)} does not answer: {Redactor()(str(error)) or type(error).__name__}"
        if answer.is_success or answer.status_code in call.expected:
            return answer
        found = _ERROR_CODE.search(answer.text[:2000])
        code = found[1] if found else ""
        said = f"HTTP {answer.status_code} {code}".rstrip()
        if answer.is_server_error or answer.status_code in _PASSING_STATUS or code in _PASSING_CODES:
            return f"the store at {_origin(url)} answers {said}"
        raise RunError(Reason.STORE_REFUSED, f"the store at {_origin(url)} refuses {call.name}: {said}")


def _origin(url: httpx.URL) -> str:
    """Return scheme, host and port of a link; the rest of it is a signature."""
    return f"{url.scheme}://{url.netloc.decode()}"
