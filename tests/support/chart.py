"""The Helm chart, rendered."""

import functools
import json
import subprocess
from typing import Any

import yaml

from tests.support.apiserver import ROOT, tool

CHART = ROOT / "charts/report-operator"

Object = dict[str, Any]


@functools.cache
def _program() -> str:
    return tool("helm")


def helm(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Helm; the caller looks at the return code."""
    return subprocess.run([_program(), *map(str, arguments)], capture_output=True, text=True, check=False)


def render(
    values: Object | None = None, release: str = "report-operator", namespace: str = "reporting"
) -> list[Object]:
    """Return the objects that the chart makes with these values."""
    command = ("template", release, CHART, f"--namespace={namespace}", f"--set-json={json.dumps(values or {})}")
    result = helm(*command)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]


def one(objects: list[Object], kind: str, name: str) -> Object:
    """Return the object of this kind and name."""
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def environment(deployment: Object, container: str) -> dict[str, Any]:
    """Return the environment of a Deployment's container by name: the value, or where it is taken from."""
    [found] = [each for each in deployment["spec"]["template"]["spec"]["containers"] if each["name"] == container]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in found["env"]}
