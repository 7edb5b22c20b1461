"""The Secret of a run: what it has to do, and the links that it may upload with."""

import base64
from datetime import datetime, timedelta
from typing import Any

from report_operator.api.fields import parse_duration
from report_operator.api.metadata import SCHEDULE_LABEL
from report_operator.api.report import ReportSpec
from report_operator.api.run import LINKS_FILE, REQUEST_FILE, RESULT_FILE, Links, Request
from report_operator.plan import child
from report_operator.plan.subject import Subject

_START_MARGIN = timedelta(minutes=5)
"""From signing the links to the start of the Job, whose deadline then counts."""
_LONGEST = timedelta(hours=168)
"""What S3 signs at most."""


def planned_files(spec: ReportSpec) -> list[str]:
    """Return the names of all files that a run may upload: its outputs, and its result."""
    return [*(output.file_name for output in spec.outputs), RESULT_FILE]


def links_ttl(spec: ReportSpec) -> timedelta:
    """Return how long the upload links have to work: as long as the run may take.

    Nobody knows how long a Job waits in a queue of Kueue: as long as S3 allows.
    """
    if spec.run.kueue_queue_name is not None:
        return _LONGEST
    return parse_duration(spec.run.timeout) + _START_MARGIN


def manifest(subject: Subject, spec: ReportSpec, links: Links, now: datetime) -> dict[str, Any]:
    """Return the Secret, named like the Job."""
    request = Request(
        run_id=subject.run_id,
        namespace=subject.metadata.namespace,
        name=subject.metadata.name,
        schedule=subject.metadata.labels.get(SCHEDULE_LABEL),
        created_at=now,
        spec=spec,
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "report-operator.io/run",
        "metadata": child.metadata(subject),
        "immutable": True,
        "stringData": {REQUEST_FILE.name: request.model_dump_json(by_alias=True, exclude_none=True)},
        "data": {LINKS_FILE.name: base64.b64encode(links.packed()).decode()},
    }
