"""Rows that an HTTP(S) server answers with."""

import logging
from base64 import b64encode
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import httpx

from report_operator import __version__
from report_operator.api.conditions import Reason
from report_operator.api.sources import DataFormat, Http
from report_operator.run import guard
from report_operator.run.failure import RunError
from report_operator.run.mounts import header_value, place_of
from report_operator.run.progress import Progress
from report_operator.run.sources.formats import import_file
from report_operator.run.sources.task import Task

_TIMEOUT = httpx.Timeout(connect=10, read=300, write=60, pool=10)
"""Seconds; a server may need minutes to compute a report before its first byte. The Job's deadline bounds the whole."""
_REDIRECTS = 10
_CHUNK = 1 << 20

_ACCEPT = {
    DataFormat.CSV: "text/csv",
    DataFormat.JSON: "application/json, application/x-ndjson",
    DataFormat.PARQUET: "application/vnd.apache.parquet, application/octet-stream",
}
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_REASONS: dict[int, Reason] = {
    HTTPStatus.UNAUTHORIZED: Reason.AUTHENTICATION_FAILED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: Reason.AUTHENTICATION_FAILED,
    HTTPStatus.NOT_FOUND: Reason.SOURCE_NOT_FOUND,
    HTTPStatus.GONE: Reason.SOURCE_NOT_FOUND,
}
_WAYS_OUT = {
    Reason.SOURCE_NOT_FOUND: "check the URL",
    Reason.SOURCE_REFUSED: "check the URL and the permissions of its credentials",
    Reason.SOURCE_UNAVAILABLE: "the server has to recover",
}

_log = logging.getLogger(__name__)


def read(kind: Http, task: Task) -> None:
    """Write the rows of the server's answer to `task.target`; raises RunError. Nothing is tried twice: the Job does."""
    headers = {header.name: header_value(task.workspace, header, task.subject) for header in kind.headers}
    url = _url(kind.url, task)
    place = f"{task.subject}: {_shown(url, task)}"
    try:
        _download(url, kind, headers, task, place)
    except httpx.DecodingError as error:
        raise RunError(Reason.DATA_INVALID, f"{place}: the answer's content encoding is broken: {error}") from error
    except httpx.TransportError as error:
        raise _unreachable(place, error) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # Of the codec "idna", which names of hosts pass.
        raise RunError(Reason.INVALID_SPEC, f"{place}: no valid URL: {error}") from error
    import_file(task.database, task.scratch, kind.format, task.target, place)


def _url(template: str, task: Task) -> str:
    """Return the URL with the period's ends, as RFC 3339 in UTC, percent-encoded."""
    if task.period is None:
        if "{period_start}" in template or "{period_end}" in template:
            raise RunError(
                Reason.INVALID_SPEC,
                f"{task.subject}: http.url has {{period_start}} or {{period_end}}, but the Report has no spec.period:"
                " set it, or take them out of the URL",
            )
        return template
    ends = {"{period_start}": task.period.start, "{period_end}": task.period.end}
    for token, end in ends.items():
        template = template.replace(token, quote(_rfc3339(end), safe=""))
    return template


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _shown(url: str, task: Task) -> str:
    """Return scheme, host, port and path of a URL: userinfo and query may hold credentials."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise RunError(Reason.INVALID_SPEC, f"{task.subject}: http.url is no valid URL: correct its host") from error
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _download(url: str, kind: Http, headers: dict[str, str], task: Task, place: str) -> None:
    """Stream the answer to a file. Credentials go to the host of the URL, not to another that it redirects to."""
    public = httpx.Headers({"User-Agent": f"report-operator/{__version__}", "Accept": _ACCEPT[kind.format]})
    first = httpx.URL(url)
    private = httpx.Headers(headers)
    if first.userinfo:
        private.setdefault("Authorization", f"Basic {b64encode(unquote_to_bytes(first.userinfo)).decode()}")
    following = first.copy_with(userinfo=b"")
    with httpx.Client(timeout=_TIMEOUT, transport=guard.transport(task.reach, f"{place}: ")) as client:
        for _ in range(_REDIRECTS + 1):
            sent = httpx.Headers(public)
            if _trusted(first, following):
                sent.update(private)
            else:
                client.cookies.clear()
            with client.stream("GET", following, headers=sent) as response:
                if response.next_request is None:
                    _save(response, kind, task.scratch, place)
                    return
                following = response.next_request.url
    raise RunError(Reason.SOURCE_REFUSED, f"{place}: more than {_REDIRECTS} redirects: check the URL")


def _trusted(first: httpx.URL, other: httpx.URL) -> bool:
    """Return whether what is sent to one URL may be sent to another: same origin, or the same host with TLS now."""
    origin, target = ((url.scheme, url.host, url.port) for url in (first, other))
    return origin == target or (origin, target) == (("http", first.host, None), ("https", first.host, None))


def _save(response: httpx.Response, kind: Http, target: Path, place: str) -> None:
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response, kind, place)
    progress = Progress(_log, f"{place}: {{:,}} bytes so far")
    with target.open("wb") as file:
        for chunk in response.iter_bytes(_CHUNK):
            file.write(chunk)
            progress.add(len(chunk))
    _log.info("%s: %s bytes", place, f"{progress.count:,}")


def _refusal(response: httpx.Response, kind: Http, place: str) -> RunError:
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        reason = Reason.SOURCE_UNAVAILABLE
    else:
        reason = _REASONS.get(status, Reason.SOURCE_REFUSED)
    answer = f"{status} {response.reason_phrase}".strip()
    way_out = _WAYS_OUT.get(reason) or _credentials(kind)
    return RunError(reason, f"{place} answered {answer}: {way_out}")


def _credentials(kind: Http) -> str:
    """Return where to look when credentials are refused."""
    selectors = [header.value_from.secret_key_ref for header in kind.headers if header.value_from]
    keys = " and ".join(place_of(selector) for selector in selectors)
    return f"check {keys}" if keys else "the request has no credentials; take a header from a Secret by valueFrom"


def _unreachable(place: str, error: httpx.TransportError) -> RunError:
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return RunError(Reason.SOURCE_REFUSED, f"{place}: the server's certificate is not trusted: {text}")
    if isinstance(error, httpx.UnsupportedProtocol):
        return RunError(Reason.SOURCE_REFUSED, f"{place} redirects to what is not HTTP: check the URL")
    what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else f"cannot be reached: {text}"
    return RunError(Reason.SOURCE_UNAVAILABLE, f"{place} {what}")
