"""Charts: rows to a Vega-Lite specification, and that to SVG, by vl-convert: no browser, no network."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import vl_convert
from markupsafe import Markup, escape

from report_operator.api.sections import ValueFormat
from report_operator.run import sqltypes, values
from report_operator.run.document import ChartContent, ColumnContent

FONTS = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B7280", "#882255")
"""Tells series apart for colour-blind readers too: Okabe and Ito, without yellow and black, which paper does not show
well as marks, and with two that Tol adds."""

_VEGA_LITE = "6.1"
_CHANNELS = ("x", "y", "color")
_WIDTH, _HEIGHT = 660, 250
_INK, _MUTED, _RULE = "#111827", "#4B5563", "#E5E7EB"
_DAY = 86_400_000
_SI_FROM = 10_000
_WIDEST_BAR = 64
_POINTS_UP_TO = 40
"""Most rows of a line that show a point each."""
_LEVEL_LABELS_UP_TO = 92
"""Characters of all labels of an axis that fit side by side; with more, they are turned."""
_SLANTED_LABELS_UP_TO = 25
"""Labels that can be read slanted; more are turned upright and thinned out."""
_ID = re.compile(r'(\bid="|url\(#|href="#)')

_Kind = Literal["temporal", "quantitative", "nominal"]


def to_svg(chart: ChartContent, key: str) -> Markup:
    """Return a chart as an SVG element; `key` tells its ids apart from those of other charts on the page."""
    svg = vl_convert.vegalite_to_svg(
        specification(chart), vl_version=_VEGA_LITE, allowed_base_urls=[], show_warnings=False
    )
    title = escape(chart.title or f"{chart.columns[1].title} by {chart.columns[0].title}")
    head, _, body = _ID.sub(rf"\g<1>{key}-", svg).partition(">")
    return Markup(  # noqa: S704 - vega escapes the data's text
        f'{head} role="img" aria-labelledby="{key}-title"><title id="{key}-title">{title}</title>{body}'
    )


def specification(chart: ChartContent) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart, data included. Pure."""
    kinds = [_kind(column, chart.mark, name) for name, column in zip(_CHANNELS, chart.columns, strict=False)]
    rows = list(_drawable(chart.rows, kinds))
    encoding: dict[str, Any] = {}
    for i, (channel, column) in enumerate(zip(_CHANNELS, chart.columns, strict=False)):
        found = [row[i] for row in rows if row[i] is not None]
        made = _color(column, found) if channel == "color" else _position(column, kinds[i], found, chart.mark, channel)
        encoding[channel] = {"field": channel, **made}
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{_VEGA_LITE}.json",
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": [dict(zip(_CHANNELS, row, strict=False)) for row in rows]},
        "mark": _mark(chart.mark, rows, kinds[0]),
        "encoding": encoding,
        "config": _CONFIG,
    }


def _kind(column: ColumnContent, mark: str, axis: str) -> _Kind:
    """Return how a column is laid out. Bars over numbers stand side by side: months, years, classes."""
    if axis == "color":
        return "nominal"
    if sqltypes.is_time(column.type):
        return "temporal"
    if sqltypes.is_number(column.type) and not (axis == "x" and mark == "bar"):
        return "quantitative"
    return "nominal"


def _drawable(rows: Iterable[Sequence[Any]], kinds: Sequence[_Kind]) -> Iterable[list[Any]]:
    """Yield the rows that have a place along x. A missing y stays missing: lines show a gap."""
    for row in rows:
        drawn = [_plain(value, kind) for value, kind in zip(row, kinds, strict=True)]
        if drawn[0] is not None:
            yield drawn


def _plain(value: Any, kind: _Kind) -> Any:
    """Return a value as Vega takes it: text, a finite number, or milliseconds since 1970 in UTC."""
    match kind:
        case "nominal":
            return values.written(value, ValueFormat.TEXT)
        case "temporal":
            return _milliseconds(value)
        case "quantitative":
            number = float(value) if isinstance(value, int | float | Decimal) else math.nan
            return number if math.isfinite(number) else None


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _position(column: ColumnContent, kind: _Kind, found: Sequence[Any], mark: str, channel: str) -> dict[str, Any]:
    """Return the encoding of the x or y channel."""
    match kind:
        case "temporal":
            return {"type": kind, **_time_axis(column, found, mark, channel)}
        case "quantitative":
            zero = mark in ("bar", "area") and channel == "y"
            axis = {"title": column.title, "format": _number_format(column, found, channel)}
            return {"type": kind, "scale": {"zero": zero, "nice": True}, "axis": axis}
    labels = {"title": column.title} | (_turned(found) if channel == "x" else {})
    return {"type": kind, "sort": None, "axis": labels}


def _time_axis(column: ColumnContent, found: Sequence[int], mark: str, channel: str) -> dict[str, Any]:
    """Return scale and axis over time; a bar is as wide as the unit that its times are multiples of."""
    if mark != "bar" or channel != "x":
        return {"scale": {"type": "utc"}, "axis": {"title": column.title, "format": _TIME_FORMATS}}
    unit = _time_unit(found)
    units = (max(found, default=0) - min(found, default=0)) / unit.milliseconds + 1
    axis = {
        "title": column.title,
        "format": unit.label,
        "labelOffset": round(_WIDTH / units / 2, 2),
        "values": sorted(set(found)),
    }
    return {"timeUnit": unit.name, "bandPosition": 0.5, "axis": axis}


