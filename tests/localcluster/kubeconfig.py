"""Adds a cluster's context to a person's kubeconfig file and takes it out again, as kind does."""

from __future__ import annotations

import os
from pathlib import Path

from .command import run
from .layout import Layout


def default_file() -> Path:
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def add(layout: Layout, file: Path, kubectl: Path) -> None:
    """Put the cluster into `file`, as its current context; what else is in there stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # The first file wins where both name something, and gives the current context.
    sources = os.pathsep.join([str(layout.kubeconfig), str(file)])
    merged = run(kubectl, "config", "view", "--flatten", env={"KUBECONFIG": sources})
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(merged)
    unfinished.rename(file)


def remove(name: str, file: Path, kubectl: Path) -> None:
    """Take the cluster out of `file`; no error when it is not in there."""
    entry = f"kind-{name}"
    if not file.exists() or entry not in file.read_text():
        return
    config = (kubectl, "config", "--kubeconfig", file)
    for place in ("contexts", "clusters", "users"):
        run(*config, "unset", f"{place}.{entry}")
    if run(*config, "view", "--output", "jsonpath={.current-context}") == entry:
        run(*config, "unset", "current-context")
