"""Parquet: a table as fetch has left it, types and all."""

import shutil

from report_operator.api.outputs import Output
from report_operator.run.documents import Material


def write(output: Output, material: Material) -> None:
    """Copy the table's file."""
    shutil.copyfile(material.workspace.table(output.table or ""), material.target(output))
