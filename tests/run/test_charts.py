"""Charts: the specification, and the picture that the real vl-convert makes of it."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from report_operator.run import charts
from report_operator.run.chart_style import PALETTE
from report_operator.run.document import ChartContent, ColumnContent
from report_operator.run.drawing import Drawings


def _chart(
    rows: list[list[Any]], x: str = "VARCHAR", y: str = "DOUBLE", color: str | None = None, **fields: Any
) -> ChartContent:
    types = [("x", x), ("y", y), *([("color", color)] if color else [])]
    columns = [ColumnContent(name=name, title=name, type=type_) for name, type_ in types]
    return ChartContent(
        table="t", columns=columns, rows=rows, total_rows=len(rows), **{"mark": "bar", "title": "Sales"} | fields
    )


def _svg(chart: ChartContent, key: str) -> str:
    with Drawings({key: chart}) as drawings:
        return drawings.element(key)


def _texts(chart: ChartContent) -> list[str]:
    """Return all texts that can be seen in the picture."""
    nodes = ET.fromstring(_svg(chart, "k")).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(node.itertext()) for node in nodes if node.get("opacity") != "0"]


def test_categories_keep_the_order_of_the_data() -> None:
    texts = _texts(_chart([["zebra", 1], ["ape", 3], ["mole", 2]]))
    assert [text for text in texts if text in ("zebra", "ape", "mole")] == ["zebra", "ape", "mole"]


def test_series_keep_the_order_of_the_data() -> None:
    texts = _texts(_chart([["a", 1, "z"], ["a", 2, "m"], ["b", 3, "z"]], color="VARCHAR", mark="line"))
    assert [text for text in texts if text in ("z", "m")] == ["z", "m"]


def test_bars_over_months_stand_on_every_month_even_without_a_row() -> None:
    rows = [[date(2025, 11, 1), 1], [date(2025, 12, 1), 3], [date(2026, 3, 1), 2]]
    labels = [text for text in _texts(_chart(rows, x="DATE")) if len(text) > 1 and text[0].isalpha()]
    assert labels == ["Nov2025", "Dec", "Jan2026", "Feb", "Mar"]


@pytest.mark.parametrize(
    ("found", "places"),
    [
        ([], 0),
        ([datetime(2026, 1, 1)], 1),
        ([datetime(2016, 1, 1), datetime(2026, 1, 1), datetime(2020, 1, 1)], 6),
        ([datetime(2026, 1, 1), datetime(2026, 4, 1)], 2),
        ([datetime(2026, 1, 5), datetime(2026, 1, 12), datetime(2026, 1, 26)], 4),
        ([datetime(2026, 1, 5, 0), datetime(2026, 1, 5, 1), datetime(2026, 1, 5, 23)], 24),
        # One-off times: no grid, a time axis.
        ([datetime(2026, 1, 1), datetime(2026, 3, 1, 12, 34, 56)], 2),
        ([datetime(2026, 1, 1, 0, 0, 1), datetime(2026, 1, 1, 0, 0, 4), datetime(2026, 3, 1)], 0),
    ],
)
def test_places_of_bars_along_time(found: list[datetime], places: int) -> None:
    spec = charts.specification(_chart([[moment, 1] for moment in found], x="TIMESTAMP"))
    assert len(spec["encoding"]["x"].get("scale", {}).get("domain", [])) == places


def test_times_are_moments_in_utc() -> None:
    rows = [[datetime(2026, 5, 4, 22, tzinfo=UTC), 1], [datetime(2026, 5, 5, 2, tzinfo=UTC), 2]]
    spec = charts.specification(_chart(rows, x="TIMESTAMP WITH TIME ZONE", mark="line"))
    assert spec["encoding"]["x"]["scale"] == {"type": "utc"}
    assert [row["x"] for row in spec["data"]["values"]] == [1777932000000, 1777946400000]


@pytest.mark.parametrize(
    ("x", "mark", "kind"),
    [
        ("INTEGER", "bar", "nominal"),
        ("INTEGER", "line", "quantitative"),
        ("DECIMAL(9,2)", "point", "quantitative"),
        ("DATE", "line", "temporal"),
        ("DATE", "bar", "ordinal"),
        ("VARCHAR", "area", "nominal"),
        ("BOOLEAN", "line", "nominal"),
    ],
)
def test_the_type_of_the_column_decides_on_the_axis(x: str, mark: str, kind: str) -> None:
    value: Any = {"DATE": date(2026, 5, 4), "VARCHAR": "a", "BOOLEAN": True}.get(x, 1)
    assert charts.specification(_chart([[value, 1]], x=x, mark=mark))["encoding"]["x"]["type"] == kind


@pytest.mark.parametrize(
    ("largest", "labels"),
    [
        (2_500_000, {"0", "500k", "1M", "1.5M", "2M", "2.5M"}),
        (4_000, {"0", "1,000", "2,000", "3,000", "4,000"}),
        (0.0004, {"0", "0.0001", "0.0002", "0.0003", "0.0004"}),
    ],
)
def test_the_labels_of_numbers_are_short(largest: Any, labels: set[str]) -> None:
    assert labels <= set(_texts(_chart([["a", largest]])))


def test_years_have_no_thousands_separator() -> None:
    assert "2020" in _texts(_chart([[year, 1] for year in range(2018, 2023)], x="INTEGER", mark="line"))


def test_what_is_no_number_is_a_gap_and_what_has_no_place_is_left_out() -> None:
    rows: list[list[Any]] = [[1, 1], [2, None], [3, float("nan")], [4, Decimal("2.5")], [None, 9]]
    spec = charts.specification(_chart(rows, x="INTEGER", mark="line"))
    assert [row["y"] for row in spec["data"]["values"]] == [1.0, None, None, 2.5]
    json.dumps(spec, allow_nan=False)


def test_a_missing_category_is_a_dash() -> None:
    assert "\N{EN DASH}" in _texts(_chart([["a", 1], [None, 2]]))


def test_many_categories_are_turned_and_thinned() -> None:
    labels = [text for text in _texts(_chart([[f"Place {i}", i] for i in range(300)])) if text.startswith("Place")]
    assert 25 < len(labels) < 150


def test_bars_of_numbers_beside_names_lie_in_the_order_of_the_data() -> None:
    chart = _chart([[3, "zebra"], [10, "ape"]], x="INTEGER", y="VARCHAR")
    spec = charts.specification(chart)
    assert [spec["encoding"][channel]["type"] for channel in "xy"] == ["quantitative", "nominal"]
    assert spec["encoding"]["x"]["scale"]["zero"]
    assert spec["height"] == 40
    assert [text for text in _texts(chart) if text in ("zebra", "ape")] == ["zebra", "ape"]


def test_very_many_bars_that_lie_fit_on_a_page() -> None:
    chart = _chart([[i, f"Place {i}"] for i in range(500)], x="INTEGER", y="VARCHAR")
    assert charts.specification(chart)["height"] == 800


@pytest.mark.parametrize("mark", ["bar", "line", "area", "point"])
def test_rows_without_any_place_are_an_empty_chart(mark: str) -> None:
    assert "<svg" in _svg(_chart([[None, 1]], x="DATE", mark=mark), "k")


def test_text_of_the_data_is_text_in_the_picture() -> None:
    hostile = "</text><script>alert(1)</script>"
    svg = _svg(_chart([[hostile, 1, hostile]], color="VARCHAR", title=hostile), "k")
    assert "<script" not in svg
    assert hostile in "".join(ET.fromstring(svg).itertext())


def test_the_picture_has_a_title_and_ids_of_its_own() -> None:
    root = ET.fromstring(_svg(_chart([["a", 1]]), "block-1-2"))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "block-1-2-title"
    assert root[0].text == "Sales"
    assert all(node.get("id", "block-1-2").startswith("block-1-2") for node in root.iter())


def test_the_picture_refers_to_nothing() -> None:
    rows = [[f"http://example.com/{i}", i, "javascript:alert(1)"] for i in range(3)]
    svg = _svg(_chart(rows, color="VARCHAR"), "k")
    assert not re.search(r"href|url\(|<image|<use|<style", svg)


@pytest.mark.parametrize("mark", ["bar", "line", "area", "point"])
def test_every_mark_is_drawn(mark: str) -> None:
    svg = _svg(_chart([["a", 1, "s"], ["b", 2, "s"], ["a", 2, "t"]], color="VARCHAR", mark=mark), "k")
    assert PALETTE[1] in svg


def test_the_same_rows_make_the_same_picture() -> None:
    chart = _chart([["a", 1], ["b", 2]])
    assert _svg(chart, "k") == _svg(chart, "k")
