"""The entity that the Reports of a variant are about: its `subject` merged over that of the template."""

from collections.abc import Mapping
from typing import Any

from report_operator.api.entity import WAYS, EntityOverride
from report_operator.api.schedule import ScheduledReportSpec

_REQUIRED = ("table", "idColumn")


def merged(base: Mapping[str, Any] | None, override: EntityOverride) -> dict[str, Any]:
    """Return a Report's `spec.subject`, in wire form as `base` is, the template's.

    A field of the variant replaces the same field of the template, as a whole; a way to pick replaces any other.
    """
    own = override.to_wire()
    dropped = WAYS if own.keys() & WAYS else ()
    return {name: value for name, value in (base or {}).items() if name not in dropped} | own


def problem(spec: ScheduledReportSpec) -> str:
    """Return why the Reports of a variant could not be made, with the way out; empty when they can."""
    template = spec.template.spec
    base = template.subject.to_wire() if template.subject is not None else None
    for variant in spec.variants or ():
        if variant.subject is None:
            continue
        subject, place = merged(base, variant.subject), f"spec.variants[{variant.name}].subject"
        missing = [name for name in _REQUIRED if name not in subject]
        if missing:
            return f"{place}: {' and '.join(missing)} missing: set it there, or in spec.template.spec.subject."
        if subject["table"] not in template.table_names:
            there = f"there is no source or table {subject['table']!r}"
            return (
                f"{place}.table: {there} in spec.template.spec; known are: {', '.join(template.table_names) or 'none'}."
            )
    return ""
