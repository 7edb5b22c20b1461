"""Charts: rows to a Vega-Lite specification, and its picture to an element of the page. Pure; `drawing` draws."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from markupsafe import Markup, escape

from report_operator.api.sections import ValueFormat
from report_operator.run import sqltypes, values
from report_operator.run.chart_style import CONFIG, HEIGHT, WIDTH
from report_operator.run.document import ChartContent, ColumnContent

_CHANNELS = ("x", "y", "color")
_ID = re.compile(r'(\bid="|url\(#|href="#)')

_SI_FROM = 10_000
_WIDEST_BAR = 64
_POINTS_UP_TO = 40
"""Most rows of a line that show a point each."""
_LINE, _MOST_LINES = 20, 40
"""Pixels of a bar that lies, and most of them that get so many."""
_MOST_BARS = 1000
"""Most places for bars along a time axis, empty ones included."""
_LEVEL_LABELS_UP_TO = 100
"""Characters of all labels of an axis that fit side by side; with more, they are turned."""
_SLANTED_LABELS_UP_TO = 25
"""Labels that can be read slanted; more are turned upright and thinned out."""

_YEAR_LABEL = "utcFormat(datum.value, '%Y')"
_MONTH_LABEL = (
    "[utcFormat(datum.value, '%b'), datum.index == 0 || utcmonth(datum.value) == 0 ? utcFormat(datum.value, '%Y') : '']"
)
_DAY_LABEL = "utcFormat(datum.value, '%-d %b')"
_MINUTE_LABEL = "utcFormat(datum.value, '%-d %b %H:%M')"

_Kind = Literal["temporal", "quantitative", "nominal"]


def element(svg: str, chart: ChartContent, key: str) -> Markup:
    """Return the picture of a chart as an element of a page; `key` tells its ids apart from those of other charts."""
    title = escape(chart.title or f"{chart.columns[1].title} by {chart.columns[0].title}")
    head, _, body = _ID.sub(rf"\g<1>{key}-", svg).partition(">")
    return Markup(  # noqa: S704 - vega escapes the data's text
        f'{head} role="img" aria-labelledby="{key}-title"><title id="{key}-title">{title}</title>{body}'
    )


def specification(chart: ChartContent) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart, data included."""
    kinds = _kinds(chart)
    rows = list(_drawable(chart.rows, kinds))
    encoding: dict[str, Any] = {}
    for i, (channel, column) in enumerate(zip(_CHANNELS, chart.columns, strict=False)):
        found = [row[i] for row in rows if row[i] is not None]
        encode = _color if channel == "color" else partial(_position, channel, kinds[i])
        encoding[channel] = {"field": channel, **encode(column, found, chart.mark)}
    return {
        "width": WIDTH,
        "height": _lying_height(rows) if _lies(kinds, chart.mark) else HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": [dict(zip(_CHANNELS, row, strict=False)) for row in rows]},
        "mark": _mark(chart, kinds, encoding["x"], rows),
        "encoding": encoding,
        "config": CONFIG,
    }


def _kinds(chart: ChartContent) -> list[_Kind]:
    """Return how each column is laid out.

    Bars over numbers stand side by side: years, hours, classes. Bars along numbers beside names lie.
    """
    x, y = (_kind(column) for column in chart.columns[:2])
    if chart.mark == "bar" and (x, y) == ("quantitative", "quantitative"):
        x = "nominal"
    return [x, y, "nominal"][: len(chart.columns)]


def _kind(column: ColumnContent) -> _Kind:
    if sqltypes.is_time(column.type):
        return "temporal"
    return "quantitative" if sqltypes.is_number(column.type) else "nominal"


def _lies(kinds: Sequence[_Kind], mark: str) -> bool:
    """Return whether a chart is of bars that lie: numbers along x, names along y."""
    return mark == "bar" and (kinds[0], kinds[1]) == ("quantitative", "nominal")


def _lying_height(rows: Sequence[Sequence[Any]]) -> int:
    """Return a height that has a line for each bar that lies, on one page."""
    return min(max(1, len({row[1] for row in rows})), _MOST_LINES) * _LINE


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


def _position(channel: str, kind: _Kind, column: ColumnContent, found: Sequence[Any], mark: str) -> dict[str, Any]:
    """Return the encoding of the x or y channel."""
    match kind:
        case "temporal":
            places = _time_places(found) if (channel, mark) == ("x", "bar") else []
            return _time(column, places)
        case "quantitative":
            zero = mark == "bar" or (channel == "y" and mark == "area")
            nice = channel == "y" or mark in ("bar", "point")
            label = f"format(datum.value, '{_number_format(channel, column, found)}')"
            axis = {"title": column.title, "labelExpr": label, "grid": channel == "y" or mark == "bar"}
            return {"type": kind, "scale": {"zero": zero, "nice": nice}, "axis": axis}
    labels = _turned(found) if channel == "x" else {"labelLimit": 220, "labelOverlap": True}
    return {"type": kind, "sort": None, "axis": {"title": column.title, **labels}}


