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
    """MD5 in Base64, as the header Content-MD5 has it (RFC 1864): against damage on the way, not against attackers."""


def digests(path: Path) -> Digests:
    """Return size and hashes of a file, in constant memory."""
    size, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for chunk in chunks(path):
        size += len(chunk)
        sha256.update(chunk)
        md5.update(chunk)
    return Digests(size, sha256.hexdigest(), base64.b64encode(md5.digest()).decode())


def chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
