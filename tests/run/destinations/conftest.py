"""Shipments, and waits that take no time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from report_operator.api.policy import Policy
from report_operator.api.run import Request, Result
from report_operator.run.publish import publish
from report_operator.run.workspace import Workspace
from tests.support.seaweedfs import SeaweedFS
from tests.support.shipping import OUTPUTS, SOURCES, Shipment


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr("report_operator.run.store._LONGEST_WAIT", 0)
    monkeypatch.setattr("report_operator.run.delivery._LONGEST_WAIT", 0)


@pytest.fixture
def ship(
    store: SeaweedFS, order: Callable[..., Request], workspace: Workspace, request: pytest.FixtureRequest
) -> Callable[..., Shipment]:
    """Prepare a shipment to destinations: `ship({"name": …, "webhook": {…}})`."""

    def prepare(*destinations: dict[str, Any], **spec: Any) -> Shipment:
        wanted = order(**{"sources": SOURCES, "outputs": OUTPUTS, **spec}, destinations=list(destinations))
        folder = request.node.nodeid.translate(str.maketrans("[]/: ", "-----"))
        return Shipment.prepare(store, wanted, folder, workspace)

    return prepare


def under_policy(shipment: Shipment) -> Shipment:
    """Return a shipment of a platform team that has changed nothing: loopback is out of bounds."""
    return replace(shipment, request=shipment.request.model_copy(update={"policy": Policy()}))


def sent(shipment: Shipment) -> Result:
    """Publish in this process, and return the result."""
    return publish(shipment.request, shipment.rendered, shipment.workspace)
