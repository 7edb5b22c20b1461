"""The plugin without a cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from report_operator.kubectl.report import Report
from tests.support import http_server, objects
from tests.support.http_server import HttpServer
from tests.support.plugin import Plugin


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A store that answers as the test says."""
    with http_server.running() as running:
        yield running


@pytest.fixture
def report() -> Callable[..., Report]:
    """Make a Report: `report(phase="Running", …)` are fields of its status."""

    def report(name: str = "weekly", **status: Any) -> Report:
        observed = {"observedGeneration": 1} | status if status else None
        return Report(objects.report(name=name, status=observed))

    return report


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """The plugin with a kubeconfig that leads nowhere."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    return Plugin.install(folder, tmp_path / "kubeconfig")
