"""Shows that a long step is alive and how long it took.

Everything goes to standard error: standard output belongs to the program's result, often a path.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_SIGN_SECONDS = 2.0
NEXT_SIGN_SECONDS = 20.0

_going_on: list[str] = []


def say(text: str) -> None:
    print(f"localcluster: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say when `what` is done; when it takes longer than two seconds, say meanwhile that it is going on.

    Steps nest; meanwhile only the innermost speaks.
    """
    began = time.monotonic()
    finished = threading.Event()

    def keep_saying() -> None:
        pause = FIRST_SIGN_SECONDS
        while not finished.wait(pause):
            if _going_on[-1:] == [what]:
                say(f"… {what} ({time.monotonic() - began:.0f} s)")
            pause = NEXT_SIGN_SECONDS

    voice = threading.Thread(target=keep_saying, daemon=True)
    _going_on.append(what)
    voice.start()
    sign = "✗"
    try:
        yield
        sign = "✓"
    finally:
        finished.set()
        _going_on.remove(what)
        voice.join()
        say(f"{sign} {what} ({time.monotonic() - began:.1f} s)")
