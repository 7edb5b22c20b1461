"""Size and hashes of a file."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digests:
    """What a file's content is known by."""

    size: int
    """Bytes."""
    sha256: str
    """SHA-256, hexadecimal."""
    md5: str
    """As in a `Piece`."""


@dataclass(frozen=True)
class Piece:
    """A part of a file, and what its content is known by."""

    offset: int
    """Bytes before it."""
    size: int
    """Bytes."""
    md5: str
    """MD5 in Base64, as the header Content-MD5 has it (RFC 1864): against damage on the way, not against attackers."""


class Digest:
    """Size and SHA-256 of a file, as far as it has been read."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes."""
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Return the SHA-256, hexadecimal."""
        return self._sha256.hexdigest()

    def pieces(self, path: Path, size: int) -> Iterator[Piece]:
        """Read a file to its end, in constant memory; yield its pieces of `size` bytes, of which the last has fewer.

        An empty file has one piece.
        """
        end = path.stat().st_size
        for offset in range(0, max(end, 1), size):
            md5, read = hashlib.md5(usedforsecurity=False), 0
            for chunk in chunks(path, offset, size):
                self._sha256.update(chunk)
                md5.update(chunk)
                read += len(chunk)
            self.size += read
            yield Piece(offset, read, base64.b64encode(md5.digest()).decode())


def digests(path: Path) -> Digests:
    """Return size and hashes of a file, in constant memory."""
    digest = Digest()
    [piece] = digest.pieces(path, max(path.stat().st_size, 1))
    return Digests(piece.size, digest.sha256, piece.md5)


def chunks(path: Path, offset: int, size: int) -> Iterator[bytes]:
    """Yield a part of a file, chunk by chunk."""
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            size -= len(chunk)
            yield chunk
