"""Builds the images that the tests run, with Docker where an engine answers and else with buildah.

An image is kept in the cache as a docker-archive, by the content of the files that go into it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import archive as archives
from . import cache, engine, packages, programs
from .command import run
from .errors import LocalClusterError
from .progress import step

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
SUITE = "trixie"


@dataclass(frozen=True)
class Image:
    """One Dockerfile, the folder that it is built in, and what its key is made of besides."""

    dockerfile: Path
    context: Path
    ingredients: tuple[str | Path, ...]

    def key(self) -> str:
        return cache.digest(self.dockerfile, *self.ingredients)

    @property
    def has_base(self) -> bool:
        return "ARG BASE" in self.dockerfile.read_text()


def report_operator() -> Image:
    copied = (".dockerignore", "LICENSE", "README.md", "operator", "pyproject.toml", "requirements")
    return Image(PROJECT / "Dockerfile", PROJECT, (SUITE, *(PROJECT / name for name in copied)))


def seaweedfs() -> Image:
    folder = programs.weed().parent  # its path has the digest of what is in it
    return Image(HERE / "images/seaweedfs/Dockerfile", folder, (str(folder),))


def postgres() -> Image:
    folder = HERE / "images/postgres"
    return Image(folder / "Dockerfile", folder, (SUITE, folder / "entrypoint"))


BY_NAME: dict[str, Callable[[], Image]] = {
    "report-operator": report_operator,
    "seaweedfs": seaweedfs,
    "postgres": postgres,
}


def reference(name: str) -> str:
    """What pods call the image."""
    return f"localhost/{name}:dev"


def archive_of(image: str) -> Path:
    """The docker-archive of a reference that this module builds. Raises LocalClusterError on any other."""
    for name in BY_NAME:
        if image == reference(name):
            return archive(name)
    known = ", ".join(reference(name) for name in BY_NAME)
    raise LocalClusterError(
        f"image {image!r} is none of {known}; without a Docker engine, load others with: load image-archive FILE"
    )


def archive(name: str) -> Path:
    """Path of the docker-archive of image `name`, built when the cache has none of the present content."""
    image = BY_NAME[name]()

    def build(folder: Path) -> None:
        file = folder / f"{name}.tar"
        with step(f"building image {reference(name)}"):
            if engine.docker_answers():
                _docker(image, reference(name), file)
            else:
                _buildah(image, reference(name), file)

    return cache.entry(f"image-{name}", image.key(), build) / f"{name}.tar"


def _docker(image: Image, tag: str, file: Path) -> None:
    run("docker", "build", *_arguments(image), "--tag", tag, image.context)
    run("docker", "save", "--output", file, tag)


def _buildah(image: Image, tag: str, file: Path) -> None:
    packages.require("buildah", "unshare")
    if os.geteuid() != 0:
        raise LocalClusterError("building images takes root or a Docker engine")
    with cache.locked(cache.root() / "buildah" / "lock"):
        _in_store("rm", "--all")  # what a killed build left
        # chroot: no container runtime and no network of its own. Layers stay for the next build.
        build = ("build", "--isolation", "chroot", "--layers", *_arguments(image))
        base = ("--build-arg", f"BASE={_base()}") if image.has_base else ()
        _in_store(*build, *base, "--tag", tag, image.context)
        _in_store("push", "--quiet", tag, f"docker-archive:{file}:{tag}")


def _in_store(*arguments: str | Path) -> str:
    store = cache.root() / "buildah"
    places = ("--root", store / "storage", "--runroot", store / "run", "--storage-driver", "overlay")
    # In a mount namespace of its own a build that is killed leaves no mount behind.
    return run("unshare", "--mount", "buildah", *places, *arguments)


def _arguments(image: Image) -> list[str]:
    arguments = ["--file", str(image.dockerfile)]
    certificates = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
    if Path(certificates).exists():
        # pip and uv inside the build trust what this machine trusts: a company's proxy, for one.
        inside = "/run/ca/ca.crt"
        arguments += ["--secret", f"id=ca,src={certificates}"]
        arguments += ["--build-arg", f"PIP_CERT={inside}", "--build-arg", f"SSL_CERT_FILE={inside}"]
    return arguments


def _base() -> str:
    """Name of the base image in buildah's store, put there when it is missing."""
    file = _base_archive()
    name = f"localhost/debian:{file.parent.name}"
    if name not in _in_store("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _in_store("pull", "--quiet", f"docker-archive:{file}")
    return name


def _base_archive() -> Path:
    """A docker-archive with the content of debian:trixie-slim, made from Debian's packages."""
    unneeded = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in unneeded]
    kept = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
    options = ("--variant=minbase", "--quiet", *excluded, kept, SUITE)
    key = cache.digest(*options)

    def make(folder: Path) -> None:
        packages.require("mmdebstrap")
        layer = folder / "layer.tar"
        with step(f"making the base image from Debian {SUITE}"):
            run("mmdebstrap", *options, layer)
            archives.write(folder / "base.tar", f"localhost/debian:{key}", layer, {"Cmd": ["bash"]})
        layer.unlink()

    return cache.entry("base-image", key, make) / "base.tar"
