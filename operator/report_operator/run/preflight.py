"""Probes destinations as the only process of a container: order in the environment, answer as termination message."""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from report_operator.api.destinations import Destination
from report_operator.api.outputs import OutputFormat
from report_operator.api.preflight import ANSWER_LENGTH, ProbeAnswer, ProbeOrder
from report_operator.api.run import EXIT_OK, Links, Message, Rendered, StoredFile
from report_operator.run import log
from report_operator.run.destinations import prepare
from report_operator.run.destinations.outcome import Sent
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.redaction import Redactor
from report_operator.run.termination import ever_shorter, first_that_fits, shortened
from report_operator.run.workspace import Workspace

MARKER = "preflight.json"
"""What is written to buckets, and deleted again."""

_FAULT = "a fault of report-operator; the traceback is in the log of the probe's pod"

_log = logging.getLogger(__name__)


def main(order: str, workspace: Workspace) -> int:
    """Probe what a ProbeOrder (JSON) names, and write what was found; return the exit code."""
    redact = Redactor.of(workspace.secrets)
    log.configure({"stage": "probe"}, redact)
    problems = [redact(each) for each in probe(ProbeOrder.model_validate_json(order), workspace)]
    for each in problems:
        _log.warning("%s", each)
    workspace.termination_log.write_bytes(first_that_fits(_answers(problems)))
    return EXIT_OK


def probe(order: ProbeOrder, workspace: Workspace) -> list[str]:
    """Return what is wrong with destinations, all of which are probed at the same time."""
    package = _package(order, workspace)
    with ThreadPoolExecutor(max(len(order.request.spec.destinations), 1)) as pool:
        found = pool.map(lambda each: _problem(each, package), order.request.spec.destinations)
        return [problem for problem in found if problem]


def _answers(problems: list[str]) -> Iterator[ProbeAnswer]:
    """Yield ways to tell of problems, ever shorter."""
    for length in ever_shorter(ANSWER_LENGTH // max(len(problems), 1)):
        yield ProbeAnswer(problems=[shortened(each, length) for each in problems])


def _problem(destination: Destination, package: Package) -> str:
    """Return why a destination cannot be used; empty when it can."""
    try:
        channel = prepare(destination, package)
        try:
            outcome = channel.probe()
        finally:
            channel.close()
    except RunError as error:
        return f"Destination {destination.name}: {error.message}"
    # As in a delivery: what was found of the others must not be lost.
    except Exception:  # noqa: BLE001
        _log.exception("a fault of report-operator in destination %r", destination.name)
        return f"Destination {destination.name}: {_FAULT}"
    return "" if isinstance(outcome, Sent) else f"Destination {destination.name}: {outcome.message}"


def _package(order: ProbeOrder, workspace: Workspace) -> Package:
    """Return a package whose one file is the marker."""
    content = b"{}"
    workspace.outputs.mkdir(parents=True, exist_ok=True)
    (workspace.outputs / MARKER).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    file = StoredFile(name=MARKER, format=OutputFormat.JSON, size=len(content), sha256=digest)
    messages = {each.name: Message(text="") for each in order.request.spec.destinations}
    links = Links(expires_at=datetime.now(UTC), uploads={}, relay=order.relay)
    rendered = Rendered(files=[], messages=messages)
    return Package(order.request, rendered, [file], links, workspace, Redactor.of(workspace.secrets))
