"""How a stage says that it failed."""

from report_operator.api.conditions import Reason
from report_operator.api.run import EXIT_INTERNAL_ERROR, EXIT_OUTAGE, EXIT_USER_ERROR

_PASSING = frozenset({Reason.SOURCE_UNAVAILABLE, Reason.STORE_UNAVAILABLE, Reason.STORE_REFUSED})


class RunError(Exception):
    """A failure with a documented reason and a message that may be shown on the resource.

    The message names what failed and the way out, and holds no credentials.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @property
    def exit_code(self) -> int:
        """Return the exit code that tells the Job whether another attempt can help."""
        if self.reason is Reason.INTERNAL_ERROR:
            return EXIT_INTERNAL_ERROR
        return EXIT_OUTAGE if self.reason in _PASSING else EXIT_USER_ERROR
