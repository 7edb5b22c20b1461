"""From what a run says it made, and what the store holds, to artifacts. A run is trusted less than the operator."""

import json
import re
from collections.abc import Mapping

from report_operator.api.conditions import Reason
from report_operator.api.outputs import INLINE_LIMIT, OutputFormat
from report_operator.api.report import Artifact, ReportSpec
from report_operator.api.run import LEDGER_FILE, Result
from report_operator.api.run import StoredFile as Reported
from report_operator.plan.facts import StoredFile
from report_operator.plan.failure import Cause

_SHA256 = re.compile("[0-9a-f]{64}")
_METRICS = 64
_METRIC_LENGTH = 200


def listed(spec: ReportSpec) -> dict[str, OutputFormat]:
    """Return the names of a run's artifacts, with their formats: the spec's outputs, then the ledger."""
    outputs = {output.file_name: output.format for output in spec.outputs}
    return outputs | ({LEDGER_FILE: OutputFormat.JSON} if spec.destinations else {})


def check(spec: ReportSpec, run_id: str, result: Result, files: Mapping[str, StoredFile]) -> list[Artifact] | Cause:
    """Return the artifacts, the outputs in the order of the spec, or why they cannot be listed.

    `files` are those in the store. Only files that the spec planned count, and only with the size that the store holds.
    """
    if result.run_id != run_id:
        return Cause(Reason.ARTIFACT_MISSING, f"The result is of run {result.run_id}, not of {run_id}.")
    found = _found(spec, result, files)
    problem = next((each for each in found if isinstance(each, str)), None)
    return Cause(Reason.ARTIFACT_MISSING, problem) if problem else intact(spec, result, files)


def intact(spec: ReportSpec, result: Result, files: Mapping[str, StoredFile]) -> list[Artifact]:
    """Return those artifacts that can be listed: somebody may have been sent links to them."""
    return [each for each in _found(spec, result, files) if isinstance(each, Artifact)]


def _found(spec: ReportSpec, result: Result, files: Mapping[str, StoredFile]) -> list[Artifact | str]:
    reported = {file.name: file for file in (*result.files, *([result.ledger] if result.ledger else []))}
    return [_artifact(name, format_, reported.get(name), files.get(name)) for name, format_ in listed(spec).items()]


def _artifact(name: str, format_: OutputFormat, file: Reported | None, there: StoredFile | None) -> Artifact | str:
    """Return the artifact, or why it cannot be listed."""
    if file is None:
        return f"The run ended well but does not report {name}."
    if there is None:
        return f"The run reports {name}, but the store does not hold it."
    if not _SHA256.fullmatch(file.sha256):
        return f"The run reports no SHA-256 of {name}."
    if file.size != there.size:
        return f"{name} has {there.size} bytes in the store, {file.size} were reported."
    return Artifact(
        name=name,
        format=format_,
        media_type=format_.media_type,
        size=file.size,
        sha256=file.sha256,
        rows=None if file.rows is None else max(file.rows, 0),
        uri=there.uri,
        **(there.links.to_fields() if there.links else {}),
    )


def metrics(result: Result) -> dict[str, str]:
    """Return the metrics as far as the status takes them: 64, of 200 characters."""
    first = list(result.metrics.items())[:_METRICS]
    return {title[:_METRIC_LENGTH]: value[:_METRIC_LENGTH] for title, value in first}


def inline(result: Result) -> dict[str, object] | None:
    """Return the inline document, unless it is larger than a status may hold."""
    document = result.inline
    if document is None:
        return None
    size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    return document if size <= INLINE_LIMIT else None
