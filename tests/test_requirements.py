"""docs/requirements.md and the tests that name its rows agree."""

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/requirements.md"
ROW = re.compile(r"^\| (?P<id>[A-EN]\d+) \| .* \| (?P<state>done|partly[^|]*|open) \| (?P<tests>[^|]*)\|$")


def rows() -> dict[str, tuple[str, set[str]]]:
    """Return (state, files) by id, as the page says."""
    found = [match for line in PAGE.read_text().splitlines() if (match := ROW.match(line))]
    return {row["id"]: (row["state"], set(re.findall(r"`([^`]+)`", row["tests"]))) for row in found}


def marked() -> dict[str, set[str]]:
    """Return the files of the tests marked with `requirement(id, ...)`, by id."""
    found = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement":
                for each in node.args:
                    found[ast.literal_eval(each)].add(str(path.relative_to(TESTS)))
    return found


def test_every_row_names_exactly_the_tests_that_name_it() -> None:
    named = {id_: files for id_, (_, files) in rows().items() if files}
    assert named == marked()


def test_what_is_done_or_partly_done_has_a_test_and_what_is_open_has_none() -> None:
    wrong = [id_ for id_, (state, files) in rows().items() if (state == "open") == bool(files)]
    assert wrong == []


def test_no_row_is_missing() -> None:
    last = {"A": 10, "B": 9, "C": 8, "D": 9, "E": 6, "N": 14}
    assert list(rows()) == [f"{letter}{n}" for letter, count in last.items() for n in range(1, count + 1)]
