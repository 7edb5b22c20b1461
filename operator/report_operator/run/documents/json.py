"""JSON: the document, and the rows of its blocks."""

import json

from report_operator.api.outputs import Output
from report_operator.run.documents import Material


def write(output: Output, material: Material) -> None:
    """Write the document as one line of JSON: wire names, UTF-8, members in the order of the model."""
    text = json.dumps(material.document.to_wire(), ensure_ascii=False, separators=(",", ":"))
    material.target(output).write_text(text + "\n", encoding="utf-8")
