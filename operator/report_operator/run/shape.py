"""Tables made by SQL from the sources and from tables before them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import duckdb
from duckdb import StatementType

from report_operator.api.conditions import Reason
from report_operator.api.entity import Entity, EntitySelector
from report_operator.api.report import Period
from report_operator.api.sources import Table
from report_operator.run.database import failing_as, literal, quoted, summary, write_table
from report_operator.run.failure import RunError
from report_operator.run.workspace import Workspace


@dataclass(frozen=True)
class Given:
    """What a query can be given values of."""

    period: Period | None
    selector: EntitySelector | None
    """What the subject is asked for by."""
    entity: Entity | None
    """The subject; None before the table that it is picked from."""

    @property
    def values(self) -> dict[str, object]:
        """Return the values that there are, by the names of parameters."""
        period, entity = self.period, self.entity
        ends = {"period_start": period.start, "period_end": period.end} if period is not None else {}
        return ends | ({"subject_id": entity.id, "subject_label": entity.label} if entity is not None else {})

    def missing(self, name: str, place: str) -> RunError:
        """Return why a parameter has no value, and the way out; `place` is what has the query."""
        uses = f"{place}: the query uses ${name}"
        if name in ("period_start", "period_end"):
            return RunError(Reason.INVALID_SPEC, f"{uses}, but spec.period is not set: set it")
        if name not in ("subject_id", "subject_label"):
            known = "$period_start, $period_end, $subject_id and $subject_label"
            return RunError(Reason.QUERY_FAILED, f"{uses}: only {known} have values here")
        if self.selector is None:
            return RunError(Reason.INVALID_SPEC, f"{uses}, but spec.subject is not set: set it")
        first = f"the subject is picked from table {self.selector.table!r} first"
        return RunError(Reason.INVALID_SPEC, f"{uses}, but {first}: only tables after that one can use it")


def show(database: duckdb.DuckDBPyConnection, workspace: Workspace, name: str) -> None:
    """Let later queries read a source or table that is in the workspace by its name."""
    file = workspace.table(name)
    database.execute(f"CREATE VIEW {quoted(name)} AS FROM read_parquet({literal(file)})")


def make(
    database: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    table: Table,
    given: Given,
    unknown: Collection[str],
) -> None:
    """Write the rows of a table's query to its Parquet file; raises RunError (QueryFailed, InvalidSpec).

    The query is one SELECT. `$period_start` and `$period_end` are bound as TIMESTAMP WITH TIME ZONE, `$subject_id` and
    `$subject_label` as VARCHAR. `unknown` are the names of sources and tables whose columns are unknown, for an error
    to say.
    """
    subject = f"table {table.name!r}"
    with failing_as(Reason.QUERY_FAILED, subject):
        statement = _single_select(database, table.query, subject)
        parameters = _bound(statement.named_parameters, given, subject)
        query = _bare(statement.query)
        try:
            write_table(database, query, workspace.table(table.name), parameters)
        except duckdb.BinderException as error:
            read = next((name for name in unknown if re.search(rf"\b{name}\b", query, re.IGNORECASE)), None)
            if read is None:
                raise
            raise _unbound(error, subject, read) from error


def _unbound(error: duckdb.BinderException, subject: str, name: str) -> RunError:
    """Return the error about a column that an empty answer did not tell of."""
    named = f"(SELECT NULL::BIGINT AS column_name WHERE false UNION ALL BY NAME FROM {quoted(name)})"  # noqa: S608
    return RunError(
        Reason.QUERY_FAILED,
        f"{subject}: {summary(str(error))}; {name!r} has no rows that tell its columns: name those that the query needs"
        f" by reading FROM {named}",
    )


def _single_select(database: duckdb.DuckDBPyConnection, query: str, subject: str) -> duckdb.Statement:
    statements = database.extract_statements(query)
    kinds = [statement.type.name for statement in statements]
    if kinds != [StatementType.SELECT.name]:
        found = ", ".join(kinds) or "nothing"
        raise RunError(Reason.QUERY_FAILED, f"{subject}: the query has to be one SELECT statement; found: {found}")
    return statements[0]


def _bare(query: str) -> str:
    """Return the text of a statement without the semicolon that ends it and what follows."""
    text = query.encode()  # Places count bytes.
    ends = [place for place, _ in duckdb.tokenize(query) if text[place : place + 1] == b";"]
    return text[: ends[0]].decode() if ends else query


def _bound(names: set[str], given: Given, subject: str) -> dict[str, object]:
    known = given.values
    for name in sorted(names - known.keys()):
        raise given.missing(name, subject)
    return {name: known[name] for name in names}
