"""docs/benchmarks.md is written by two benchmarks: neither touches what the other has measured."""

from tools.bench import figures, page
from tools.bench.figures import Section, Table

PAGE = """\
# Benchmarks

How to read them.

## (a) One

old a

## (c) Three

old c
"""


def test_sections_take_the_place_of_those_before_and_are_in_order() -> None:
    two = Section("(b) Two", "About two.", (Table(("what", "p50"), (("x", 1234.5),)),), "Notes.")
    three = Section("(c) Three, renamed", "", (Table(("what", "MiB"), (("y", 12345), ("z", None))),))
    text = page.with_sections(PAGE, [three, two])
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Benchmarks", "## (a) One", "## (b) Two", "## (c) Three, renamed"]
    assert "How to read them." in text
    assert "old a" in text
    assert "old c" not in text
    assert "| what | p50 |\n| --- | --- |\n| x | 1,234.50 |\n\nNotes.\n" in text
    assert text.endswith("| what | MiB |\n| --- | --- |\n| y | 12,345 |\n| z |  |\n")
    assert page.with_sections(text, [three, two]) == text


def test_figures_for_programs_are_not_rounded() -> None:
    table = Table(("what", "p50"), (("x", 1234.5678),))
    assert Section("(b) Two", "", (table,)).to_json()["tables"] == [[{"what": "x", "p50": 1234.5678}]]


def test_quantiles_are_figures_that_were_measured() -> None:
    values = [float(value) for value in range(1000, 0, -1)]
    assert figures.tail(values) == (500.0, 990.0, 1000.0)
    assert figures.tail([3.0]) == (3.0, 3.0, 3.0)
