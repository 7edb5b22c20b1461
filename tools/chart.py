"""Write what is generated of the chart, and the plain manifests that it renders to.

`values.schema.json` is the one source of the values: their order, defaults and descriptions.
"""

import json
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts/report-operator"
INSTALL = ROOT / "manifests/install.yaml"
NAMESPACE = "report-operator"
_TABLE_BEGIN, _TABLE_END = "<!-- values: generated -->\n", "<!-- end of values -->\n"
_NAMESPACE = f"""\
# Generated from charts/report-operator by `make generate`; do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def main() -> None:
    """Write what changed and say so."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    _write(CHART / "values.yaml", values_yaml(schema))
    _write(CHART / "README.md", with_table((CHART / "README.md").read_text(), schema))
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        _write(CHART / "files/crds" / path.name, path.read_text())
    _write(INSTALL, install_yaml())


def values_yaml(schema: Mapping[str, Any]) -> str:
    """Return the text of values.yaml: every value with its description above and its default."""
    lines = ["# Generated from values.schema.json by `make generate`; do not edit."]
    for name, node in _properties(schema):
        lines += ["", *_value_lines(name, node, indent="")]
    return "\n".join(lines) + "\n"


def with_table(readme: str, schema: Mapping[str, Any]) -> str:
    """Return the README with the table of values between its two marks."""
    head, rest = readme.split(_TABLE_BEGIN)
    tail = rest.split(_TABLE_END)[1]
    rows = [f"| `{path}` | `{json.dumps(node['default'])}` | {node['description']} |" for path, node in _leaves(schema)]
    table = "\n".join(["| value | default | meaning |", "|---|---|---|", *rows, ""])
    return f"{head}{_TABLE_BEGIN}{table}{_TABLE_END}{tail}"


def install_yaml() -> str:
    """Return the chart with its defaults as plain YAML, for kubectl and GitOps tools without Helm."""
    helm = subprocess.run([ROOT / "tests/localcluster/tool", "helm"], stdout=subprocess.PIPE, check=True, text=True)
    command = (helm.stdout.strip(), "template", "report-operator", CHART, f"--namespace={NAMESPACE}")
    rendered = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    # Who manages an object is said by who applies it, and here it is not Helm.
    helmless = (
        line for line in rendered.splitlines() if "managed-by: Helm" not in line and "helm.sh/chart:" not in line
    )
    return _NAMESPACE + "\n".join(line.rstrip() for line in helmless) + "\n"


def _properties(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, child) for name, child in node["properties"].items() if name != "global")


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, child in _properties(node):
        if "default" in child:
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _value_lines(name: str, node: Mapping[str, Any], indent: str) -> list[str]:
    comment = textwrap.wrap(node["description"], 110 - len(indent))
    lines = [f"{indent}# {line}" for line in comment]
    if "default" not in node:
        children = [_value_lines(child, inner, indent + "  ") for child, inner in _properties(node)]
        return [*lines, f"{indent}{name}:", *(line for child in children for line in child)]
    text = yaml.safe_dump({name: node["default"]}, default_flow_style=False, sort_keys=False)
    return [*lines, *(indent + line for line in text.splitlines())]


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"    wrote {path.relative_to(ROOT)}")
