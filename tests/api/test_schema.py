"""The schema generator says what a CRD can say, and refuses the rest with the path of the field."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import Field

from report_operator.api.fields import LIST_ATOMIC, FreeJson, Model, Rule, list_map, rules, wire_name
from report_operator.api.schema import SchemaError, structural_schema

Short = Annotated[str, Field(max_length=5)]


class Inner(Model):
    """Inner."""

    model_config = {"json_schema_extra": rules(Rule("self.a != ''", "a is empty"))}

    a: Short


class Outer(Model):
    """Outer,
    on two lines.
    """

    title: Short | None = None
    inner: Annotated[Inner, Rule("true", "never")] = Inner(a="x")
    """An inner."""
    items: Annotated[list[Inner], Field(max_length=3), list_map("a")] = []
    free: dict[str, FreeJson] = Field(default={}, max_length=3)
    kind: Literal["A"] = "A"


def test_optional_is_not_required_and_not_nullable() -> None:
    schema = structural_schema(Outer)
    assert schema["properties"]["title"] == {"maxLength": 5, "type": "string"}
    assert "required" not in schema


def test_references_are_inlined_with_the_rules_of_both_sides() -> None:
    inner = structural_schema(Outer)["properties"]["inner"]
    assert inner["description"] == "An inner."
    assert inner["default"] == {"a": "x"}
    assert [rule["message"] for rule in inner["x-kubernetes-validations"]] == ["a is empty", "never"]


def test_lists_literals_and_free_json() -> None:
    properties = structural_schema(Outer)["properties"]
    assert properties["items"]["x-kubernetes-list-map-keys"] == ["a"]
    assert properties["kind"] == {"type": "string", "enum": ["A"], "default": "A", "maxLength": 1}
    assert properties["free"]["additionalProperties"] == {"x-kubernetes-preserve-unknown-fields": True}


def test_description_is_one_line() -> None:
    assert structural_schema(Outer)["description"] == "Outer, on two lines."


class Recursive(Model):
    child: Optional["Recursive"] = None


class Unbounded(Model):
    name: str


class UnboundedList(Model):
    names: Annotated[list[Short], LIST_ATOMIC]


class UnboundedMap(Model):
    names: dict[str, Short]


class ListKindMissing(Model):
    names: Annotated[list[Short], Field(max_length=3)]


class Iso(Model):
    length: timedelta


class Choice(Model):
    value: int | Short


class Pair(Model):
    value: tuple[int, int]


class Axis(Model):
    y: Short


class Word(Model):
    word: Literal["on", "off"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Recursive, "Recursive.child: the model Recursive contains itself"),
        (Unbounded, "Unbounded.name: needs maxLength"),
        (UnboundedList, "UnboundedList.names: needs maxItems"),
        (UnboundedMap, "UnboundedMap.names: needs maxProperties"),
        (ListKindMissing, "ListKindMissing.names: say list_map"),
        (Iso, "use fields.Duration"),
        (Choice, "use optional members"),
        (Pair, "use a model or a list"),
        (Axis, "Axis: kubectl reads y as a boolean"),
        (Word, "Word.word: kubectl reads off, on as a boolean"),
    ],
)
def test_what_a_crd_cannot_express_is_refused(model: type[Model], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        structural_schema(model)


@pytest.mark.parametrize(
    ("field", "wire"),
    [("url_ttl", "urlTTL"), ("run_id", "runID"), ("download_url", "downloadURL"), ("name", "name"), ("from_", "from")],
)
def test_wire_names(field: str, wire: str) -> None:
    assert wire_name(field) == wire


def test_free_json_keeps_any_value() -> None:
    value: Any = {"a": [1, None, {"b": 2.5}]}
    assert Outer(free=value).free == value
