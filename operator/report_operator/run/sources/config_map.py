"""Rows in a ConfigMap."""

import shutil

from report_operator.api.sources import ConfigMapFile
from report_operator.run.mounts import config_map_file
from report_operator.run.sources.formats import import_file
from report_operator.run.sources.task import Task


def read(kind: ConfigMapFile, task: Task) -> None:
    """Write the rows of the key's file to `task.target`; raises RunError."""
    mounted = config_map_file(task.workspace, kind)
    # The database reads nothing outside the data folder.
    shutil.copyfile(mounted, task.scratch)
    subject = f"{task.subject}: key {kind.key!r} of ConfigMap {kind.name!r}"
    import_file(task.database, task.scratch, kind.format, task.target, subject)
