"""Rows written into the Report itself."""

import json

from report_operator.api.sources import DataFormat, Inline
from report_operator.run.sources.formats import import_file
from report_operator.run.sources.task import Task


def read(kind: Inline, task: Task) -> None:
    """Write the rows to `task.target`; columns are the union of their keys. Raises RunError."""
    task.scratch.write_text(json.dumps(kind.rows), encoding="utf-8")
    import_file(task.database, task.scratch, DataFormat.JSON, task.target, task.subject)
