"""The last stage: files into the store, through links that were signed for this run."""

import base64
import hashlib
import json
import logging
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.outputs import INLINE_LIMIT
from report_operator.api.run import RESULT_FILE, Links, Rendered, RenderedFile, Request, Result, StoredFile
from report_operator.run.digests import Digests, chunks, digests
from report_operator.run.failure import RunError
from report_operator.run.progress import Progress
from report_operator.run.redaction import Redactor
from report_operator.run.workspace import Workspace

PARALLEL = 4
"""Uploads at the same time."""
ATTEMPTS = 5
"""Tries of one upload; the Job's attempts come on top."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
"""Seconds between two tries, at most: half of it to all of it, doubled each time."""
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_ERROR_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_PASSING_STATUS = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)
_PASSING_CODES = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown")
"""Codes of S3 (API reference, "Error responses") that come with HTTP 400 or 503 and another try mends."""

_log = logging.getLogger(__name__)


def publish(request: Request, rendered: Rendered, links: Links, workspace: Workspace) -> Result:
    """Upload every rendered file and, last of all, the result; return the result.

    The store checks each upload against its Content-MD5 (RFC 1864), so what it keeps is what was rendered. Raises
    RunError: StoreUnavailable, StoreRefused, InternalError when there is no link for a file.
    """
    if missing := {*(file.name for file in rendered.files), RESULT_FILE} - links.uploads.keys():
        raise RunError(Reason.INTERNAL_ERROR, f"no upload link for {', '.join(sorted(missing))}")
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
        uploader = _Uploader(client, links, Progress(_log, "{:,} bytes uploaded so far"))
        with ThreadPoolExecutor(PARALLEL) as pool:
            stored = list(pool.map(lambda file: _store(file, workspace, uploader), rendered.files))
        inline, size = _inline(request, workspace)
        result = Result(run_id=request.run_id, files=stored, metrics=rendered.metrics, inline=inline, inline_size=size)
        uploader.put_bytes(RESULT_FILE, result_bytes(result))
    return result


def result_bytes(result: Result) -> bytes:
    """Return the result as it is in the store and, if it fits, in the termination message."""
    return json.dumps(result.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()


def _store(file: RenderedFile, workspace: Workspace, uploader: "_Uploader") -> StoredFile:
    path = workspace.outputs / file.name
    known = digests(path)
    uploader.put_file(path, file.format.media_type, known)
    _log.info("%s: %s bytes stored", file.name, f"{known.size:,}")
    return StoredFile(**file.model_dump(), size=known.size, sha256=known.sha256)


def _inline(request: Request, workspace: Workspace) -> tuple[dict[str, object] | None, int | None]:
    """Return the inline document, if it is small enough, and its size; (None, None) where none is asked for."""
    wanted = next((output for output in request.spec.outputs if output.inline), None)
    if wanted is None:
        return None, None
    content = (workspace.outputs / wanted.file_name).read_bytes()
    return (json.loads(content) if len(content) <= INLINE_LIMIT else None), len(content)


class _Uploader:
    """Puts files through presigned links, again after passing errors."""

    def __init__(self, client: httpx.Client, links: Links, progress: Progress) -> None:
        self._client = client
        self._links = links
        self._progress = progress

    def put_file(self, path: Path, media_type: str, known: Digests) -> None:
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(known.size),
            "Content-MD5": known.md5,
        }
        self._put(path.name, headers, path)

    def put_bytes(self, name: str, content: bytes) -> None:
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"Content-Type": "application/json", "Content-MD5": base64.b64encode(md5).decode()}
        self._put(name, headers, content)

    def _put(self, name: str, headers: dict[str, str], content: Path | bytes) -> None:
        for attempt in range(ATTEMPTS):
            problem = self._try(name, headers, content)
            if problem is None:
                return
            _log.warning("%s: %s (try %d of %d)", name, problem, attempt + 1, ATTEMPTS)
            if attempt < ATTEMPTS - 1:
                time.sleep(random.uniform(0.5, 1) * min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT))  # noqa: S311
        raise RunError(Reason.STORE_UNAVAILABLE, f"{name} cannot be stored after {ATTEMPTS} tries: {problem}")

    def _try(self, name: str, headers: dict[str, str], content: Path | bytes) -> str | None:
        """Return why the upload has to be tried again, or None when it is done. Raises RunError when it is refused."""
        body = self._counted(content) if isinstance(content, Path) else content
        url = httpx.URL(self._links.uploads[name])
        try:
            answer = self._client.put(url, headers=headers, content=body)
        except httpx.TransportError as error:
            return f"the store at {_origin(url)} does not answer: {Redactor()(str(error)) or type(error).__name__}"
        if answer.is_success:
            return None
        found = _ERROR_CODE.search(answer.text[:2000])
        code = found[1] if found else ""
        said = f"HTTP {answer.status_code} {code}".rstrip()
        if answer.is_server_error or answer.status_code in _PASSING_STATUS or code in _PASSING_CODES:
            return f"the store at {_origin(url)} answers {said}"
        raise RunError(Reason.STORE_REFUSED, f"the store at {_origin(url)} refuses {name}: {said}")

    def _counted(self, path: Path) -> Iterator[bytes]:
        for chunk in chunks(path):
            self._progress.add(len(chunk))
            yield chunk


def _origin(url: httpx.URL) -> str:
    """Return scheme, host and port of a link; the rest of it is a signature."""
    return f"{url.scheme}://{url.netloc.decode()}"
