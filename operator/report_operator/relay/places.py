"""Who may hold how many connections."""

import threading
from collections import Counter

CLIENTS = 400
"""Connections of runs at the same time: a thread each, which mostly waits."""
CLIENTS_OF_ADDRESS = 100
"""Of one address, which is a pod, or a node where the cluster's network hides its pods behind it: no pod that says
nothing may keep all others out."""


class Places:
    """Counts connections. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Return whether a connection from this address may stay; it is counted then."""
        with self._lock:
            if self._taken.total() >= CLIENTS or self._taken[address] >= CLIENTS_OF_ADDRESS:
                return False
            self._taken[address] += 1
            return True

    def leave(self, address: str) -> None:
        """Count a connection no longer."""
        with self._lock:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
