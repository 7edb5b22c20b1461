"""HTML: the page in one file."""

from report_operator.api.outputs import Output
from report_operator.run.documents import Material
from report_operator.run.page import lay_out


def write(output: Output, material: Material) -> None:
    """Write the page; the built-in template puts style and pictures into it."""
    material.target(output).write_text(lay_out(material), encoding="utf-8")
