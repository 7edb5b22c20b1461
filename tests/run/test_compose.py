"""The document made from spec and tables."""

from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.run.compose import CHART_ROWS, TABLE_COLUMNS, compose
from report_operator.run.database import UNKNOWN
from report_operator.run.document import ChartContent, Document, GridContent, MetricContent, TableContent
from report_operator.run.failure import RunError
from report_operator.run.tables import Tables
from tests.support import rendering

_TABLES = {
    "sales": "SELECT * FROM (VALUES ('a', 10, 0.5), ('b', 20, NULL), ('c', 30, 0.25)) t(name, amount, share)",
    "empty": "SELECT 1 AS amount LIMIT 0",
    "unknown": f'SELECT 1 AS "{UNKNOWN}" LIMIT 0',
    "many": "SELECT i AS x, i * 2 AS y FROM range(6000) r(i)",
}


def _compose(root: Path, *sections: dict[str, Any], **spec: Any) -> Document:
    """Return the document of sections; texts are left as they are, with the metrics in front."""
    request = rendering.request({"sections": sections, "outputs": [{"format": "json"}], **spec})
    with Tables(rendering.workspace(root, _TABLES)) as tables:
        return compose(request, tables, lambda metrics: lambda text, place: f"{metrics} {text} @{place}")


def _blocks(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"blocks": blocks}


