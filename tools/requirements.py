"""Write which tests name which rows of docs/requirements.md; the states are written by hand."""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping, Set
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/requirements.md"
TESTS = ROOT / "tests"
_ROW = re.compile(r"^\| (?P<id>[A-Z]\d+) \| (?P<text>.*) \| (?P<state>done|partly[^|]*|open) \| (?P<tests>[^|]*)\|$")


def main() -> None:
    """Write the page when it changed, and say so."""
    before = PAGE.read_text()
    after = with_tests(before, marked())
    if after != before:
        PAGE.write_text(after)
        print(f"    wrote {PAGE.name}")


def states(page: str) -> dict[str, str]:
    """Return the state of each row, by id, in the order of the page."""
    return {row["id"]: row["state"] for line in page.splitlines() if (row := _ROW.match(line))}


def marked() -> dict[str, set[str]]:
    """Return the files of the tests marked with `requirement(id, ...)`, by id."""
    found = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement":
                for each in node.args:
                    found[ast.literal_eval(each)].add(path.relative_to(TESTS).as_posix())
    return found


def with_tests(page: str, tests: Mapping[str, Set[str]]) -> str:
    """Return the page with these files in its rows."""
    return "".join(f"{_with_tests(line, tests)}\n" for line in page.splitlines())


def _with_tests(line: str, tests: Mapping[str, Set[str]]) -> str:
    if (row := _ROW.match(line)) is None:
        return line
    files = "".join(f"`{name}`, " for name in sorted(tests.get(row["id"], ()))).removesuffix(", ")
    return " | ".join(("| " + row["id"], row["text"], row["state"], f"{files} |" if files else "|"))
