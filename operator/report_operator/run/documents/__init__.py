"""The output formats, one module each, with `write(output, material)`.

A module is imported only when a report asks for its format: WeasyPrint alone takes a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from report_operator.api.outputs import Output, OutputFormat
from report_operator.api.report import Template
from report_operator.run.document import Document
from report_operator.run.drawing import Drawings
from report_operator.run.tables import Tables
from report_operator.run.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Material:
    """What the files are made of."""

    document: Document
    tables: Tables
    workspace: Workspace
    template: Template
    """The page that HTML and PDF are made with."""
    variables: Mapping[str, Any]
    """What the page sees beside its sections; the same that texts see."""
    drawings: Drawings
    """The pictures of the document's charts."""

    def target(self, output: Output) -> Path:
        """Return the file that an output is written to."""
        return self.workspace.outputs / output.file_name


def has_page(output: Output) -> bool:
    """Return whether an output shows the document as a page, with its charts drawn."""
    return output.format in (OutputFormat.HTML, OutputFormat.PDF)


Writer = Callable[[Output, Material], None]


def write(output: Output, material: Material) -> None:
    """Write the file of an output. Raises RunError."""
    module = import_module(f"{__name__}.{output.format.value}")
    cast("Writer", module.write)(output, material)
