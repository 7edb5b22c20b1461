"""TSV: CSV with tabs between the cells."""

from report_operator.api.outputs import Output
from report_operator.run.documents import Material
from report_operator.run.documents.csv import write_separated


def write(output: Output, material: Material) -> None:
    """Write the table as CSV is written: a cell with a tab, a quote or a line break in it is quoted."""
    write_separated(output, material, "\t")
