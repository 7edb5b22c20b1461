"""What tells of objects in tests without an event loop: at once, or not before they are looked at again."""

from collections.abc import Awaitable, Callable

from report_operator.control.controller import Key
from report_operator.control.queue import WorkQueue
from report_operator.control.telling import Telling


class PlayedTelling(Telling):
    """A busy one tells of nothing by itself, as if there were always something more urgent; another puts nothing off.

    `forget` is the end of the process.
    """

    def __init__(self, kind: str, *, busy: bool = False) -> None:
        super().__init__(kind, WorkQueue(), ())
        self._busy = busy

    @property
    def has_to_wait(self) -> bool:
        """Return whether it is busy."""
        return self._busy

    def put_off(self, key: Key, tell: Callable[[], Awaitable[None]]) -> None:
        """Tell when the object is looked at again."""
        self._put_off[key] = tell

    def forget(self) -> None:
        """Tell nothing of what was put off."""
        self._put_off.clear()
