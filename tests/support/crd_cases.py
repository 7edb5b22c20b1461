"""Values that a CustomResourceDefinition refuses, found in its schema, and an object that sets every field of it.

The bounds (lengths, patterns, enums, ranges, required fields) are found by themselves; the CEL rules are listed with
accepted and refused values.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from report_operator.api.crd import Kind, schema_of
from tests.support.apiserver import ROOT
from tests.support.manifests import load

Manifest = dict[str, Any]
_RULES = "x-kubernetes-validations"


@dataclass(frozen=True)
class Refused:
    """A wrong value and what the API server has to say about it."""

    path: str
    value: Any
    says: str


@dataclass(frozen=True)
class Rule:
    """One CEL rule with the values that it lets pass and that it refuses."""

    message: str
    accepted: tuple[tuple[str, Any], ...]
    refused: tuple[Refused, ...]


def rule(message: str, accepted: tuple[tuple[str, Any], ...], *refused: Refused) -> Rule:
    return Rule(message, accepted, refused)


@dataclass(frozen=True)
class Alternative:
    """The value of a field that the full object cannot set, because it sets others of a choice."""

    value: Any
    instead_of: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """A node of the schema, and where it is."""

    path: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class CrdCases:
    """A kind and what its CRD has to refuse."""

    kind: Kind
    rules: tuple[Rule, ...]
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)
    """By path."""
    elsewhere: Mapping[str, "CrdCases"] = field(default_factory=dict)
    """By path, the parts that the cases of another kind are about."""

    def __str__(self) -> str:
        return self.kind.kind

    @cached_property
    def full(self) -> Manifest:
        """Return the object that sets every field."""
        manifest: Manifest = load(ROOT / f"tests/data/input/{self.kind.kind.lower()}-full.yaml")
        return manifest

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """Return the schema of a whole object."""
        return schema_of(self.kind)

    @property
    def url(self) -> str:
        """Return where objects of the kind are, in the namespace default."""
        return f"/apis/report-operator.io/v1alpha1/namespaces/default/{self.kind.plural}"

    @cached_property
    def nodes(self) -> list[Node]:
        """Return the nodes of the schema that a user writes."""
        parts = ("metadata", "spec")
        below = [node for part in parts for node in _walk(self.schema["properties"][part], part)]
        return [
            node
            for node in below
            if node.path not in parts and not any(_is_below(node.path, part) for part in self.elsewhere)
        ]

    @cached_property
    def rule_messages(self) -> set[str]:
        """Return the messages of the CEL rules, but for those that are tried elsewhere."""
        schemas = [self.schema, self.schema["properties"]["spec"], *(node.schema for node in self.nodes)]
        found = {entry["message"] for schema in schemas for entry in schema.get(_RULES, ())}
        return found.difference(*(cases.rule_messages for cases in self.elsewhere.values()))

    def create(self, api: httpx.Client, manifest: Mapping[str, Any], validation: str = "Strict") -> httpx.Response:
        """Ask the API server what it would say to an object."""
        return api.post(self.url, params={"dryRun": "All", "fieldValidation": validation}, json=manifest)

    def edited(self, path: str, value: Any) -> Manifest:
        """Return the full object with the value at a path such as `spec.sources[0].name` set, or removed when None."""
        manifest = self._with(path)
        *parents, last = _steps(path)
        node = _at(manifest, parents)
        if value is None:
            del node[last]
        else:
            node[last] = value
        return manifest

    def value_at(self, path: str) -> Any:
        """Return the value that a path has, in the full object or with the alternative."""
        return _at(self._with(path), _steps(path))

    def places(self, pattern: str) -> list[str]:
        """Return the paths in the full object that a schema path such as `spec.sources[].name` stands for."""
        found: list[tuple[str, Any]] = [("", self._with(pattern))]
        for step in pattern.replace("[]", ".[]").split("."):
            if step == "[]":
                found = [(f"{path}[{i}]", item) for path, node in found for i, item in enumerate(node)]
            else:
                found = [(f"{path}.{step}".lstrip("."), node[step]) for path, node in found if step in node]
        return [path for path, _ in found]

    def _with(self, path: str) -> Manifest:
        """Return a copy of the full object; with the alternative, when the path is in one."""
        manifest = copy.deepcopy(self.full)
        for place, alternative in self.alternatives.items():
            if _is_in(path, place):
                for rival in alternative.instead_of:
                    *parents, last = _steps(rival)
                    del _at(manifest, parents)[last]
                *parents, last = _steps(place)
                _at(manifest, parents)[last] = copy.deepcopy(alternative.value)
        return manifest


def bad_values(node: Node) -> Iterator[tuple[str, Any]]:
    """Yield (what the API server says, value) that break one bound each."""
    schema = node.schema
    if "enum" in schema:
        yield "Unsupported value", "nonsense"
    elif "maxLength" in schema and "format" not in schema:
        yield "Too long", "a" * (schema["maxLength"] + 1)
    if schema.get("minLength", 0) > 0 and "enum" not in schema:
        yield "should be at least", ""
    if "pattern" in schema:
        yield "should match", "\n" * schema.get("minLength", 1)
    if "format" in schema and schema.get("type") == "string":
        yield "must be of type date-time", "yesterday"
    if "maximum" in schema:
        yield "should be less than or equal to", schema["maximum"] + 1
    if "minimum" in schema:
        yield "should be greater than or equal to", schema["minimum"] - 1
    if schema.get("type") == "array" and "x-kubernetes-list-map-keys" in schema:
        yield "Duplicate value", None


def _walk(schema: Mapping[str, Any], path: str) -> Iterator[Node]:
    yield Node(path, schema)
    for name, child in schema.get("properties", {}).items():
        yield from _walk(child, f"{path}.{name}")
    if "items" in schema:
        yield from _walk(schema["items"], f"{path}[]")


def _is_in(path: str, place: str) -> bool:
    """Return whether a path, of the schema or of an object, is a place in the object or below it."""
    path, place = (re.sub(r"\[\d+\]", "[]", each) for each in (path, place))
    return path == place or _is_below(path, place)


def _is_below(path: str, place: str) -> bool:
    return path.startswith((f"{place}.", f"{place}["))


def _steps(path: str) -> list[str | int]:
    parts = path.replace("[", ".[").split(".")
    return [int(part[1:-1]) if part.startswith("[") else part for part in parts]


def _at(manifest: Manifest, steps: list[str | int]) -> Any:
    node: Any = manifest
    for step in steps:
        node = node[step]
    return node
