"""Puts a run's files into the store: whole, or in parts where they are large."""

import base64
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

from report_operator.api.conditions import Reason
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import Links, Parts, RenderedFile, SignedRequest, StoredFile
from report_operator.run.digests import Digest, Piece, chunks
from report_operator.run.failure import RunError
from report_operator.run.links import LinksFile
from report_operator.run.progress import Progress
from report_operator.run.store import Store, Way

PARALLEL = 4
"""Parts of a file at the same time."""

_log = logging.getLogger(__name__)


class Uploader:
    """Puts files through the run's links. Safe for threads; every method may raise RunError of the store."""

    def __init__(self, store: Store, links: LinksFile) -> None:
        self._store = store
        self._links = links
        self._progress = Progress(_log, "{:,} bytes uploaded so far")

    def put_file(self, file: RenderedFile, path: Path) -> StoredFile:
        """Store a file, in constant memory; the store checks what it gets against its MD5."""
        digest, parts = Digest(), self._links.read().uploads[file.name].parts
        if parts is None or not parts.size < path.stat().st_size <= parts.size * len(parts.puts):
            self._put_whole(file, path, digest)
        else:
            try:
                self._put_parts(file, path, digest, parts)
            except RunError as error:
                if error.reason is not Reason.STORE_REFUSED:
                    raise
                # An earlier attempt of the run may have completed the upload in parts, and each can be used once.
                _log.warning("%s; %s is uploaded whole instead", error.message, file.name)
                self._put_whole(file, path, digest := Digest())
        _log.info("%s: %s bytes stored", file.name, f"{digest.size:,}")
        return StoredFile(**file.model_dump(), size=digest.size, sha256=digest.sha256)

    def put_json(self, name: str, content: bytes) -> StoredFile:
        """Store a document of the run's own."""
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"Content-Type": "application/json", "Content-MD5": base64.b64encode(md5).decode()}
        self._store.send(name, _whole(name), lambda: content, headers)
        digest = hashlib.sha256(content).hexdigest()
        return StoredFile(name=name, format=OutputFormat.JSON, size=len(content), sha256=digest)

    def _put_whole(self, file: RenderedFile, path: Path, digest: Digest) -> None:
        [piece] = digest.pieces(path, max(path.stat().st_size, 1))
        headers = {**_described(piece), "Content-Type": file.format.media_type}
        self._store.send(file.name, _whole(file.name), lambda: self._counted(path, piece), headers)

    def _put_parts(self, file: RenderedFile, path: Path, digest: Digest, parts: Parts) -> None:
        """Upload the parts that are read while others are still being read, then have the store put them together."""
        pool = ThreadPoolExecutor(PARALLEL)
        try:
            begun = [
                pool.submit(self._put_part, file.name, number, path, piece)
                for number, piece in enumerate(digest.pieces(path, parts.size), start=1)
            ]
            tags = [each.result() for each in begun]
        finally:
            pool.shutdown(cancel_futures=True)
        listed = (
            parts.listed.replace("{number}", str(number))
            .replace("{number:04}", f"{number:04}")
            .replace("{etag}", escape(tag))
            for number, tag in enumerate(tags, start=1)
        )
        body = parts.listing.replace("{parts}", "".join(listed)).encode()
        headers = {"Content-Type": "application/xml"}
        self._store.send(file.name, lambda links: _parts(links, file.name).complete, lambda: body, headers)

    def _put_part(self, name: str, number: int, path: Path, piece: Piece) -> str:
        """Upload a part; return its ETag."""
        shown = f"part {number} of {name}"
        return self._store.send(shown, _part(name, number), lambda: self._counted(path, piece), _described(piece))

    def _counted(self, path: Path, piece: Piece) -> Iterator[bytes]:
        for chunk in chunks(path, piece.offset, piece.size):
            self._progress.add(len(chunk))
            yield chunk


def _described(piece: Piece) -> dict[str, str]:
    return {"Content-Length": str(piece.size), "Content-MD5": piece.md5}


def _whole(name: str) -> Way:
    return lambda links: links.uploads[name].whole


def _part(name: str, number: int) -> Way:
    def way(links: Links) -> SignedRequest:
        puts = _parts(links, name).puts
        if number > len(puts):
            raise _not_to_be_continued(name)
        return puts[number - 1]

    return way


def _parts(links: Links, name: str) -> Parts:
    parts = links.uploads[name].parts
    if parts is None:
        raise _not_to_be_continued(name)
    return parts


def _not_to_be_continued(name: str) -> RunError:
    return RunError(Reason.STORE_REFUSED, f"the upload of {name} in parts cannot go on with the links as renewed")
