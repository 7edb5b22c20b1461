"""Writes images as docker-archives, the format that docker, buildah and containerd all read."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

from . import cache, programs

PAUSE_REFERENCE = "localhost/pause:1"

# Go's names, which images use, for those of uname.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(file: Path, reference: str, layer: Path, config: dict[str, Any]) -> None:
    """Write an image of one layer (an uncompressed tar) with the run-time `config` of the OCI image format."""
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    machine = platform.machine()
    image = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "localcluster"}],  # buildah counts one for each layer
    }
    manifest = [{"Config": "image.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(file, "w") as archive:
        for name, document in (("image.json", image), ("manifest.json", manifest)):
            encoded = json.dumps(document).encode()
            member = tarfile.TarInfo(name)
            member.size = len(encoded)
            archive.addfile(member, io.BytesIO(encoded))
        archive.add(layer, "layer.tar")


def pause() -> Path:
    """The docker-archive of the image that holds a pod's namespaces open."""
    program = programs.pause()

    def make(folder: Path) -> None:
        layer = folder / "layer.tar"
        with tarfile.open(layer, "w") as content:
            content.add(program, "pause")
        write(folder / "pause.tar", PAUSE_REFERENCE, layer, {"Entrypoint": ["/pause"], "User": "65535:65535"})
        layer.unlink()

    return cache.entry("pause-image", cache.digest(program, PAUSE_REFERENCE), make) / "pause.tar"
