"""The process that draws: the real one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.run import charts, drawing
from report_operator.run.document import ChartContent, ColumnContent
from report_operator.run.drawing import Drawings
from report_operator.run.failure import RunError


def _chart(title: str) -> ChartContent:
    columns = [ColumnContent(name=name, title=name, type="INTEGER") for name in ("x", "y")]
    return ChartContent(table="t", title=title, mark="bar", columns=columns, rows=[[1, 2]], total_rows=1)


def test_every_chart_is_drawn_under_its_key() -> None:
    with Drawings({"a": _chart("first"), "b": _chart("second")}) as drawings:
        assert 'id="b-title">second<' in drawings.element("b")
        assert 'id="a-title">first<' in drawings.element("a")


def test_no_chart_needs_no_process() -> None:
    with Drawings({}) as drawings:
        assert drawings._process is None


def test_the_process_ends_when_nobody_waits_for_it() -> None:
    with Drawings({"a": _chart("first")}) as drawings:
        process = drawings._process
    assert process is not None
    assert process.poll() is not None


def test_a_process_without_memory_is_told_as_that() -> None:
    """Killed here as the kernel kills it at the memory limit of its cgroup."""
    with Drawings({"a": _chart("first")}) as drawings:
        assert drawings._process is not None
        drawings._process.kill()
        with pytest.raises(RunError) as caught:
            drawings.element("a")
    assert caught.value.reason is Reason.OUT_OF_MEMORY


def test_a_fault_is_told_with_what_vega_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "specification", lambda _: {"mark": "no such mark", "encoding": {}})
    with Drawings({"a": _chart("first")}) as drawings, pytest.raises(RuntimeError, match="vl-convert failed: "):
        drawings.element("a")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/data.json", "https://127.0.0.1:9/data.json", "//127.0.0.1:9/x", "/x"]
)
def test_no_data_is_loaded(url: str) -> None:
    done = _run({"data": {"url": url}})
    assert done.returncode == 1
    assert b"not allowed" in done.stderr


def test_no_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("x,y\nsecret word,1\n")
    assert "secret word" in _run({"data": {"values": [{"x": "secret word", "y": 1}]}}).stdout.decode()
    assert "secret word" not in _run({"data": {"url": f"file://{file}"}}).stdout.decode()


def _run(changes: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    spec = charts.specification(_chart("first")) | changes
    return subprocess.run(
        [sys.executable, "-I", drawing._PROGRAM],
        input=json.dumps([spec]).encode(),
        capture_output=True,
        check=False,
    )
