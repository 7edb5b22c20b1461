"""A real S3 store on loopback: SeaweedFS in one process, with all its data in a folder."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.localcluster import certificates
from tests.support.ports import free_ports

BUCKET = "reports"
ACCESS_KEY = "reports-access-key"
SECRET_KEY = "reports-secret-key"
_PORTS = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip
_START_LIMIT_SECONDS = 60


@dataclass(frozen=True)
class SeaweedFS:
    """A running store with an empty bucket `reports`."""

    endpoint: str
    """URL of its S3 API."""
    authority: Path | None = None
    """PEM certificate of whom its own is from; None without TLS."""

    def client(self) -> Any:
        """Return a boto3 client with the store's credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            verify=str(self.authority) if self.authority else None,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def keys(self, prefix: str) -> list[str]:
        """Return what the bucket `reports` holds below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


class Server:
    """A store with its data in a folder, which can be killed and started again."""

    def __init__(self, folder: Path, role: str | None = None, *, tls: bool = False, lasting: str = "1h") -> None:
        """Keep a folder; with the ARN of a role, its STS gives keys to who wants to act as that, which may do all.

        They last for `lasting` (Go duration). With `tls` it has a certificate of an authority of its own.
        """
        self._folder = folder
        self._role = role
        self._ports = free_ports(len(_PORTS))
        self._process: subprocess.Popen[bytes] | None = None
        self._tls = tls
        self._lasting = lasting
        scheme, authority = ("https", folder / "ca.crt") if tls else ("http", None)
        self.store = SeaweedFS(f"{scheme}://127.0.0.1:{self._ports[0]}", authority)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        folder = self._folder
        (folder / "data").mkdir(exist_ok=True)
        command = [
            "setpriv", "--pdeathsig", "KILL",  # The kernel ends it when the tests are killed and can no longer do so.
            str(Path(sys.executable).parent / "weed"), "mini",
            f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
            *(f"-{name}={port}" for name, port in zip(_PORTS, self._ports, strict=True)),
            *([f"-s3.iam.config={_roles(folder, self._role, self._lasting)}"] if self._role else []),
            *(_certified(folder) if self._tls else []),
        ]  # fmt: skip
        environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "S3_BUCKET": BUCKET}
        with (folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log, cwd=folder,
                                             start_new_session=True)  # fmt: skip
        _wait_ready(self.store, folder / "weed.log")

    def kill(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def server(folder: Path, role: str | None = None, *, tls: bool = False, lasting: str = "1h") -> Iterator[Server]:
    """Return a store with its data in `folder` that is to be started; kill it afterwards."""
    made = Server(folder, role, tls=tls, lasting=lasting)
    try:
        yield made
    finally:
        made.kill()


@contextlib.contextmanager
def running(folder: Path, role: str | None = None, *, tls: bool = False, lasting: str = "1h") -> Iterator[SeaweedFS]:
    """Start a store with its data in `folder`; end it afterwards."""
    with server(folder, role, tls=tls, lasting=lasting) as made:
        made.start()
        yield made.store


def _certified(folder: Path) -> list[str]:
    """Make a certificate; return the flags with which the S3 API has it."""
    certificates.authority(folder)
    certificates.server(folder, "store", ["IP:127.0.0.1"])
    return [f"-s3.cert.file={folder / 'store.crt'}", f"-s3.key.file={folder / 'store.key'}"]


def _roles(folder: Path, arn: str, lasting: str) -> Path:
    """Write the settings of a role. Conditions of its trust, such as an external id, are not looked at (4.48)."""
    everything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
    anybody = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": "*"}}
    role = {
        "roleName": arn.rpartition("/")[2],
        "roleArn": arn,
        "trustPolicy": {"Version": "2012-10-17", "Statement": [anybody]},
        "attachedPolicies": ["everything"],
    }
    settings = {
        "sts": {"issuer": "sts", "tokenDuration": lasting, "signingKey": base64.b64encode(b"k" * 32).decode()},
        "policies": [{"name": "everything", "document": {"Version": "2012-10-17", "Statement": [everything]}}],
        "roles": [role],
    }
    file = folder / "iam.json"
    file.write_text(json.dumps(settings))
    return file


def _wait_ready(store: SeaweedFS, log: Path) -> None:
    """Wait until the bucket is there, which comes after the store answers."""
    client, until = store.client(), time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(BotoCoreError, ClientError):
            client.head_bucket(Bucket=BUCKET)
            return
        time.sleep(0.1)
    raise TimeoutError(f"SeaweedFS is not ready: {log.read_text(errors='replace')[-2000:]}")
