"""What tells of objects in tests without an event loop: at once, or not before they are looked at again."""

from collections.abc import Awaitable, Callable

from report_operator.control.controller import Key
from report_operator.control.queue import WorkQueue
from report_operator.control.telling import Telling


class BusyTelling(Telling):
    """Tells of nothing by itself, as if there were always something more urgent; it needs no event loop."""

    @property
    def has_to_wait(self) -> bool:
        """Return True."""
        return True

    def put_off(self, key: Key, tell: Callable[[], Awaitable[None]]) -> None:
        """Tell when the object is looked at again."""
        self._put_off[key] = tell

    def forget(self) -> None:
        """End with the process."""
        self._put_off.clear()


class ImmediateTelling(Telling):
    """Puts nothing off."""

    @property
    def has_to_wait(self) -> bool:
        """Return False."""
        return False

    def forget(self) -> None:
        """End with the process: there is nothing to forget."""


def telling(kind: str, *, busy: bool = False) -> BusyTelling | ImmediateTelling:
    """Return what tells of objects of a kind."""
    return (BusyTelling if busy else ImmediateTelling)(kind, WorkQueue(), ())
