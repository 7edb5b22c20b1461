"""Where a report's rows come from. A new kind of source is a class here and a module in `run/sources/`."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from report_operator.api.fields import (
    LIST_ATOMIC,
    PRESERVE,
    DataKey,
    HttpUrl,
    Identifier,
    Model,
    ObjectName,
    Query,
    Rule,
    exactly_one,
    list_map,
    rules,
)


class DataFormat(StrEnum):
    """How the bytes of a source are to be read."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class KeySelector(Model):
    """Selects a key of a Secret or ConfigMap in the Report's own namespace."""

    name: ObjectName
    """Name of the object."""
    key: DataKey
    """Key in its data."""


class SecretSource(Model):
    """A value that is in a Secret; the kubelet mounts it, the operator never reads it."""

    secret_key_ref: KeySelector
    """Secret and key in the Report's own namespace."""


class Inline(Model):
    """Rows written into the Report itself."""

    rows: Annotated[list[Annotated[dict[str, Any], PRESERVE]], Field(min_length=1, max_length=1000), LIST_ATOMIC]
    """The rows, each a JSON object; columns are the union of their keys."""


class ConfigMapFile(KeySelector):
    """Rows in a ConfigMap of the Report's own namespace."""

    format: Annotated[DataFormat, Field(json_schema_extra={"enum": ["csv", "json"]})] = DataFormat.CSV
    """csv (with a header line), or json (an array of objects, or one object a line)."""


class Header(Model):
    """One HTTP request header; exactly one of value and valueFrom."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("value", "valueFrom")))

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")]
    """Header name (RFC 9110 token)."""
    value: Annotated[str, Field(max_length=2048, pattern=r"^[^\r\n]*$")] | None = None
    """The value in plain text; a token belongs into valueFrom."""
    value_from: SecretSource | None = None
    """Takes the value from a Secret."""


class Http(Model):
    """Rows that an HTTP(S) server answers a GET request with."""

    url: HttpUrl
    """Absolute URL. `{period_start}` and `{period_end}` are replaced by the period's ends, as RFC 3339 times."""
    format: DataFormat = DataFormat.JSON
    """Format of the answer: csv, json (array of objects, or one object a line) or parquet."""
    headers: Annotated[list[Header], Field(max_length=20), list_map("name")] = []
    """Request headers."""


class Sql(Model):
    """Rows that a SQL database answers a query with."""

    url_from: SecretSource
    """Secret with the database URL as SQLAlchemy writes it, for example
    `postgresql://user:password@host:5432/database?sslmode=verify-full`."""
    query: Query
    """One SELECT. `:period_start`, `:period_end` and the names in params are bound, never pasted."""
    params: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]],
        Field(max_length=32),
        Rule(
            rule="self.all(name, name.matches('^[a-z_][a-z0-9_]*$') && !(name in ['period_start', 'period_end']))",
            message="names are lower-case letters, digits and _; period_start and period_end are given already",
        ),
    ] = {}
    """Values for further `:name` parameters of the query; strings: cast in SQL where another type is needed."""


class Source(Model):
    """A named set of rows; exactly one kind."""

    model_config = ConfigDict(json_schema_extra=rules(exactly_one("inline", "configMap", "http", "sql")))

    name: Identifier
    """Table name of the rows in `spec.tables`, blocks and outputs."""
    inline: Inline | None = None
    """Rows in the Report itself."""
    config_map: ConfigMapFile | None = None
    """Rows in a ConfigMap."""
    http: Http | None = None
    """Rows from an HTTP(S) server."""
    sql: Sql | None = None
    """Rows from a SQL database."""

    @property
    def kind(self) -> Inline | ConfigMapFile | Http | Sql:
        """Return the one kind that is set; raises ValueError when the API server's rule was not applied."""
        chosen = [kind for kind in (self.inline, self.config_map, self.http, self.sql) if kind is not None]
        if len(chosen) != 1:
            raise ValueError(f"source {self.name!r}: set exactly one of inline, configMap, http, sql")
        return chosen[0]

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that this source reads."""
        headers = self.http.headers if self.http else []
        found = [header.value_from for header in headers] + [self.sql.url_from if self.sql else None]
        return [source.secret_key_ref for source in found if source]


class Table(Model):
    """A table made by SQL (DuckDB's dialect) from the sources and from tables before it."""

    name: Identifier
    """Table name in later tables, blocks and outputs."""
    query: Query
    """One SELECT. `$period_start` and `$period_end` are bound as TIMESTAMP WITH TIME ZONE; `$subject_id` and
    `$subject_label` as texts, in tables after the one that `spec.subject` picks from."""