def _time(column: ColumnContent, places: Sequence[int]) -> dict[str, Any]:
    """Return the encoding of a time axis; bars stand side by side on `places`. Times need no title of their own."""
    title = None if column.title == column.name else column.title
    if not places:
        return {"type": "temporal", "scale": {"type": "utc"}, "axis": {"title": title, "format": _TIME_FORMATS}}
    axis = {"title": title, "labelExpr": _time_label(places), "labelAngle": 0, "labelOverlap": True}
    return {"type": "ordinal", "scale": {"domain": places}, "axis": axis}


def _time_places(found: Sequence[int]) -> list[int]:
    """Return every place for a bar from the first time to the last, gaps included; none when there are too many.

    The places are as far apart as the largest step that leads to all times: months, or a fixed time.
    """
    distinct = sorted(set(found))
    moments = [datetime.fromtimestamp(value / 1000, UTC) for value in distinct]
    if all(_starts_month(moment) for moment in moments):
        months = [moment.year * 12 + moment.month - 1 for moment in moments]
        return [
            round(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000) for month in _steps(months)
        ]
    return _steps(distinct)


def _starts_month(moment: datetime) -> bool:
    return moment == datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _steps(found: Sequence[int]) -> list[int]:
    """Return the numbers from first to last by the largest step that meets them all."""
    step = math.gcd(*(later - earlier for earlier, later in pairwise(found))) or 1
    places = range(found[0], found[-1] + 1, step) if found else range(0)
    return list(places) if len(places) <= _MOST_BARS else []


def _time_label(places: Iterable[int]) -> str:
    """Return the Vega expression of a label: no finer than what tells the places apart."""
    moments = [datetime.fromtimestamp(value / 1000, UTC) for value in places]
    if any(moment.hour or moment.minute or moment.second for moment in moments):
        return _MINUTE_LABEL
    if any(moment.day != 1 for moment in moments):
        return _DAY_LABEL
    return _MONTH_LABEL if any(moment.month != 1 for moment in moments) else _YEAR_LABEL


def _number_format(channel: str, column: ColumnContent, found: Iterable[Any]) -> str:
    """Return the d3 format of an axis: SI prefixes from 10,000 on; years and the like without separators."""
    if max(map(abs, found), default=0) >= _SI_FROM:
        return "~s"
    return "d" if channel == "x" and sqltypes.is_integer(column.type) else ",.6~r"


def _turned(labels: Iterable[str]) -> dict[str, Any]:
    """Return how the labels of an axis are turned so that they can be read: level, slanted, or upright and thinned."""
    distinct = set(labels)
    if sum(len(label) + 2 for label in distinct) <= _LEVEL_LABELS_UP_TO:
        return {"labelAngle": 0}
    if len(distinct) <= _SLANTED_LABELS_UP_TO:
        return {"labelAngle": -40, "labelLimit": 130}
    return {"labelAngle": -90, "labelLimit": 130, "labelOverlap": True, "labelFontSize": 9, "labelSeparation": 2}


def _color(column: ColumnContent, found: Iterable[str], mark: str) -> dict[str, Any]:
    """Return the encoding that tells series apart; their names say what they are, unless they are numbers."""
    longest = max(map(len, found), default=1)
    legend = {
        "title": column.title if sqltypes.is_number(column.type) else None,
        "columns": max(1, int(WIDTH / (longest * 6.5 + 30))),
        "symbolType": "stroke" if mark == "line" else "square",
    }
    return {"type": "nominal", "sort": None, "legend": legend}


def _mark(
    chart: ChartContent, kinds: Sequence[_Kind], x: dict[str, Any], rows: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    """Return the mark's looks. Points of a line show while there are few."""
    looks: dict[str, Any] = {}
    match chart.mark:
        case "bar":
            looks = {"height": {"band": 0.72}} if _lies(kinds, chart.mark) else _upright(x, rows)
        case "line":
            points = {"size": 30, "filled": True} if len(rows) <= _POINTS_UP_TO else False
            looks = {"strokeWidth": 2, "point": points}
        case "area":
            looks = {"opacity": 0.85} if len(kinds) == len(_CHANNELS) else {"opacity": 0.18, "line": True}
        case "point":
            looks = {"filled": True, "size": 36, "opacity": 0.7}
    return {"type": chart.mark, **looks}


def _upright(x: dict[str, Any], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the width of bars: they leave gaps, and stay slim where there are few."""
    if x["type"] == "temporal":
        return {}
    places = len(x.get("scale", {}).get("domain", ())) or len({row[0] for row in rows})
    return {"width": _WIDEST_BAR if WIDTH / max(1, places) * 0.72 > _WIDEST_BAR else {"band": 0.72}}


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
