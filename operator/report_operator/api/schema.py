"""Pydantic models to the structural OpenAPI v3 schemas of CustomResourceDefinitions.

Strict by whitelist: what the API server would refuse or silently drop (unions, ISO 8601 durations, tuples, recursion,
unbounded strings and lists) is an error here, with the path of the field. Source of the rules: Kubernetes,
"Extend the Kubernetes API with CustomResourceDefinitions", section "Specifying a structural schema".
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema as cs

_ALLOWED = frozenset(
    {
        "type", "format", "description", "default", "enum",
        "properties", "required", "additionalProperties", "items",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties",
        "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string",
        "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
    }
)  # fmt: skip
_TYPELESS = frozenset({"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"})
_YAML_1_1_BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off"})
"""kubectl reads these, unquoted, as booleans (sigs.k8s.io/yaml): as field names they would be lost."""
_RULES = "x-kubernetes-validations"


class SchemaError(TypeError):
    """A model says something that a CustomResourceDefinition cannot."""


class _Structural(GenerateJsonSchema):
    """Makes pydantic's generator speak the OpenAPI dialect of CRDs."""

    def nullable_schema(self, schema: cs.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])  # optional means not required: the API server prunes null

    def literal_schema(self, schema: cs.LiteralSchema) -> JsonSchemaValue:
        out = super().literal_schema(schema)
        return out if "const" not in out else {"type": "string", "enum": [out["const"]]}

    def any_schema(self, schema: cs.AnySchema) -> JsonSchemaValue:
        return {"x-kubernetes-preserve-unknown-fields": True}

    def timedelta_schema(self, schema: cs.TimedeltaSchema) -> JsonSchemaValue:
        raise SchemaError("use fields.Duration: Kubernetes' format duration is Go's, not ISO 8601")

    def union_schema(self, schema: cs.UnionSchema) -> JsonSchemaValue:
        raise SchemaError("unions are not structural: use optional members and fields.exactly_one")

    def tagged_union_schema(self, schema: cs.TaggedUnionSchema) -> JsonSchemaValue:
        raise SchemaError("unions are not structural: use optional members and fields.exactly_one")

    def tuple_schema(self, schema: cs.TupleSchema) -> JsonSchemaValue:
        raise SchemaError("tuples are not structural: use a model or a list")


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the inlined, checked schema of a model.

    Raises SchemaError, with the path of the field, for what a CRD cannot express.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=_Structural)
    return _node(raw, raw.pop("$defs", {}), model.__name__, ())


def _node(raw: Mapping[str, Any], defs: Mapping[str, Any], path: str, seen: tuple[str, ...]) -> dict[str, Any]:
    node, seen = _inlined(raw, defs, path, seen)
    _rewrite(node)
    _check(node, path)
    if "properties" in node:
        node["properties"] = {k: _node(v, defs, f"{path}.{k}", seen) for k, v in node["properties"].items()}
    for inner, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(inner), Mapping):
            node[inner] = _node(node[inner], defs, path + suffix, seen)
    return node


def _inlined(
    raw: Mapping[str, Any], defs: Mapping[str, Any], path: str, seen: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Replace $ref by what it names. Siblings of the reference win; CEL rules of both sides are kept."""
    node = dict(raw)
    while "$ref" in node:
        name = node.pop("$ref").rsplit("/", 1)[-1]
        if name in seen:
            raise SchemaError(f"{path}: the model {name} contains itself")
        seen = (*seen, name)
        checks = [*defs[name].get(_RULES, []), *node.get(_RULES, [])]
        node = {**defs[name], **node} | ({_RULES: checks} if checks else {})
    return node, seen


def _rewrite(node: dict[str, Any]) -> None:
    """Say the same in the words that CRDs allow."""
    node.pop("title", None)  # pydantic's title of the schema, not a property of that name
    if node.get("type", "") is None:
        del node["type"]  # fields.SchemaExtra may take the type away, for int-or-string
    if node.get("default", "") is None:
        del node["default"]
    if isinstance(default := node.get("default"), dict):
        node["default"] = {name: value for name, value in default.items() if value is not None}
    if node.get("additionalProperties") in (True, False) or "x-kubernetes-preserve-unknown-fields" in node:
        node.pop("additionalProperties", None)  # unknown fields are pruned, and refused by strict validation
    if node.get("format") == "date-time":
        node.setdefault("maxLength", 64)
    if node.get("enum") and node.get("type") == "string":
        node.setdefault("maxLength", max(map(len, node["enum"])))
    if "description" in node:
        node["description"] = " ".join(node["description"].split())


def _check(node: Mapping[str, Any], path: str) -> None:
    if unknown := node.keys() - _ALLOWED:
        raise SchemaError(f"{path}: not allowed in a CRD schema: {', '.join(sorted(unknown))}")
    if words := _YAML_1_1_BOOLEANS.intersection([*node.get("properties", ()), *node.get("enum", ())]):
        raise SchemaError(f"{path}: kubectl reads {', '.join(sorted(words))} as a boolean; choose another word")
    if "type" not in node and not node.keys() & _TYPELESS:
        raise SchemaError(f"{path}: has no type")
    bound = {"string": "maxLength", "array": "maxItems"}.get(node.get("type", ""))
    if bound and bound not in node:
        raise SchemaError(f"{path}: needs {bound}, or the API server refuses CEL rules by their cost")
    if "additionalProperties" in node and "maxProperties" not in node:
        raise SchemaError(f"{path}: needs maxProperties, or the API server refuses CEL rules by their cost")
    if node.get("type") == "array" and "x-kubernetes-list-type" not in node:
        raise SchemaError(f"{path}: say list_map(...) or LIST_ATOMIC, or server-side apply has to guess")
