"""Manifests on a laptop: one Report, with the Secrets and ConfigMaps that it reads, from YAML files."""

import base64
import binascii
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from report_operator.api.metadata import API_VERSION, GROUP
from report_operator.api.report import ReportSpec
from report_operator.run.check import problems

Json = dict[str, Any]
Values = dict[tuple[str, str], bytes]
"""Content by name of the object and key."""

_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


class ManifestError(Exception):
    """Mistakes of the author: one line each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


@dataclass(frozen=True)
class Manifests:
    """What the files hold."""

    namespace: str
    """Namespace of the Report."""
    name: str
    """Name of the Report."""
    spec: ReportSpec
    """Its spec, valid."""
    secrets: Values = field(default_factory=dict)
    config_maps: Values = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """Reads YAML as Kubernetes does: what looks like a time stays text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(files: Mapping[str, str]) -> Manifests:
    """Return the Report in these files (content by name). Raises ManifestError with all mistakes found."""
    documents = [(place, document) for name, content in files.items() for place, document in _documents(name, content)]
    reports = [(place, document) for place, document in documents if document.get("kind") == "Report"]
    if len(reports) != 1:
        found = ", ".join(place for place, _ in reports) or "none"
        raise ManifestError([f"{', '.join(files)}: expected exactly one object of kind Report; found: {found}"])
    place, report = reports[0]
    metadata = report.get("metadata")
    if report.get("apiVersion") != API_VERSION:
        raise ManifestError([f"{place}: apiVersion is {report.get('apiVersion')!r}: write {API_VERSION}"])
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError([f"{place}: metadata.name is missing: set it"])
    return Manifests(
        namespace=str(metadata.get("namespace", "default")),
        name=metadata["name"],
        spec=_spec(place, report),
        secrets=_values(documents, "Secret", plain="stringData", encoded="data"),
        config_maps=_values(documents, "ConfigMap", plain="data", encoded="binaryData"),
    )


def _documents(name: str, content: str) -> Iterator[tuple[str, Json]]:
    """Yield the objects of a file with their place; objects in a List too."""
    try:
        parsed = list(yaml.load_all(content, _Loader))
    except yaml.YAMLError as error:
        raise ManifestError([f"{name}: no valid YAML: {' '.join(str(error).split())}"]) from error
    for number, document in enumerate(parsed, 1):
        place = f"{name} (document {number})" if len(parsed) > 1 else name
        if not isinstance(document, dict):
            continue
        for item in document.get("items") or [] if document.get("kind") == "List" else [document]:
            yield place, item


def _spec(place: str, report: Json) -> ReportSpec:
    unknown = sorted(report.keys() - {"apiVersion", "kind", "metadata", "spec", "status"})
    mistakes = [f"{place}: {name}: unknown field: remove it" for name in unknown]
    try:
        spec = ReportSpec.model_validate(report.get("spec") or {}, extra="forbid")
    except ValidationError as error:
        mistakes += [f"{place}: {_mistake(details)}" for details in error.errors(include_url=False)]
        raise ManifestError(mistakes) from error
    mistakes += [f"{place}: {problem}" for problem in problems(spec)]
    if mistakes:
        raise ManifestError(mistakes)
    return spec


def _mistake(details: ErrorDetails) -> str:
    """Return a mistake in one line: path of the field, its value, and what it should be."""
    path = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details["loc"])
    if details["type"] == "missing":
        return f"{path}: missing: set it"
    if details["type"] == "extra_forbidden":
        return f"{path}: unknown field: {_suggestion(details['loc'])}"
    should = re.sub(r"^(Input|Value|String) ", "", details["msg"])
    shown = repr(details["input"])
    return f"{path}: {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'} {should}"


def _suggestion(location: Sequence[int | str]) -> str:
    model: type[BaseModel] | None = ReportSpec
    for part in location[:-1]:
        if isinstance(part, str) and model:
            found = next((info for info in model.model_fields.values() if info.alias == part), None)
            model = _model(found.annotation) if found else None
    known = [str(info.alias) for info in model.model_fields.values()] if model else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are: {', '.join(known)}" if known else "remove it"


def _model(annotation: object) -> type[BaseModel] | None:
    """Return the model in a type such as `list[Source]` or `Sql | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model, get_args(annotation))), None)


def _values(documents: Iterable[tuple[str, Json]], kind: str, *, plain: str, encoded: str) -> Values:
    """Return the content of all Secrets or ConfigMaps, of any namespace."""
    values: Values = {}
    for place, document in documents:
        if document.get("kind") != kind or str(document.get("apiVersion", "")).startswith(GROUP):
            continue
        name = str((document.get("metadata") or {}).get("name"))
        for key, value in (document.get(encoded) or {}).items():
            try:
                values[name, key] = base64.b64decode(str(value), validate=False)
            except binascii.Error as error:
                raise ManifestError([f"{place}: {encoded}.{key} of {kind} {name!r} is not Base64: {error}"]) from error
        values |= {(name, key): str(value).encode() for key, value in (document.get(plain) or {}).items()}
    return values
