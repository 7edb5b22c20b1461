"""The entity of a data set that a report is about: how it is picked, and what is told of it."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from report_operator.api.fields import INT64, ColumnName, Identifier, Model, Rule, count_of, rules

LABEL_LENGTH = 64
ID_LENGTH = 256
NOTE_LENGTH = 500

WAYS = ("timeRange", "entityID", "hint")
"""Fields that say how to pick, in wire form: one at most."""

Label = Annotated[str, Field(min_length=1, max_length=LABEL_LENGTH)]
"""What an entity is called in lists."""
EntityId = Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]
"""The text of an entity's id."""
Seconds = Annotated[int, Field(ge=0, le=10**12), INT64]
"""A point in a window of time."""


class OnMiss(StrEnum):
    """What happens when no entity is the one that is asked for."""

    ERROR = "Error"
    """The run fails with reason SubjectNotFound."""
    FALLBACK_DOMINANT = "FallbackDominant"
    """The dominant entity is taken, and the document and the status say so."""


class TimeRange(Model):
    """A window of time, half-open; either end may be left open."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="has(self.startSeconds) && has(self.endSeconds) ? self.startSeconds < self.endSeconds"
                " : has(self.startSeconds) || has(self.endSeconds)",
                message="set startSeconds, endSeconds or both, the end after the start",
            )
        )
    )

    column: ColumnName
    """Column with the time of a row: seconds as numbers, or dates and timestamps, which are counted in seconds from the
    start of spec.period."""
    start_seconds: Seconds | None = None
    """First second of the window; open when not set."""
    end_seconds: Seconds | None = None
    """First second after the window; open when not set."""


class EntityOverride(Model):
    """Changes of which entity is picked: each field replaces the same field; how to pick, the other ways to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule=f"{count_of(*WAYS)} <= 1",
                message=f"set at most one of {', '.join(WAYS)}; the dominant entity is picked without",
            )
        )
    )

    table: Identifier | None = None
    """Source or table that has the entities."""
    id_column: ColumnName | None = None
    """Column with the entity's id, read as text; rows where it is NULL or empty belong to none."""
    label_column: ColumnName | None = None
    """Column with what the entity is called; its id where it is not set, NULL or empty. Cut at 64 characters; of
    several, the first by the alphabet."""
    label: Label | None = None
    """What the entity is called, whatever the data says."""
    measure_column: ColumnName | None = None
    """Column of numbers: the entity with the largest sum is dominant; the one with most rows when not set. Of equal
    ones the first by its id."""
    time_range: TimeRange | None = None
    """Pick the entity that is dominant within a window of time."""
    entity_id: EntityId | None = None
    """Pick the entity with exactly this id."""
    hint: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Pick the entity whose label or id is most like this text, as far as one is like it."""
    on_miss: OnMiss | None = None
    """Error, or FallbackDominant for the dominant entity."""


class EntitySelector(EntityOverride):
    """Which entity the report is about: the dominant one, unless one of timeRange, entityID and hint is set."""

    table: Identifier
    """Source or table that has the entities. `spec.tables` after it can use the entity, as $subject_id and
    $subject_label."""
    id_column: ColumnName
    """Column with the entity's id, read as text; rows where it is NULL or empty belong to none."""
    on_miss: OnMiss = OnMiss.ERROR
    """Error, or FallbackDominant for the dominant entity, where none is the one that is asked for."""


class Entity(Model):
    """The entity that a report is about."""

    id: EntityId
    """Its id, as text."""
    label: Label
    """What it is called."""
    fallback: Annotated[str, Field(min_length=1, max_length=NOTE_LENGTH)] | None = None
    """Why it is the dominant one instead of the one asked for; only where that was not found."""
