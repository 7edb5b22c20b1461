"""Values as people read them: thousands separators, units, ISO dates, an en dash for nothing.

English conventions and UTC, whatever the locale and zone of the machine, so that the same run writes the same text.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from report_operator.api.sections import ValueFormat
from report_operator.run import exact, sqltypes

DASH = "\N{EN DASH}"
"""Written for a missing value, and between the ends of a range."""

_CONTEXT = Context(prec=80, rounding=ROUND_HALF_UP)
_SCIENTIFIC_FROM = Decimal(10) ** 15
_SCIENTIFIC_BELOW = Decimal(10) ** -6
_MINUTE = 60
_KILO = 1000
_BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def default_format(type_: str) -> ValueFormat:
    """Return how values of a DuckDB type are written when the author did not say."""
    if sqltypes.is_number(type_):
        return ValueFormat.INTEGER if sqltypes.is_integer(type_) else ValueFormat.DECIMAL
    if sqltypes.is_time(type_):
        return ValueFormat.DATE if type_ == "DATE" else ValueFormat.DATE_TIME
    return ValueFormat.DURATION if type_ == "INTERVAL" else ValueFormat.TEXT


def written(value: Any, format_: ValueFormat, places: int = 2) -> str:
    """Return a value as text for people; `places` are the decimals of format Decimal.

    Raises ValueError when the value is not of a kind that the format can write.
    """
    return DASH if value is None else _WRITERS[format_](value, places)


def places_of(type_: str) -> int:
    """Return the decimals that numbers of a DuckDB type are written with: the scale of a DECIMAL, else two."""
    return sqltypes.scale(type_) if sqltypes.is_decimal(type_) else 2


def _text(value: Any, _places: int) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return _date_time(value, 0)
        case timedelta():
            return _duration(value, 0)
        case bytes():
            return f"{len(value)} bytes"
        case list() | Mapping():
            return json.dumps(exact.to_json(value), ensure_ascii=False)
    return str(value)


def _integer(value: Any, _places: int) -> str:
    return _grouped(_number(value), 0)


def _decimal(value: Any, places: int) -> str:
    number = _number(value)
    if not number.is_finite():
        return DASH
    if isinstance(value, float) and abs(number) >= _SCIENTIFIC_FROM:
        return f"{value:.2e}"
    return _readable(number, places)


def _percent(value: Any, _places: int) -> str:
    number = _number(value) * 100
    return f"{_readable(number, 1)} %" if number.is_finite() else DASH


def _bytes(value: Any, _places: int) -> str:
    size, unit = _number(value), "B"
    if not size.is_finite():
        return DASH
    for larger in _BYTE_UNITS:
        if abs(_CONTEXT.quantize(size, Decimal("0.1"))) < _KILO:
            break
        size, unit = size / _KILO, larger
    return f"{_grouped(size, 0 if unit == 'B' else 1)} {unit}"


def _duration(value: Any, _places: int) -> str:
    seconds = _number(value.total_seconds() if isinstance(value, timedelta) else value)
    if not seconds.is_finite():
        return DASH
    sign, seconds = "-" if seconds < 0 else "", abs(seconds)
    if 0 < seconds < 1:
        return f"{sign}{_grouped(seconds * 1000, 0)} ms"
    tenths = _CONTEXT.quantize(seconds, Decimal("0.1"))
    if tenths < _MINUTE:
        return f"{sign}{_grouped(tenths, 0 if tenths == int(tenths) else 1)} s"
    minutes, rest = divmod(int(_CONTEXT.quantize(seconds, Decimal(1))), _MINUTE)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days:,} d {hours} h"
    return f"{sign}{hours} h {minutes:02} min" if hours else f"{sign}{minutes} min {rest:02} s"


def _date(value: Any, _places: int) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"{value!r} is not a date")


def _date_time(value: Any, _places: int) -> str:
    if not isinstance(value, datetime):
        return f"{_date(value, 0)} 00:00"
    moment = value.astimezone(UTC) if value.tzinfo else value
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    return f"{moment.date().isoformat()} {clock}{' UTC' if value.tzinfo else ''}"


def _number(value: Any) -> Decimal:
    """Return a number exactly as it is written in its shortest form, so that 0.125 rounds like 0.125."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{value!r} is not a number")
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _readable(number: Decimal, places: int) -> str:
    """Return a number with `places` decimals, or with two digits where it would read as zero."""
    if number == 0 or abs(number) >= Decimal(1).scaleb(-places):
        return _grouped(number, places)
    return _grouped(number, 1 - number.adjusted()) if abs(number) >= _SCIENTIFIC_BELOW else f"{number:.1e}"


def _grouped(number: Decimal, places: int) -> str:
    if not number.is_finite():
        return DASH
    rounded = _CONTEXT.quantize(number, Decimal(1).scaleb(-places))
    return f"{rounded or abs(rounded):,.{places}f}"


_WRITERS: Mapping[ValueFormat, Callable[[Any, int], str]] = {
    ValueFormat.TEXT: _text,
    ValueFormat.INTEGER: _integer,
    ValueFormat.DECIMAL: _decimal,
    ValueFormat.PERCENT: _percent,
    ValueFormat.BYTES: _bytes,
    ValueFormat.DURATION: _duration,
    ValueFormat.DATE: _date,
    ValueFormat.DATE_TIME: _date_time,
}
