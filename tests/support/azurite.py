"""Azurite on loopback: Microsoft's own stand-in for Azure Blob Storage.

It checks keys, signatures and conditions. The library is newer than the newest version of the API that it knows.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient

from tests.localcluster import programs
from tests.support.cloud_programs import serving
from tests.support.ports import free_ports

ACCOUNT = "teama"
KEY = "cmVwb3J0cy1rZXktb2YtdGhlLXRlc3Rz"
CONTAINER = "reports"


@dataclass(frozen=True)
class Azurite:
    """A running store with an empty container `reports`."""

    endpoint: str
    """URL of the storage account."""

    def container(self, name: str = CONTAINER) -> Any:
        """Return a client with the account's key."""
        return ContainerClient(self.endpoint, name, KEY)

    @property
    def connection_string(self) -> str:
        """Return what the portal shows under "Access keys"."""
        protocol = "DefaultEndpointsProtocol=http"
        return f"{protocol};AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint};"


@contextlib.contextmanager
def running(folder: Path, certificate: Path | None = None) -> Iterator[Azurite]:
    """Start a store with its log in `folder`; end it afterwards.

    With a certificate, whose key is beside it as `.key`, it speaks TLS and takes tokens of Microsoft Entra: it checks
    what they claim and not their signature.
    """
    [port] = free_ports(1)
    url = f"http{'s' if certificate else ''}://127.0.0.1:{port}"
    tls: list[str | Path]
    tls = ["--cert", certificate, "--key", certificate.with_suffix(".key"), "--oauth", "basic"] if certificate else []
    program = programs.azurite() / "dist/src/blob/main.js"
    command: list[str | Path] = [
        programs.node(), program, "--blobHost", "127.0.0.1", "--blobPort", str(port),
        "--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck", *tls,
    ]  # fmt: skip
    with serving(command, url, folder / "azurite.log", {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}):
        store = Azurite(f"{url}/{ACCOUNT}")
        store.container().create_container()
        yield store
