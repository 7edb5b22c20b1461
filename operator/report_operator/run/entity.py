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
        raise _none(selector, info)
    with failing_as(Reason.DATA_INVALID, _PLACE):
        entities = Entities(database, selector, info)
        asked = selector.time_range
        window = TimeWindow.of(asked, info, selector.table, period) if asked is not None else None
        found = _asked(entities, selector, window)
        if found is not None:
            return _entity(found, selector)
        dominant = entities.dominant()
        if dominant is None:
            raise _none(selector, info)
        return _instead(dominant, entities, selector, window)


def _asked(entities: Entities, selector: EntitySelector, window: TimeWindow | None) -> Found | None:
    if selector.entity_id is not None:
        return entities.with_id(selector.entity_id)
    if selector.hint is not None:
        return next((found for found in entities.like(selector.hint, 1) if found.likeness >= LIKENESS), None)
    return entities.dominant(window)


def _none(selector: EntitySelector, info: TableInfo) -> RunError:
    """Return that there is no entity at all."""
    rows = f"none of its {info.rows:,} rows has an id in column {selector.id_column!r}" if info.rows else "it is empty"
    return RunError(
        Reason.SUBJECT_NOT_FOUND,
        f"{_PLACE}: there is no entity in table {selector.table!r}: {rows}; look at the queries, and at the period",
    )


def _instead(dominant: Found, entities: Entities, selector: EntitySelector, window: TimeWindow | None) -> Entity:
    """Return the dominant entity, if that is wanted where another is missed; raises RunError (SubjectNotFound)."""
    field = "timeRange" if window is not None else "hint" if selector.hint is not None else "entityID"
    missed = f"{field}: {_missed(entities, selector, window)}"
    if selector.on_miss is OnMiss.ERROR:
        way_out = f"change {field}, or set onMiss: {OnMiss.FALLBACK_DOMINANT}"
        raise RunError(Reason.SUBJECT_NOT_FOUND, f"{_PLACE}: {missed}; {way_out}")
    note = f"{_PLACE} is the dominant entity, by onMiss: {missed}"
    _log.warning("%s", note)
    return _entity(dominant, selector).model_copy(update={"fallback": _cut(note, NOTE_LENGTH)})


def _missed(entities: Entities, selector: EntitySelector, window: TimeWindow | None) -> str:
    """Return what was looked for, and what there is; there are entities."""
    count, table = entities.count(), f"table {selector.table!r}"
    there = "1 entity" if count == 1 else f"{count:,} entities"
    if window is not None:
        extent = entities.extent(window)
        times = f"lie between seconds {_number(extent[0])} and {_number(extent[1])}" if extent else "have no time"
        missing = f"column {window.asked.column!r} of {table} has no row of an entity {window.text}"
        return f"{missing}; the rows of {there} {times}"
    asked = selector.hint or selector.entity_id or ""
    column = f"column {selector.id_column!r}"
    if selector.hint is None:
        wrong = f"{column} of {table} does not have"
    elif selector.label_column is None:
        wrong = f"{column} of {table} has nothing like"
    else:
        wrong = f"neither {column} nor column {selector.label_column!r} of {table} has anything like"
    nearest = ", ".join(_named(found) for found in entities.like(asked, _NEAREST))
    return f"{wrong} {_cut(asked, _SHOWN)!r}; of {there} the nearest: {nearest}"


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
