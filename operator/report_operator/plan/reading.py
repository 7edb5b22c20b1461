"""Objects as the API server holds them, read part by part: a part that cannot be read does not hide the others."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from report_operator.api.redelivery import RedeliveryPhase

ModelT = TypeVar("ModelT", bound=BaseModel)
_UNDER_WAY = (RedeliveryPhase.WAITING, RedeliveryPhase.RUNNING)


def read_spec(model: type[ModelT], raw: Any) -> tuple[ModelT | None, str]:
    """Return the spec and an empty text, or None and what this version cannot read, with the field."""
    try:
        return model.model_validate(raw), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return None, f"spec{place} cannot be read by this version of the operator: {first['msg']}{more}"


def read_status(model: type[ModelT], raw: Mapping[str, Any]) -> ModelT:
    """Return the status without the fields that this version cannot read."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        unreadable = {str(problem["loc"][0]) for problem in error.errors(include_url=False)}
        return model.model_validate({key: value for key, value in raw.items() if key not in unreadable})


def is_sent_again(manifest: Mapping[str, Any]) -> bool:
    """Return whether a redelivery of a Report, as it came from the API server, is under way."""
    return ((manifest.get("status") or {}).get("redelivery") or {}).get("phase") in _UNDER_WAY
