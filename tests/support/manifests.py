"""Manifests for tests."""

from pathlib import Path
from typing import Any

import yaml


def load(path: Path) -> Any:
    """Return the one document of a YAML file as kubectl would send it: times stay strings."""
    return yaml.load(path.read_text(), Loader=_Json)


class _Json(yaml.SafeLoader):
    """Reads times as the strings that JSON has."""

    yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
