"""The entity that the report is about, picked from the data as `spec.subject` asks for."""

import logging

import duckdb

from report_operator.api.conditions import Reason
from report_operator.api.entity import ID_LENGTH, LABEL_LENGTH, NOTE_LENGTH, Entity, EntitySelector, OnMiss
from report_operator.api.report import Period
from report_operator.run.database import failing_as
from report_operator.run.entities import Entities, Found
from report_operator.run.failure import RunError
from report_operator.run.time_window import TimeWindow
from report_operator.run.workspace import TableInfo

LIKENESS = 0.9
"""Likeness (`Entities.like`) from which a label or an id is a match of a hint."""
_NEAREST = 3
"""Entities that an error names."""
_SHOWN = 60
"""Characters of a text that an error repeats."""
_PLACE = "spec.subject"

_log = logging.getLogger(__name__)


def pick(
    database: duckdb.DuckDBPyConnection, selector: EntitySelector, info: TableInfo, period: Period | None
) -> Entity:
    """Return the entity that the selector asks for; `info` is of its table, which the database knows by its name.

    Raises RunError: SubjectNotFound, ColumnNotFound, DataInvalid, InvalidSpec, OutOfMemory, DiskFull.
    """
    if not info.columns:  # An empty JSON array, which does not tell them.
        raise RunError(Reason.SUBJECT_NOT_FOUND, f"{_PLACE}: {_none(selector, info)}")
    with failing_as(Reason.DATA_INVALID, _PLACE):
        entities = Entities(database, selector, info)
        asked = selector.time_range
        window = TimeWindow.of(asked, info, selector.table, period) if asked is not None else None
        found = _asked(entities, selector, window)
        if found is None:
            missed = _missed(entities, selector, window) if entities.count() else _none(selector, info)
            return _instead(entities, selector, missed)
        return _entity(found, selector)


def _asked(entities: Entities, selector: EntitySelector, window: TimeWindow | None) -> Found | None:
    if selector.entity_id is not None:
        return entities.with_id(selector.entity_id)
    if selector.hint is not None:
        return next((found for found in entities.like(selector.hint, 1) if found.likeness >= LIKENESS), None)
    return entities.dominant(window)


def _instead(entities: Entities, selector: EntitySelector, missed: str) -> Entity:
    """Return the dominant entity, if that is wanted where another is missed; raises RunError (SubjectNotFound)."""
    dominant = entities.dominant() if selector.on_miss is OnMiss.FALLBACK_DOMINANT else None
    if dominant is None:
        raise RunError(Reason.SUBJECT_NOT_FOUND, f"{_PLACE}: {missed}")
    note = f"{_PLACE} is the dominant entity, by onMiss: {missed}"
    _log.warning("%s", note)
    return _entity(dominant, selector).model_copy(update={"fallback": _cut(note, NOTE_LENGTH)})


def _none(selector: EntitySelector, info: TableInfo) -> str:
    """Return that there is no entity at all."""
    rows = f"none of its {info.rows:,} rows has an id in column {selector.id_column!r}" if info.rows else "it is empty"
    return f"there is no entity in table {selector.table!r}: {rows}; look at the queries, and at the period"


def _missed(entities: Entities, selector: EntitySelector, window: TimeWindow | None) -> str:
    """Return what was looked for, what there is, and the way out; there are entities."""
    count, table = entities.count(), f"table {selector.table!r}"
    there = "1 entity" if count == 1 else f"{count:,} entities"
    if window is not None:
        extent = entities.extent(window)
        times = f"lie between seconds {_number(extent[0])} and {_number(extent[1])}" if extent else "have no time"
        missing = f"column {window.asked.column!r} of {table} has no row of an entity {window.text}"
        return f"timeRange: {missing}; the rows of {there} {times}; change timeRange, or set onMiss: FallbackDominant"
    field, asked = ("hint", selector.hint) if selector.hint is not None else ("entityID", selector.entity_id)
    columns = [f"column {selector.id_column!r}"]
    columns += [f"column {selector.label_column!r}"] if field == "hint" and selector.label_column else []
    nearest = ", ".join(_named(found) for found in entities.like(asked or "", _NEAREST))
    wrong = "has nothing like" if field == "hint" else "does not have"
    return (
        f"{field}: {' and '.join(columns)} of {table} {wrong} {_cut(asked or '', _SHOWN)!r}; of {there} the nearest:"
        f" {nearest}; change {field}, or set onMiss: FallbackDominant"
    )


def _named(found: Found) -> str:
    label = f" ({_cut(found.label, _SHOWN)})" if found.label else ""
    return f"{_cut(found.id, _SHOWN)!r}{label}"


def _entity(found: Found, selector: EntitySelector) -> Entity:
    if len(found.id) > ID_LENGTH:
        text = f"the id {_cut(found.id, _SHOWN)!r} has {len(found.id)} characters: at most {ID_LENGTH} are an entity's"
        raise RunError(Reason.DATA_INVALID, f"{_PLACE}.idColumn: {text}")
    return Entity(id=found.id, label=selector.label or _label(found))


def _label(found: Found) -> str:
    """Return what the data calls an entity, in one line that fits into lists."""
    return _cut(_line(found.label or "") or _line(found.id) or ascii(found.id), LABEL_LENGTH)


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
