"""The files that a report makes."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import ConfigDict

from report_operator.api.fields import FileStem, Identifier, Model, Rule, rules
from report_operator.api.sources import KeySelector, SecretSource


class OutputFormat(StrEnum):
    """Format of an output; the value is also the file's ending."""

    CSV = "csv"
    HTML = "html"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    PDF = "pdf"
    TSV = "tsv"
    XLSX = "xlsx"

    @property
    def media_type(self) -> str:
        """Return the media type that the file is stored and served with."""
        return _MEDIA_TYPES[self]

    @property
    def is_data(self) -> bool:
        """Return whether the format holds one table; the others hold the whole document."""
        return self not in _DOCUMENTS

    @property
    def has_password(self) -> bool:
        """Return whether a file of the format can be one that opens with a password only."""
        return self in _WITH_PASSWORD


_DOCUMENTS = (OutputFormat.HTML, OutputFormat.JSON, OutputFormat.PDF)
_WITH_PASSWORD = (OutputFormat.PDF, OutputFormat.XLSX)
_MEDIA_TYPES = {
    OutputFormat.CSV: "text/csv; charset=utf-8",
    OutputFormat.HTML: "text/html; charset=utf-8",
    OutputFormat.JSON: "application/json",
    OutputFormat.NDJSON: "application/x-ndjson",
    OutputFormat.PARQUET: "application/vnd.apache.parquet",
    OutputFormat.PDF: "application/pdf",
    OutputFormat.TSV: "text/tab-separated-values; charset=utf-8",
    OutputFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

INLINE_LIMIT = 16 * 1024
"""Most bytes of a document in `status.inline`: payload does not belong into etcd."""

DEFAULT_STEM = "report"
"""File name of a document output that has no name."""


def _listed(formats: Iterable[OutputFormat]) -> list[str]:
    """Return formats as CEL has a list of them."""
    return [each.value for each in formats]


class Output(Model):
    """One file to make."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule=f"self.format in {_listed(_DOCUMENTS)} != has(self.table)",
                message="html, json and pdf hold the document: leave table out; other formats hold one table: set it",
                expression=(
                    "self.format + (has(self.table) ? ' holds the whole document: remove table '"
                    " + self.table : ' holds one table: set table to the name of a source or table')"
                ),
            ),
            Rule(
                rule="self.format != 'json' || !has(self.name) || !(self.name in ['deliveries', 'result'])",
                message="deliveries.json and result.json are the run's own files: use another name",
            ),
            Rule(
                rule="!has(self.inline) || !self.inline || self.format == 'json'",
                message="only format json can be inline",
                expression="'format ' + self.format + ' cannot be inline: use json, or remove inline'",
            ),
            Rule(
                rule=f"!has(self.passwordFrom) || self.format in {_listed(_WITH_PASSWORD)}",
                message="only formats pdf and xlsx can have a password",
                expression=(
                    "'format ' + self.format + ' cannot have a password: use pdf or xlsx, or remove passwordFrom'"
                ),
            ),
        )
    )

    format: OutputFormat
    """csv, ndjson, parquet, tsv and xlsx hold one table; html, json and pdf hold the whole document."""
    table: Identifier | None = None
    """Source or table of an output that holds one."""
    name: FileStem | None = None
    """File name without its ending; the table's name, or `report`, when not set."""
    inline: bool | None = None
    """With format json: put the document into `status.inline` too, if it has at most 16 KiB."""
    password_from: SecretSource | None = None
    """With formats pdf and xlsx: takes from a Secret the password that the file is encrypted with and opened by."""

    @property
    def file_name(self) -> str:
        """Return the file's name, unique within a Report."""
        return f"{self.name or self.table or DEFAULT_STEM}.{self.format.value}"

    @property
    def password_key(self) -> KeySelector | None:
        """Return the Secret key of the password."""
        return self.password_from.secret_key_ref if self.password_from else None


def download_name(report: str, file: str) -> str:
    """Return the file name that a browser saves a file under: `weekly.pdf`, or `weekly-by_product.csv`."""
    stem, _, ending = file.rpartition(".")
    return f"{report}.{ending}" if stem == DEFAULT_STEM else f"{report}-{stem}.{ending}"
