"""The termination message of a container, which tells the operator what came of it: short enough for the kubelet."""

import json
from collections.abc import Iterable, Iterator

from report_operator.api.fields import Model
from report_operator.api.run import TERMINATION_MESSAGE_LIMIT


def encoded(message: Model) -> bytes:
    """Return a message as JSON, in as few bytes as it can be."""
    return json.dumps(message.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()


def fits(message: bytes) -> bool:
    """Return whether the kubelet keeps all of a message: it counts bytes, and what it cuts off is no JSON any more."""
    return len(message) <= TERMINATION_MESSAGE_LIMIT


def first_that_fits(drafts: Iterable[Model]) -> bytes:
    """Return the first of ever shorter messages that the kubelet keeps, encoded."""
    return next(filter(fits, map(encoded, drafts)))


def shortened(text: str, length: int) -> str:
    """Return a text of so many characters at most; an ellipsis ends one that was longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def ever_shorter(length: int) -> Iterator[int]:
    """Yield lengths from this one down to 1."""
    while length > 0:
        yield length
        length = length * 3 // 4