def test_the_document_says_where_it_comes_from(tmp_path: Path) -> None:
    document = _compose(
        tmp_path, title="Sales", period={"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}
    )
    assert document.to_wire() == {
        "id": "0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10-1",
        "createdAt": "2026-01-05T06:00:12Z",
        "namespace": "team-a",
        "name": "sample",
        "title": "Sales",
        "period": {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"},
        "template": "standard",
        "sections": [],
        "metrics": {},
    }


def test_the_title_is_the_name_when_there_is_none(tmp_path: Path) -> None:
    document = _compose(tmp_path, template={"configMapRef": {"name": "pages", "key": "page.html"}})
    assert (document.title, document.template) == ("sample", "configmap:pages/page.html")


def test_a_metric_is_the_first_row(tmp_path: Path) -> None:
    metric = {"title": "Sales", "table": "sales", "column": "share", "format": "Percent", "description": "of all"}
    (found,) = _compose(tmp_path, _blocks({"metric": metric})).sections[0].content
    assert found == MetricContent(title="Sales", value=0.5, text="50.0 %", description="of all")


def test_a_metric_of_nothing_is_a_dash(tmp_path: Path) -> None:
    document = _compose(tmp_path, _blocks({"metric": {"title": "Sales", "table": "empty", "column": "amount"}}))
    assert document.sections[0].content == [MetricContent(title="Sales", value=None, text="\N{EN DASH}")]


def test_metrics_are_listed_by_title_and_the_first_of_two_wins(tmp_path: Path) -> None:
    document = _compose(
        tmp_path,
        _blocks({"metric": {"title": "A", "table": "sales", "column": "amount"}}),
        _blocks(
            {
                "grid": {
                    "cards": [
                        {"metric": {"title": "B", "table": "sales", "column": "name"}},
                        {"metric": {"title": "A", "table": "sales", "column": "share"}},
                    ]
                }
            }
        ),
    )
    assert document.metrics == {"A": "10", "B": "a"}
    (grid,) = document.sections[1].content
    assert isinstance(grid, GridContent)
    assert [card.text for card in grid.cards if isinstance(card, MetricContent)] == ["a", "0.50"]


def test_texts_are_filled_in_with_all_metrics_wherever_they_stand(tmp_path: Path) -> None:
    document = _compose(
        tmp_path,
        _blocks({"text": {"title": "T", "content": "one"}}, {"grid": {"cards": [{"text": {"content": "two"}}]}}),
        _blocks({"metric": {"title": "A", "table": "sales", "column": "amount"}}),
    )
    first, grid = document.to_wire()["sections"][0]["content"]
    assert first == {
        "type": "text",
        "title": "T",
        "content": "{'A': '10'} one @spec.sections[0].blocks[0].text.content",
    }
    assert grid["cards"][0]["content"].endswith("two @spec.sections[0].blocks[1].grid.cards[0].text.content")


def test_a_table_shows_all_columns_and_at_most_its_limit(tmp_path: Path) -> None:
    (found,) = _compose(tmp_path, _blocks({"table": {"from": "sales", "limit": 2}})).sections[0].content
    assert isinstance(found, TableContent)
    assert [column.name for column in found.columns] == ["name", "amount", "share"]
    assert found.texts == [["a", "10", "0.50"], ["b", "20", "\N{EN DASH}"]]
    assert found.total_rows == 3


def test_a_table_shows_chosen_columns_in_their_order_and_format(tmp_path: Path) -> None:
    columns = [{"name": "share", "title": "Share", "format": "Percent"}, {"name": "name"}]
    document = _compose(tmp_path, _blocks({"table": {"from": "sales", "title": "Sales", "columns": columns}}))
    assert document.to_wire()["sections"][0]["content"] == [
        {
            "type": "table",
            "table": "sales",
            "title": "Sales",
            "columns": [
                {"name": "share", "title": "Share", "type": "DECIMAL(3,2)"},
                {"name": "name", "title": "name", "type": "VARCHAR"},
            ],
            "rows": [[0.5, "a"], [None, "b"], [0.25, "c"]],
            "totalRows": 3,
            "totalColumns": 2,
        }
    ]


def test_a_table_takes_any_column_name_and_a_bounded_number_of_columns(tmp_path: Path) -> None:
    names = ["x" * 200, *(f"c{i}" for i in range(79))]
    columns = ", ".join(f'1 AS "{name}"' for name in names)
    request = rendering.request({"sections": [_blocks({"table": {"from": "t"}})], "outputs": [{"format": "json"}]})
    with Tables(rendering.workspace(tmp_path, {"t": f"SELECT {columns}"})) as tables:
        (found,) = compose(request, tables, lambda _: lambda text, _: text).sections[0].content
    assert isinstance(found, TableContent)
    assert [column.name for column in found.columns] == names[:TABLE_COLUMNS]
    assert found.total_columns == 80


def test_a_chart_holds_the_rows_that_it_draws(tmp_path: Path) -> None:
    chart = {"table": "many", "mark": "line", "xColumn": "x", "yColumn": "y", "yTitle": "Twice"}
    (found,) = _compose(tmp_path, _blocks({"chart": chart})).sections[0].content
    assert isinstance(found, ChartContent)
    assert [column.title for column in found.columns] == ["x", "Twice"]
    assert (len(found.rows), found.rows[-1], found.total_rows) == (CHART_ROWS, [4999, 9998], 6000)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"metric": {"title": "A", "table": "sales", "column": "nope"}}, "metric.column"),
        (
            {"grid": {"cards": [{"metric": {"title": "A", "table": "sales", "column": "nope"}}]}},
            "grid.cards[0].metric.column",
        ),
        ({"table": {"from": "sales", "columns": [{"name": "name"}, {"name": "nope"}]}}, "table.columns[1]"),
        ({"chart": {"table": "sales", "xColumn": "nope", "yColumn": "amount"}}, "chart.xColumn"),
        ({"chart": {"table": "sales", "xColumn": "name", "yColumn": "nope"}}, "chart.yColumn"),
        (
            {"chart": {"table": "sales", "xColumn": "name", "yColumn": "amount", "colorColumn": "nope"}},
            "chart.colorColumn",
        ),
    ],
)
def test_an_unknown_column_is_named_with_its_place(tmp_path: Path, block: dict[str, Any], place: str) -> None:
    with pytest.raises(RunError) as caught:
        _compose(tmp_path, _blocks({"text": {"content": "-"}}, block))
    assert caught.value.reason is Reason.COLUMN_NOT_FOUND
    assert caught.value.message == (
        f"spec.sections[0].blocks[1].{place}: table 'sales' has no column 'nope'; it has: name, amount, share"
    )


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"metric": {"title": "A", "table": "sales", "column": "name", "format": "Percent"}}, "metric"),
        ({"table": {"from": "sales", "columns": [{"name": "name", "format": "Percent"}]}}, "table.columns[0]"),
    ],
)
def test_a_format_that_does_not_fit_is_named(tmp_path: Path, block: dict[str, Any], place: str) -> None:
    with pytest.raises(RunError) as caught:
        _compose(tmp_path, _blocks(block))
    assert caught.value.reason is Reason.DATA_INVALID
    assert caught.value.message == (
        f"spec.sections[0].blocks[0].{place}: column 'name' of table 'sales' (VARCHAR) cannot be written as Percent:"
        " 'a' is not a number; leave format out, or cast the column in spec.tables"
    )


def test_a_table_of_unknown_columns_is_empty_whatever_column_is_named(tmp_path: Path) -> None:
    metric, table, whole, chart = (
        _compose(
            tmp_path,
            _blocks(
                {"metric": {"title": "Price", "table": "unknown", "column": "price"}},
                {"table": {"from": "unknown", "columns": [{"name": "price", "format": "Decimal"}]}},
                {"table": {"from": "unknown"}},
                {"chart": {"table": "unknown", "mark": "line", "xColumn": "day", "yColumn": "price"}},
            ),
        )
        .sections[0]
        .content
    )
    assert isinstance(metric, MetricContent)
    assert isinstance(table, TableContent)
    assert isinstance(whole, TableContent)
    assert isinstance(chart, ChartContent)
    assert metric.text == "\N{EN DASH}"
    assert ([column.name for column in table.columns], table.rows, table.total_rows) == (["price"], [], 0)
    assert (whole.columns, whole.rows) == ([], [])
    assert ([column.name for column in chart.columns], chart.rows) == (["day", "price"], [])
