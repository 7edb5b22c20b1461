"""Things that take long to make, kept by the content that they are made from.

A thing lives at ROOT/NAME/KEY, where KEY is a digest of its ingredients: the same ingredients give the
same path, in every checkout, and a changed one never meets an old result.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_PER_NAME = 3


def root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "report-operator"


def digest(*ingredients: str | Path) -> str:
    """Hexadecimal digest of texts and of files and folders (their names, modes and bytes)."""
    total = hashlib.sha256()
    for ingredient in ingredients:
        for label, content in _contents(ingredient):
            total.update(f"{label} {len(content)}\n".encode())
            total.update(content)
    return total.hexdigest()[:24]


def _contents(ingredient: str | Path) -> Iterator[tuple[str, bytes]]:
    if isinstance(ingredient, str):
        yield "text", ingredient.encode()
        return
    files = [ingredient] if ingredient.is_file() else sorted(p for p in ingredient.rglob("*") if p.is_file())
    for file in files:
        if "__pycache__" not in file.parts:
            mode = "x" if os.access(file, os.X_OK) else "-"
            yield f"{file.relative_to(ingredient.parent)} {mode}", file.read_bytes()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock, which the kernel lets go when this process ends, however it ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def entry(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """Path of the cached folder NAME/KEY; `make` fills a new folder given to it when there is none yet.

    Two processes that ask at once make it once. A `make` that fails or is killed leaves no entry.
    """
    path = root() / name / key
    if not path.exists():
        with locked(root() / name / "lock"):
            if not path.exists():
                unfinished = root() / name / "unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                make(unfinished)
                unfinished.rename(path)
                _mark_used(path)
                _forget_oldest(path.parent)
    _mark_used(path)
    return path


def _mark_used(path: Path) -> None:
    now = time.time_ns()  # the kernel's own stamp is only good to some milliseconds
    os.utime(path, ns=(now, now))


def _forget_oldest(folder: Path) -> None:
    entries = [path for path in folder.iterdir() if path.is_dir()]
    newest_first = sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[KEPT_PER_NAME:]:
        shutil.rmtree(path)
