"""Values as JSON, without loss."""

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any

_SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader takes without loss (RFC 7493, section 2.2)."""


@singledispatch
def to_json(value: Any) -> Any:
    """Return a value of a table for JSON.

    A number becomes a JSON number where an IEEE 754 double brings the same number back, else a string (RFC 7493,
    section 2.2); so do NaN and the infinities. Times are RFC 3339, durations seconds, bytes Base64; what has no
    place in JSON is text.
    """
    return str(value)


@to_json.register(type(None))
@to_json.register(bool)
@to_json.register(str)
def _same(value: bool | str | None) -> bool | str | None:
    return value


@to_json.register
def _integer(value: int) -> int | str:
    return value if abs(value) <= _SAFE_INTEGER else str(value)


@to_json.register
def _float(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


@to_json.register
def _decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return _integer(int(value))
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


@to_json.register(date)
@to_json.register(time)
def _time(value: date | time) -> str:
    return value.isoformat()


@to_json.register
def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


@to_json.register
def _duration(value: timedelta) -> float:
    return value.total_seconds()


@to_json.register
def _bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


@to_json.register
def _mapping(value: Mapping) -> dict[str, Any]:  # type: ignore[type-arg]  # singledispatch takes no type arguments
    return {str(key): to_json(member) for key, member in value.items()}


@to_json.register(list)
@to_json.register(tuple)
def _list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [to_json(member) for member in value]
