"""What the API server's rules refuse, told of a spec that no API server has seen.

The rules themselves are in the models, as CEL; there is no evaluator for CEL among the dependencies.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from report_operator.api.buckets import Azure
from report_operator.api.destinations import KINDS as DESTINATION_KINDS
from report_operator.api.destinations import OWN_HEADERS, RECIPIENTS, Email, Encryption, Webhook
from report_operator.api.entity import WAYS
from report_operator.api.fields import EARLIEST, END, IN_BOUNDS, Model, wire_name
from report_operator.api.report import ReportSpec
from report_operator.api.run import OWN_FILES
from report_operator.api.sections import Block, Card
from report_operator.api.sources import Header

_SOURCE_KINDS = ("inline", "config_map", "http", "sql")
_BLOCK_KINDS = ("text", "metric", "grid", "table", "chart")
_TLS = "https://"
_CARD_KINDS = ("text", "metric")
_GIVEN_PARAMETERS = ("period_start", "period_end")


def problems(spec: ReportSpec) -> list[str]:
    """Return one line for each mistake: path of the field, what is wrong, the way out."""
    parts = (_period, _template, _sources, _names, _subject, _outputs, _sections, _destinations)
    return [problem for part in parts for problem in part(spec)]


def _exactly_one(path: str, model: Model, members: Sequence[str]) -> Iterator[str]:
    chosen = [wire_name(member) for member in members if getattr(model, member) is not None]
    if len(chosen) != 1:
        known = ", ".join(map(wire_name, members))
        yield f"{path}: set exactly one of {known}; now set: {', '.join(chosen) or 'none'}"


def _period(spec: ReportSpec) -> Iterator[str]:
    if spec.period is None:
        return
    for name, moment in (("start", spec.period.start), ("end", spec.period.end)):
        if not EARLIEST <= moment < END:
            yield f"spec.period.{name}: {moment.isoformat()} {IN_BOUNDS}"
    if spec.period.start >= spec.period.end:
        end, start = spec.period.end.isoformat(), spec.period.start.isoformat()
        yield f"spec.period: end {end} must be after start {start}"


def _template(spec: ReportSpec) -> Iterator[str]:
    yield from _exactly_one("spec.template", spec.template, ("name", "config_map_ref"))


def _sources(spec: ReportSpec) -> Iterator[str]:
    for index, source in enumerate(spec.sources):
        path = f"spec.sources[{index}]"
        yield from _exactly_one(path, source, _SOURCE_KINDS)
        yield from _headers(f"{path}.http.headers", source.http.headers if source.http else [])
        if source.sql:
            for name in sorted(set(_GIVEN_PARAMETERS) & source.sql.params.keys()):
                yield f"{path}.sql.params.{name}: it is given already, from spec.period: use another name"


def _headers(path: str, headers: Sequence[Header]) -> Iterator[str]:
    for index, header in enumerate(headers):
        yield from _exactly_one(f"{path}[{index}]", header, ("value", "value_from"))
    for name in _repeated([header.name for header in headers]):
        yield f"{path}: {name!r} is there more than once: remove one"


def _destinations(spec: ReportSpec) -> Iterator[str]:
    for index, destination in enumerate(spec.destinations):
        path = f"spec.destinations[{index}]"
        yield from _exactly_one(path, destination, DESTINATION_KINDS)
        if destination.webhook:
            yield from _webhook(f"{path}.webhook", destination.webhook)
        if destination.azure:
            yield from _azure(f"{path}.azure", destination.azure)
        if destination.gcs and destination.gcs.endpoint and not destination.gcs.endpoint.startswith(_TLS):
            yield f"{path}.gcs.endpoint: it must start with {_TLS}: the token would be readable on the way"
        if destination.email:
            yield from _email(f"{path}.email", destination.email)
    for name in _repeated([destination.name for destination in spec.destinations]):
        yield f"spec.destinations: {name!r} is there more than once: give one of them another name"
    emails = [destination.email for destination in spec.destinations]
    count = sum(len(email.to) + len(email.cc) + len(email.bcc) if email else 1 for email in emails)
    if count > RECIPIENTS:
        yield f"spec.destinations: {count} recipients; at most {RECIPIENTS} in all: use a mailing list"


def _azure(path: str, azure: Azure) -> Iterator[str]:
    yield from _exactly_one(path, azure, ("account_url", "connection_string_from"))
    if len(azure.secrets) > 1:
        yield f"{path}: set at most one of accountKeyFrom, connectionStringFrom, sasTokenFrom"
    if azure.account_url and not azure.account_url.startswith(_TLS) and not azure.account_key_from:
        text = f"without accountKeyFrom it must start with {_TLS}: the token would be readable on the way"
        yield f"{path}.accountURL: {text}"


def _email(path: str, email: Email) -> Iterator[str]:
    if not email.recipients:
        yield f"{path}: there is no recipient: set to, cc or bcc"
    if (email.server is None) != (email.from_ is None):
        yield f"{path}: set server and from, or neither: mails of the platform team's relay are from its own address"
    if email.server and email.server.login and email.server.encryption is Encryption.NONE:
        yield (
            f"{path}.server.login: it needs encryption StartTLS or TLS, now None:"
            " the password would be readable on the way"
        )


def _webhook(path: str, webhook: Webhook) -> Iterator[str]:
    yield from _exactly_one(path, webhook, ("url", "url_from"))
    yield from _headers(f"{path}.headers", webhook.headers)
    for header in webhook.headers:
        if header.name.lower().startswith("webhook-") or header.name.lower() in OWN_HEADERS:
            yield f"{path}.headers: {header.name!r} is set by the run: use another name"


def _names(spec: ReportSpec) -> Iterator[str]:
    sources, tables = [source.name for source in spec.sources], [table.name for table in spec.tables]
    for field, names in (("sources", sources), ("tables", tables)):
        for name in _repeated(names):
            yield f"spec.{field}: {name!r} is there more than once: give one of them another name"
    for name in sorted(set(sources) & set(tables)):
        yield f"spec.tables: {name!r} is the name of a source: give the table another name"


def _subject(spec: ReportSpec) -> Iterator[str]:
    selector = spec.subject
    if selector is None:
        return
    yield from _unknown(spec, "spec.subject.table", selector.table)
    chosen = [way for way in WAYS if way in selector.to_wire()]
    if len(chosen) > 1:
        yield f"spec.subject: set at most one of {', '.join(WAYS)}; now set: {', '.join(chosen)}"
    window = selector.time_range
    if window is None:
        return
    start, end = window.start_seconds, window.end_seconds
    if start is None and end is None:
        yield "spec.subject.timeRange: set startSeconds, endSeconds or both"
    if start is not None and end is not None and start >= end:
        yield f"spec.subject.timeRange: endSeconds {end} must be after startSeconds {start}"


def _outputs(spec: ReportSpec) -> Iterator[str]:
    for index, output in enumerate(spec.outputs):
        path = f"spec.outputs[{index}]"
        if output.format.is_data and output.table is None:
            yield f"{path}: {output.format} holds one table: set table to the name of a source or table"
        if not output.format.is_data and output.table is not None:
            yield f"{path}.table: {output.format} holds the whole document: remove table {output.table!r}"
        if output.inline and output.format != "json":
            yield f"{path}.inline: format {output.format} cannot be inline: use json, or remove inline"
        if output.password_from and not output.format.has_password:
            text = "cannot have a password: use pdf or xlsx, or remove passwordFrom"
            yield f"{path}.passwordFrom: format {output.format} {text}"
        if output.file_name in OWN_FILES:
            yield f"{path}.name: {output.file_name} is a file of the run's own: use another name"
        yield from _unknown(spec, f"{path}.table", output.table)
    for name in _repeated([output.file_name for output in spec.outputs]):
        yield f"spec.outputs: {name!r} would be made more than once: set name on one of them"


def _sections(spec: ReportSpec) -> Iterator[str]:
    for number, section in enumerate(spec.sections):
        for index, block in enumerate(section.blocks):
            path = f"spec.sections[{number}].blocks[{index}]"
            yield from _exactly_one(path, block, _BLOCK_KINDS)
            yield from _block_tables(spec, path, block)
            for place, card in enumerate(block.grid.cards if block.grid else []):
                yield from _exactly_one(f"{path}.grid.cards[{place}]", card, _CARD_KINDS)
                yield from _block_tables(spec, f"{path}.grid.cards[{place}]", card)


def _block_tables(spec: ReportSpec, path: str, block: Block | Card) -> Iterator[str]:
    if block.metric:
        yield from _unknown(spec, f"{path}.metric.table", block.metric.table)
    if isinstance(block, Block) and block.table:
        yield from _unknown(spec, f"{path}.table.from", block.table.from_)
    if isinstance(block, Block) and block.chart:
        yield from _unknown(spec, f"{path}.chart.table", block.chart.table)


def _unknown(spec: ReportSpec, path: str, name: str | None) -> Iterator[str]:
    if name is not None and name not in spec.table_names:
        yield f"{path}: there is no source or table {name!r}; known are: {', '.join(spec.table_names) or 'none'}"


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
