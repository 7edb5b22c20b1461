"""The policies of namespaces, from the ConfigMaps in the operator's own namespace.

A ConfigMap that cannot be read allows its namespace nothing: a slip of the pen must not lift a limit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from report_operator.api.metadata import POLICY_KEY, POLICY_LABEL
from report_operator.api.policy import Policy, PolicyError
from report_operator.plan.policy import Rules


def by_namespace(config_maps: Iterable[Mapping[str, Any]], wide: Policy) -> dict[str, Rules]:
    """Return the rules of every namespace that has a ConfigMap; for the others `wide` holds.

    The value of POLICY_LABEL names the namespace, POLICY_KEY holds as YAML the fields that replace those of `wide`.
    """
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for config_map in config_maps:
        found[config_map["metadata"]["labels"][POLICY_LABEL]].append(config_map)
    return {namespace: _rules(each, wide) for namespace, each in found.items()}


def _rules(config_maps: list[Mapping[str, Any]], wide: Policy) -> Rules:
    places = sorted(f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in config_maps)
    if len(places) > 1:
        namespace = config_maps[0]["metadata"]["labels"][POLICY_LABEL]
        problem = f"all of them have label {POLICY_LABEL}: {namespace}, keep one"
        return Rules(wide, f"ConfigMaps {' and '.join(places)}", problem)
    origin = f"ConfigMap {places[0]}"
    try:
        return Rules(wide.replaced_by(_fields(config_maps[0].get("data") or {})), origin)
    except PolicyError as error:
        return Rules(wide, origin, str(error))


def _fields(data: Mapping[str, str]) -> Any:
    """Return the content of POLICY_KEY; raises PolicyError."""
    if data.keys() != {POLICY_KEY}:
        raise PolicyError(f"its keys are {', '.join(sorted(data)) or 'none'}: it must have {POLICY_KEY} and no other")
    try:
        return yaml.safe_load(data[POLICY_KEY])
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a time and is none, as 2026-13-01
        said = " ".join(str(error).split())
        raise PolicyError(f"{POLICY_KEY} is no YAML: {said}") from error
