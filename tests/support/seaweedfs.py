"""A real S3 store on loopback: SeaweedFS in one process, with all its data in a folder."""

import contextlib
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

    def client(self) -> Any:
        """Return a boto3 client with the store's credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = free_ports(len(_PORTS))
        self._process: subprocess.Popen[bytes] | None = None
        self.store = SeaweedFS(endpoint=f"http://127.0.0.1:{self._ports[0]}")

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
def server(folder: Path) -> Iterator[Server]:
    """Return a store with its data in `folder` that is to be started; kill it afterwards."""
    made = Server(folder)
    try:
        yield made
    finally:
        made.kill()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[SeaweedFS]:
    """Start a store with its data in `folder`; end it afterwards."""
    with server(folder) as made:
        made.start()
        yield made.store


def _wait_ready(store: SeaweedFS, log: Path) -> None:
    """Wait until the bucket is there, which comes after the store answers."""
    client, until = store.client(), time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(BotoCoreError, ClientError):
            client.head_bucket(Bucket=BUCKET)
            return
        time.sleep(0.1)
    raise TimeoutError(f"SeaweedFS is not ready: {log.read_text(errors='replace')[-2000:]}")
