"""Downloads a Report's files by the signed links in its status: all of them, or none."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from report_operator.kubectl.errors import PluginError
from report_operator.kubectl.report import Artifact, Report

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_AS_IT_IS = {"Accept-Encoding": "identity"}

Advance = Callable[[int], None]
"""Is told of bytes that have come."""


def have_ended(report: Report, names: Sequence[str], now: datetime) -> bool:
    """Return whether a link to one of these files, to any when there are no names, works no more."""
    wanted = [each for each in report.artifacts if not names or each.name in names]
    return any(each.expires_at is not None and each.expires_at <= now for each in wanted)


def chosen(report: Report, names: Sequence[str], now: datetime) -> Sequence[Artifact]:
    """Return the files of these names, all when there are none; raises PluginError when one cannot be had."""
    if not report.artifacts:
        message = f" ({report.text('message')})" if report.text("message") else ""
        raise PluginError(f"{report.name} has no files: it is {report.state}{message}")
    there = {artifact.name: artifact for artifact in report.artifacts}
    missing = [name for name in names if name not in there]
    if missing:
        raise PluginError(f"{report.name} has no file {missing[0]}; it has: {', '.join(there)}")
    found = [there[name] for name in dict.fromkeys(names)] or list(report.artifacts)
    for artifact in found:
        if Path(artifact.name).name != artifact.name or artifact.name == "..":
            raise PluginError(f"{report.name}: {artifact.name!r} is no file name; the status was not written by us")
        if artifact.download_url is None:
            raise PluginError(f"{artifact.name} has no link; it is at {artifact.uri} for those with credentials")
        if artifact.expires_at is not None and artifact.expires_at <= now:
            expired = artifact.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
            raise PluginError(
                f"the link of {artifact.name} ended at {expired}, by the clock of this computer, and there is none that"
                f" lasts longer; with credentials the file is at {artifact.uri}"
            )
    return found


def download(artifacts: Sequence[Artifact], folder: Path, advance: Advance) -> Sequence[Path]:
    """Put the files into the folder, which is made, and return their paths.

    Each is written beside the folder first and checked against size and SHA-256; files get their names when all are
    right, those of the same names are replaced. Raises PluginError, and leaves nothing then.
    """
    try:
        with tempfile.TemporaryDirectory(dir=_existing(folder), prefix=".kubectl-report-") as unfinished:
            for artifact in artifacts:
                _fetch(artifact, Path(unfinished) / artifact.name, advance)
            folder.mkdir(parents=True, exist_ok=True)
            for artifact in artifacts:
                (Path(unfinished) / artifact.name).replace(folder / artifact.name)
    except OSError as error:
        raise PluginError(f"{error.filename or folder}: {error.strerror or error}") from error
    return [folder / artifact.name for artifact in artifacts]


def _existing(folder: Path) -> Path:
    """Return the folder, or that of its parents which is there: on the same file system, so that files can be moved."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _fetch(artifact: Artifact, target: Path, advance: Advance) -> None:
    digest, size = hashlib.sha256(), 0
    url = httpx.URL(artifact.download_url or "")
    try:
        with httpx.stream("GET", url, headers=_AS_IT_IS, timeout=_TIMEOUT) as answer, target.open("xb") as file:
            if answer.status_code != httpx.codes.OK:
                raise PluginError(f"{artifact.name}: the store answers {answer.status_code} {answer.reason_phrase}")
            for chunk in answer.iter_raw():
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                advance(len(chunk))
    except httpx.HTTPError as error:
        raise PluginError(
            f"{artifact.name}: the store at {url.scheme}://{url.netloc.decode()} cannot be reached from here"
            f" ({str(error) or type(error).__name__}): links lead to store.publicEndpoint of the chart"
        ) from error
    if (size, digest.hexdigest()) != (artifact.size, artifact.sha256):
        raise PluginError(
            f"{artifact.name}: what came is not what the run has made ({size:,} bytes of {artifact.size:,}"
            f"{', or changed on the way' if size == artifact.size else ''}); try again"
        )
