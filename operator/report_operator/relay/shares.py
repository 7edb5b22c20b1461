"""Who may have how many of the connections to the real server."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class _Turn:
    """Somebody who waits."""

    namespace: str
    called: threading.Event = field(default_factory=threading.Event)
    admitted: bool = False


class Shares:
    """Counts connections: first come, first served, and half of them at most for one namespace. Safe for threads."""

    def __init__(self, most: int) -> None:
        """`most`, at least 1, is what all have together; of a single one the half is all of it."""
        self._changed = threading.Condition()
        self._most = most
        self._share = max(most // 2, 1)
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Turn] = []
        self._closed = False

    def take(self, namespace: str, patience: float) -> bool:
        """Return whether a namespace has got a connection within so many seconds; it is counted then."""
        turn = _Turn(namespace)
        with self._changed:
            self._waiting.append(turn)
            self._call()
        turn.called.wait(patience)
        with self._changed:
            if not turn.called.is_set():
                self._waiting.remove(turn)
            return turn.admitted

    def give(self, namespace: str) -> None:
        """Count a connection no longer."""
        with self._changed:
            self._taken[namespace] -= 1
            if not self._taken[namespace]:
                del self._taken[namespace]
            self._call()
            self._changed.notify_all()

    def close(self, patience: float) -> None:
        """Let nobody in any more, and wait so many seconds at most until nobody has a connection."""
        with self._changed:
            self._closed = True
            self._call()
            self._changed.wait_for(lambda: not self._taken, patience)

    def _call(self) -> None:
        """Let those in for whom there is a connection now; at the end, send all away."""
        for turn in list(self._waiting):
            turn.admitted = not self._closed and self._has_room(turn.namespace)
            if turn.admitted:
                self._taken[turn.namespace] += 1
            if turn.admitted or self._closed:
                self._waiting.remove(turn)
                turn.called.set()

    def _has_room(self, namespace: str) -> bool:
        return self._taken.total() < self._most and self._taken[namespace] < self._share