class _TimeUnit(NamedTuple):
    """A Vega-Lite time unit: its mean length, and how a label names it (d3-time-format)."""

    name: str
    milliseconds: float
    label: str


def _time_unit(found: Iterable[int]) -> _TimeUnit:
    """Return the largest unit that all times are whole multiples of."""
    moments = [datetime.fromtimestamp(value / 1000, UTC) for value in found]
    if any(moment.second or moment.microsecond for moment in moments):
        return _TimeUnit("utcyearmonthdatehoursminutesseconds", 1000, "%H:%M:%S")
    if any(moment.minute for moment in moments):
        return _TimeUnit("utcyearmonthdatehoursminutes", 60_000, "%-d %b %H:%M")
    if any(moment.hour for moment in moments):
        return _TimeUnit("utcyearmonthdatehours", 3_600_000, "%-d %b %H:%M")
    if any(moment.day != 1 for moment in moments):
        return _TimeUnit("utcyearmonthdate", _DAY, "%-d %b")
    if any(moment.month != 1 for moment in moments):
        return _TimeUnit("utcyearmonth", _DAY * 365.2425 / 12, "%b %Y")
    return _TimeUnit("utcyear", _DAY * 365.2425, "%Y")


def _number_format(column: ColumnContent, found: Iterable[Any], channel: str) -> str:
    """Return the d3 format of an axis: SI prefixes from 10,000 on; years and the like without separators."""
    largest = max((abs(value) for value in found if value is not None), default=0)
    if largest >= _SI_FROM:
        return "~s"
    return "d" if channel == "x" and sqltypes.is_integer(column.type) else ",.6~r"


def _turned(labels: Sequence[str]) -> dict[str, Any]:
    """Return how the labels of an axis are turned so that they can be read: level, slanted, or upright and thinned."""
    distinct = list(dict.fromkeys(labels))
    if sum(len(label) + 2 for label in distinct) <= _LEVEL_LABELS_UP_TO:
        return {"labelAngle": 0}
    if len(distinct) <= _SLANTED_LABELS_UP_TO:
        return {"labelAngle": -40, "labelLimit": 130}
    return {"labelAngle": -90, "labelLimit": 130, "labelOverlap": True, "labelFontSize": 9, "labelSeparation": 2}


def _mark(mark: str, rows: Sequence[Sequence[Any]], kind: _Kind) -> dict[str, Any]:
    """Return the mark's looks. Bars of few categories stay slim; points of a line show while there are few."""
    series = len(rows[0]) > 2 if rows else False  # noqa: PLR2004 - x, y and color
    match mark:
        case "bar" if kind == "nominal":
            band = _WIDTH / max(1, len({row[0] for row in rows}))
            return {"type": "bar", "width": min(round(band * 0.72, 2), _WIDEST_BAR)}
        case "bar":
            return {"type": "bar", "width": {"band": 0.72}}
        case "line":
            few = len(rows) <= _POINTS_UP_TO
            return {"type": "line", "strokeWidth": 2, "point": {"size": 30, "filled": True} if few else False}
        case "area":
            return {"type": "area", "opacity": 0.85} if series else {"type": "area", "opacity": 0.18, "line": True}
        case "point":
            return {"type": "point", "filled": True, "size": 36, "opacity": 0.7}
    return {"type": mark}


def _color(column: ColumnContent, found: Iterable[str]) -> dict[str, Any]:
    longest = max((len(label) for label in found), default=1)
    columns = max(1, int(_WIDTH / (longest * 6.5 + 30)))
    title = column.title if sqltypes.is_number(column.type) else None
    return {"type": "nominal", "sort": None, "legend": {"title": title, "columns": columns}}


_TIME_FORMATS = {
    "year": "%Y",
    "quarter": "%b",
    "month": "%b",
    "week": "%-d %b",
    "date": "%-d %b",
    "day": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": ".%L",
}
"""How the labels of a time axis are written, by the unit that they stand for (d3-time-format)."""

_CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": FONTS,
    "padding": 4,
    "range": {"category": list(PALETTE)},
    "mark": {"color": PALETTE[0]},
    "line": {"color": PALETTE[0], "strokeJoin": "round"},
    "view": {"stroke": None},
    "axis": {
        "domainColor": _RULE,
        "gridColor": _RULE,
        "labelColor": _MUTED,
        "labelFontSize": 11,
        "labelPadding": 6,
        "tickColor": _RULE,
        "ticks": False,
        "titleColor": _MUTED,
        "titleFontSize": 11,
        "titleFontWeight": 500,
        "titlePadding": 10,
    },
    "axisX": {"domain": True, "domainColor": "#9CA3AF", "grid": False, "ticks": False},
    "axisY": {
        "domain": False,
        "tickCount": 5,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleAngle": 0,
        "titleX": 0,
        "titleY": -12,
    },
    "legend": {
        "direction": "horizontal",
        "labelColor": _INK,
        "labelFontSize": 11,
        "offset": 30,
        "orient": "top",
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "titleColor": _MUTED,
        "titleFontSize": 11,
        "titleFontWeight": 500,
        "titleOrient": "left",
    },
}
