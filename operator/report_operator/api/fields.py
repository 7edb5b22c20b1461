"""The building blocks of the API models: base class, bounded field types, CEL rules and list kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_ACRONYMS = {"arn": "ARN", "id": "ID", "url": "URL", "ttl": "TTL"}


def wire_name(field: str) -> str:
    """Return the JSON name of a field: camelCase, acronyms in capitals unless they come first (`url_ttl`: `urlTTL`)."""
    first, *rest = field.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


class Model(BaseModel):
    """An immutable API type. Unknown fields are ignored, so an older operator survives a newer CRD."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form: wire names, times as RFC 3339, unset optional fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class Rule:
    """One CEL rule (x-kubernetes-validations) of a field or a model.

    `message` is the fixed text that `kubectl` prints; `expression` is CEL that makes the text from the value, and
    falls back to `message` where it cannot be evaluated.
    """

    rule: str
    message: str
    expression: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        node = dict(handler(schema))
        node["x-kubernetes-validations"] = [*node.get("x-kubernetes-validations", []), self.to_schema()]
        return node

    def to_schema(self) -> dict[str, str]:
        """Return the entry of x-kubernetes-validations."""
        entry = {"rule": self.rule, "message": self.message}
        return entry | ({"messageExpression": self.expression} if self.expression else {})


def rules(*items: Rule) -> dict[str, Any]:
    """Return the `json_schema_extra` that attaches rules to a whole model."""
    return {"x-kubernetes-validations": [item.to_schema() for item in items]}


def exactly_one(*names: str) -> Rule:
    """Return the rule that exactly one of these optional members is set."""
    members = ", ".join(names)
    present = count_of(*names)
    chosen = " + ".join(f"(has(self.{name}) ? ' {name}' : '')" for name in names)
    return Rule(
        rule=f"{present} == 1",
        message=f"set exactly one of {members}",
        expression=f"'set exactly one of {members}; now set:' + ({present} == 0 ? ' none' : {chosen})",
    )


def count_of(*names: str) -> str:
    """Return the CEL expression that counts those of these optional members that are set.

    A sum, for a list that is filtered takes the API server several times the CPU, for each object and rule.
    """
    return " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)


@dataclass(frozen=True)
class SchemaExtra:
    """Adds fixed entries, such as x-kubernetes-list-type, to the schema of an annotated field."""

    entries: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), **self.entries}

    def __hash__(self) -> int:
        return hash(tuple(self.entries))


def list_map(*keys: str) -> SchemaExtra:
    """Mark a list whose items are told apart by these required fields: duplicates are refused, apply merges by key."""
    return SchemaExtra({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


LIST_ATOMIC = SchemaExtra({"x-kubernetes-list-type": "atomic"})
"""Mark a list that one manager owns whole."""

INT32 = SchemaExtra({"format": "int32"})
"""Mark an integer of 32 bits."""

INT64 = SchemaExtra({"format": "int64"})
"""Mark an integer of 64 bits."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""Name of a Kubernetes object (RFC 1123 subdomain)."""

DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""Key of a Secret or ConfigMap."""

Identifier = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z_][a-z0-9_]*$")]
"""Name of a source, table or parameter; usable in SQL without quotes."""

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
"""Name of a column, as the data has it."""

FileStem = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$")]
"""File name without its ending."""

Line = Annotated[str, Field(min_length=1, max_length=200)]
"""One line of text for people."""

Query = Annotated[str, Field(min_length=1, max_length=20_000)]
"""One SQL statement."""

Markdown = Annotated[str, Field(min_length=1, max_length=10_000)]
"""Markdown text; HTML in it is shown, not interpreted."""

HttpUrl = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s]+$")]
"""Absolute URL with scheme http or https."""

Duration = Annotated[str, Field(min_length=2, max_length=20, pattern=r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$")]
"""Go duration of whole hours, minutes and seconds, such as 90s, 30m or 1h30m."""

Time = AwareDatetime
"""RFC 3339 time with zone."""

EARLIEST, END = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Bounds of a `Moment`, the second excluded: far enough from where the calendar ends for every zone and window."""
IN_BOUNDS = "must be a time from the years 1900 to 8999"

Moment = Annotated[
    Time, Rule(rule=f"self >= timestamp('{EARLIEST:%FT%TZ}') && self < timestamp('{END:%FT%TZ}')", message=IN_BOUNDS)
]
"""A `Time` that users write."""

PRESERVE = SchemaExtra({"x-kubernetes-preserve-unknown-fields": True})
"""Mark an object whose fields are not pruned; only where free JSON is the feature."""

FreeJson = Annotated[Any, PRESERVE]
"""Any JSON value."""


def between(shortest: str, longest: str) -> Rule:
    """Return the rule that a duration lies in a closed range."""
    return Rule(
        rule=f"duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')",
        message=f"must be between {shortest} and {longest}",
        expression=f"self + ' is out of range: must be between {shortest} and {longest}'",
    )


def parse_duration(text: str) -> timedelta:
    """Return the length of a `Duration` such as `1h30m`; the text has passed the type's pattern."""
    seconds, digits = 0, ""
    for char in text:
        if char.isdigit():
            digits += char
        else:
            seconds += int(digits) * {"h": 3600, "m": 60, "s": 1}[char]
            digits = ""
    return timedelta(seconds=seconds)
