"""What charts look like: the page's font and colours."""

from typing import Any

WIDTH, HEIGHT = 720, 230
"""Pixels: the whole width, and the height between the axes."""

FONTS = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B7280", "#882255")
"""Tells series apart for colour-blind readers too: Okabe and Ito's colours but for yellow and black, which do badly
as marks on paper, then a grey and Tol's wine."""

_INK, _MUTED, _RULE, _LINE = "#111827", "#4B5563", "#E5E7EB", "#9CA3AF"
_SMALL = {"labelFontSize": 11, "titleColor": _MUTED, "titleFontSize": 11, "titleFontWeight": 500}

CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": FONTS,
    "padding": 4,
    "range": {"category": list(PALETTE)},
    "mark": {"color": PALETTE[0]},
    "line": {"strokeJoin": "round"},
    "view": {"stroke": None},
    "axis": {
        **_SMALL,
        "gridColor": _RULE,
        "labelColor": _MUTED,
        "labelFlush": False,
        "labelPadding": 6,
        "ticks": False,
        "titlePadding": 10,
    },
    "axisX": {"domainColor": _LINE, "grid": False},
    "axisY": {
        "domain": False,
        "tickCount": 5,
        # Above the axis and level, where it is read first and takes no width.
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleAngle": 0,
        "titleX": 0,
        "titleY": -12,
    },
    "legend": {
        **_SMALL,
        "direction": "horizontal",
        "labelColor": _INK,
        "offset": 30,
        "orient": "top",
        "symbolType": "square",
        "titleOrient": "left",
    },
}
"""Vega-Lite's config."""
