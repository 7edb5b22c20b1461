"""Kinds of sources: each module here reads one of them and writes its rows to a Parquet file."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from report_operator.api.conditions import Reason
from report_operator.api.sources import ConfigMapFile, Http, Inline, Source, Sql
from report_operator.run.failure import RunError
from report_operator.run.sources.task import Task

_MODULES: dict[type, str] = {Inline: "inline", ConfigMapFile: "config_map", Http: "http", Sql: "sql"}
"""Module of each kind, loaded when a Report has such a source. It has `read(kind, task)`."""


def read(source: Source, task: Task) -> None:
    """Write the rows of a source to `task.target`; raises RunError."""
    try:
        kind = source.kind
    except ValueError as error:
        raise RunError(Reason.INVALID_SPEC, str(error)) from error
    module = import_module(f"{__name__}.{_MODULES[type(kind)]}")
    reader: Callable[[Any, Task], None] = module.read
    reader(kind, task)
