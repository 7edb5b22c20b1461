"""A stage as the only process of a container: request in, termination message and exit code out."""

import hashlib
import logging
import os
import signal
import threading
from collections.abc import Iterator

from report_operator.api.conditions import Reason, Stage
from report_operator.api.redelivery import RedeliveryOrder
from report_operator.api.run import (
    EXIT_OK,
    Failure,
    Outcome,
    Request,
    Result,
)
from report_operator.run import log
from report_operator.run.failure import RunError
from report_operator.run.limits import exhausted
from report_operator.run.redaction import Redactor
from report_operator.run.termination import encoded, ever_shorter, first_that_fits, fits, shortened
from report_operator.run.workspace import Workspace

EXIT_TERMINATED = 128 + signal.SIGTERM
"""As a shell says of a process that SIGTERM ended."""
_MESSAGE_LIMIT = 1500
"""Characters of `Failure.message`."""

_CHANGED = "the run's Secret does not hold the request that the operator has made; edit the spec to run again"

_log = logging.getLogger(__name__)


def main(stage: Stage, workspace: Workspace, digest: str) -> int:
    """Run one stage of the request with this digest; return its exit code.

    Nothing is raised: what goes wrong is in the termination message.
    """
    _end_on_sigterm()
    redact = Redactor.of(workspace.secrets)
    tail = log.configure({"stage": stage.value}, redact)
    try:
        request = Request.model_validate_json(workspace.request.read_bytes())
        report = f"{request.namespace}/{request.name}"
        tail = log.configure({"stage": stage.value, "report": report, "run_id": request.run_id}, redact)
        if request.digest != digest:
            raise RunError(Reason.REQUEST_CHANGED, _CHANGED)
        _log.info("stage %s starts", stage)
        result = run_stage(stage, request, workspace)
        _log.info("stage %s is done", stage)
    # The border of the process: whatever goes wrong is told in the same way.
    except Exception as error:  # noqa: BLE001
        before = tail.lines
        failure = as_run_error(error, stage)
        drafts = _failed(stage, failure.reason, redact(failure.message), before)
        workspace.termination_log.write_bytes(first_that_fits(drafts))
        return failure.exit_code
    if result is not None:
        workspace.termination_log.write_bytes(_message(result))
    return EXIT_OK


def run_stage(stage: Stage, request: Request, workspace: Workspace) -> Result | None:
    """Run a stage's work; each imports only what it needs. Only what ends in deliveries has a result."""
    match stage:
        case Stage.FETCH:
            from report_operator.run.fetch import fetch  # noqa: PLC0415

            fetch(request, workspace)
        case Stage.RENDER:
            from report_operator.run.render import render  # noqa: PLC0415

            render(request, workspace)
        case Stage.PUBLISH:
            from report_operator.run.handover import taken_over  # noqa: PLC0415
            from report_operator.run.publish import publish  # noqa: PLC0415

            return publish(request, taken_over(request, workspace), workspace)
        case Stage.REDELIVER:
            from report_operator.run.redeliver import redeliver  # noqa: PLC0415

            order = RedeliveryOrder.unpacked(workspace.order.read_bytes())
            return redeliver(request, order, workspace)
    return None


def as_run_error(error: Exception, stage: Stage) -> RunError:
    """Return what to tell of an error and log it; the traceback of an unexpected one goes into the log alone."""
    failure = error if isinstance(error, RunError) else exhausted(error)
    if failure is not None:
        _log.error("%s: %s", failure.reason, failure.message)
        return failure
    _log.error("a fault of report-operator", exc_info=error)
    return RunError(
        Reason.INTERNAL_ERROR,
        f"a fault of report-operator; the traceback is in the log of container {stage} of the run's pod",
    )


def _end_on_sigterm() -> None:
    """End the process as soon as SIGTERM comes.

    The first process of a container gets no default handler from the kernel (pid_namespaces(7)). A handler of Python
    would wait for libraries that compute, and an exception from it ends as an error of theirs.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        _log.warning("ended by SIGTERM")
        os._exit(EXIT_TERMINATED)

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


def _message(result: Result) -> bytes:
    """Return the termination message: the result, or the hash of RESULT_FILE where the kubelet would cut it off."""
    message = encoded(Outcome(result=result))
    if fits(message):
        return message
    from report_operator.run.publish import json_bytes  # noqa: PLC0415

    return encoded(Outcome(result_sha256=hashlib.sha256(json_bytes(result)).hexdigest()))


def _failed(stage: Stage, reason: Reason, message: str, before: list[str]) -> Iterator[Outcome]:
    """Yield ways to tell of a failure, ever shorter: at first the log before it goes, line by line."""
    text = shortened(message, _MESSAGE_LIMIT)
    failure = Failure(reason=reason, message=text, stage=stage, log=before)
    for gone in range(len(before)):
        yield Outcome(failure=failure.model_copy(update={"log": before[gone:]}))
    for length in ever_shorter(len(text)):
        yield Outcome(failure=failure.model_copy(update={"log": [], "message": shortened(text, length)}))
