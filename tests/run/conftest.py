"""Real servers and a workspace for the tests of a run."""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.report import ReportSpec
from report_operator.api.run import Request
from report_operator.run.workspace import Workspace
from tests.support import http_server, postgres, seaweedfs
from tests.support.http_server import HttpServer
from tests.support.postgres import Postgres
from tests.support.seaweedfs import SeaweedFS

Resolve = Callable[[str, list[str]], list[str]]


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """A real PostgreSQL server."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 store."""
    with seaweedfs.running(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def web() -> Iterator[HttpServer]:
    """A real HTTP server that answers 404 until the test says otherwise."""
    with http_server.running() as server:
        yield server


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.under(tmp_path)


@pytest.fixture
def order() -> Callable[..., Request]:
    """Make the request for a run: `order(sources=[…], tables=[…])`, wire names inside."""

    def make(**spec: Any) -> Request:
        outputs = spec.pop("outputs", [{"format": "json"}])
        return Request(
            run_id="0b8e-1",
            namespace="team-a",
            name="weekly",
            created_at=datetime(2026, 5, 11, 6, tzinfo=UTC),
            spec=ReportSpec.model_validate(spec | {"outputs": outputs}, extra="forbid"),
        )

    return make


PERIOD = {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"}


@pytest.fixture
def put_secret(workspace: Workspace) -> Callable[[str, str, str], dict[str, Any]]:
    """Mount a value as `put_secret(name, key, value)`; returns the field that refers to it."""

    def put(name: str, key: str, value: str) -> dict[str, Any]:
        file = workspace.secrets / name / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value, encoding="utf-8")
        return {"secretKeyRef": {"name": name, "key": key}}

    return put


@pytest.fixture
def put_config_map(workspace: Workspace) -> Callable[[str, str, str | bytes], dict[str, Any]]:
    """Mount a file as `put_config_map(name, key, content)`; returns the reference."""

    def put(name: str, key: str, content: str | bytes) -> dict[str, Any]:
        file = workspace.config_maps / name / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return {"name": name, "key": key}

    return put


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Have a name resolve to these addresses; returns the list of names that were asked for.

    The resolver of the machine cannot be given a name server of a test: names are answered here, addresses by it.
    """

    def answer(name: str, addresses: list[str]) -> list[str]:
        asked: list[str] = []
        real = socket.getaddrinfo

        def getaddrinfo(host: str, *further: Any, **more: Any) -> Any:
            if host != name:
                return real(host, *further, **more)
            asked.append(host)
            return [entry for each in addresses for entry in real(each, *further, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return answer
