"""docs/benchmarks.md: each benchmark puts its own sections there and leaves the others alone."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.bench.figures import Section


def arguments(what: str) -> argparse.ArgumentParser:
    """Return the command line that every benchmark has."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how figures are printed")
    parser.add_argument("--page", type=Path, help="Markdown file to put the tables into, section by section")
    return parser


def publish(sections: Iterable[Section], page: Path | None, output: str) -> None:
    """Put the sections into the page if there is one, each as soon as it is there; print all to standard output."""
    found = []
    for section in sections:
        found.append(section)
        if page is not None:
            page.write_text(with_sections(page.read_text(), [section]))
    if output == "json":
        print(json.dumps([section.to_json() for section in found], indent=2))
    else:
        print("\n\n".join(f"## {section.heading}\n\n{section.to_markdown()}" for section in found))


def with_sections(page: str, sections: Sequence[Section]) -> str:
    """Return the page with these sections in place of those that begin with the same word, such as `(a)`.

    Sections are ordered by their headings; what comes before the first one stays as it is.
    """
    intro, *found = re.split(r"^## ", page, flags=re.MULTILINE)
    bodies = {body.split(maxsplit=1)[0]: body.strip() for body in found}
    bodies |= {s.heading.split(maxsplit=1)[0]: f"{s.heading}\n\n{s.to_markdown()}" for s in sections}
    return "\n\n".join([intro.strip(), *(f"## {bodies[key]}" for key in sorted(bodies))]) + "\n"


def say(what: str) -> None:
    """Tell what is going on, on standard error: standard output is for the figures."""
    print(f"--> {what}", file=sys.stderr, flush=True)
