"""fake-gcs-server on loopback in the place of Google Cloud Storage, which cannot be had on a machine of one's own.

It keeps buckets and objects as the JSON API has them, checks CRC32C and takes resumable uploads. It looks at no token
and at no signature, and knows no preconditions in the XML API.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import _cloud_sdk
from google.auth.compute_engine import _metadata

from tests.localcluster import programs
from tests.support.cloud_programs import serving
from tests.support.ports import free_ports

BUCKET = "reports"
ACCOUNT = "reports@team-a.iam.gserviceaccount.com"
_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True)
class FakeGcs:
    """A running store with an empty bucket `reports`."""

    endpoint: str
    """URL of its JSON and XML API."""

    def objects(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the metadata of what the bucket holds below a prefix, by name."""
        answer = httpx.get(f"{self.endpoint}/storage/v1/b/{BUCKET}/o", params={"prefix": prefix})
        return {item["name"]: item for item in answer.raise_for_status().json().get("items", [])}

    def content(self, name: str) -> bytes:
        """Return an object."""
        where = f"{self.endpoint}/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}"
        return httpx.get(where, params={"alt": "media"}).raise_for_status().content


@contextlib.contextmanager
def running(folder: Path) -> Iterator[FakeGcs]:
    """Start a store with its log in `folder`; end it afterwards."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        programs.fake_gcs_server(), "-backend=memory", "-scheme=http", "-host=127.0.0.1", f"-port={port}",
        f"-public-host=127.0.0.1:{port}", f"-external-url={url}",
    ]  # fmt: skip
    with serving(command, f"{url}/_internal/healthcheck", folder / "fake-gcs-server.log"):
        httpx.post(f"{url}/storage/v1/b", params={"project": "team-a"}, json={"name": BUCKET}).raise_for_status()
        yield FakeGcs(url)


def service_account_key(token_uri: str) -> str:
    """Return the JSON key of a service account whose tokens come from `token_uri`."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "team-a",
            "private_key_id": "1",
            "private_key": private_key().private_bytes(*_PEM).decode(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": token_uri,
        }
    )


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Return the service account's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def without_identity(patch: pytest.MonkeyPatch) -> None:
    """Have google-auth find no credentials: as in a pod of another cloud."""
    patch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    patch.setattr(_metadata, "_NO_GCE_CHECK", True)
    patch.setattr(_cloud_sdk, "get_application_default_credentials_path", lambda: "/nowhere")


def with_metadata_server(patch: pytest.MonkeyPatch, url: str) -> None:
    """Have google-auth find the identity of a pod of GKE, whose metadata server is at `url`."""
    without_identity(patch)
    host = url.removeprefix("http://")
    patch.setenv("GCE_METADATA_IP", host)
    patch.setattr(_metadata, "_NO_GCE_CHECK", False)
    patch.setattr(_metadata, "_GCE_METADATA_HOST", host)
