"""The run's links, as they are at the moment: they may be renewed while it runs."""

import threading
from pathlib import Path

from report_operator.api.run import Links


class LinksFile:
    """LINKS_FILE. Safe for threads.

    The operator renews links that end before the run does, and the kubelet replaces the file within about a minute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._links: Links | None = None
        self._version: tuple[int, int] | None = None

    def read(self) -> Links:
        """Return the links that are valid now, as far as the kubelet knows."""
        with self._lock:
            # The kubelet swaps a symbolic link (pkg/volume/util/atomic_writer.go): another file each time.
            found = self._path.stat()
            version = (found.st_ino, found.st_mtime_ns)
            if self._links is None or version != self._version:
                self._links, self._version = Links.unpacked(self._path.read_bytes()), version
            return self._links
