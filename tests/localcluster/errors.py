"""What a person has to hear about: one sentence, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


class LocalClusterError(Exception):
    """Something that the person at the keyboard can act on; its text says what and how."""


def reported(main: Callable[[], None]) -> None:
    """Run `main`; a LocalClusterError becomes a line on standard error and exit code 1."""
    try:
        main()
    except LocalClusterError as error:
        sys.exit(f"ERROR: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
