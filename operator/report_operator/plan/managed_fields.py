"""When a spec was edited, by what the API server notes of writers in `metadata.managedFields`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def edited_at(managed_fields: Sequence[Mapping[str, Any]], created: datetime | None, edits: int) -> datetime | None:
    """Return the last time that the API server has noted for a writer of the spec (metav1.ManagedFieldsEntry.time).

    `edits`: so many have passed since the status was written, or since the creation. Whatever the documentation of the
    field says, an update that only removes fields is not noted (k8s.io/apimachinery, managedfieldsupdater.go), and of
    several by one writer only one is. Where fewer writers than edits are noted the last edit may be later than all of
    them, and its time is not known. A label that its writer has set since makes the time later than the edit.
    """
    timed = [(entry, datetime.fromisoformat(entry["time"])) for entry in managed_fields if "time" in entry]
    seen = max((time for entry, time in timed if entry.get("subresource") == "status"), default=created)
    written = [time for entry, time in timed if _is_of_spec(entry)]
    noted = [time for time in written if seen is None or time > seen]
    return max(written, default=None) if len(noted) >= edits else None


def in_brief(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with no more of its managedFields, a third of many an object, than `edited_at` asks for."""
    metadata = dict(manifest["metadata"])
    if "managedFields" in metadata:
        metadata["managedFields"] = [_brief(entry) for entry in metadata["managedFields"]]
    return {**manifest, "metadata": metadata}


def _brief(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: entry[key] for key in ("subresource", "time") if key in entry}
    return {**kept, "fieldsV1": {"f:spec": {}}} if _is_of_spec(entry) else kept


def _is_of_spec(entry: Mapping[str, Any]) -> bool:
    return not entry.get("subresource") and "f:spec" in (entry.get("fieldsV1") or {})
