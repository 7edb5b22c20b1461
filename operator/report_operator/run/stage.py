"""A stage as the only process of a container: request in, termination message and exit code out."""

import hashlib
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from types import FrameType

from report_operator.api.conditions import Reason, Stage
from report_operator.api.run import (
    EXIT_OK,
    TERMINATION_MESSAGE_LIMIT,
    Failure,
    Links,
    Outcome,
    Rendered,
    Request,
    Result,
)
from report_operator.run.failure import RunError
from report_operator.run.workspace import Workspace

_log = logging.getLogger(__name__)

EXIT_TERMINATED = 128 + signal.SIGTERM
_MESSAGE_LIMIT = 1500


def main(stage: Stage, workspace: Workspace) -> int:
    """Run one stage; return its exit code. Nothing is raised: what goes wrong is in the termination message."""
    # The first process of a container gets no default handlers: without this, SIGTERM would be ignored.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        request = Request.model_validate_json(workspace.request.read_bytes())
        _log_as_json(request, stage)
        result = _run(stage, request, workspace)
    except RunError as error:
        _log.error("%s: %s", error.reason, error.message)
        return _fail(stage, error, workspace)
    except MemoryError:
        out = RunError(
            Reason.OUT_OF_MEMORY, f"stage {stage} ran out of memory: raise spec.run.resources.limits.memory"
        )
        return _fail(stage, out, workspace)
    # The border of the process: a fault of ours is told like any other failure, the traceback stays in the log.
    except Exception:  # noqa: BLE001
        _log.exception("a fault of report-operator")
        text = f"a fault of report-operator; the traceback is in the log of container {stage} of the run's pod"
        return _fail(stage, RunError(Reason.INTERNAL_ERROR, text), workspace)
    if result is not None:
        workspace.termination_log.write_bytes(_message(result))
    return EXIT_OK


def _run(stage: Stage, request: Request, workspace: Workspace) -> Result | None:
    """Run the stage; each imports only what it needs."""
    match stage:
        case Stage.FETCH:
            from report_operator.run.fetch import fetch  # noqa: PLC0415

            fetch(request, workspace)
        case Stage.RENDER:
            from report_operator.run.render import render  # noqa: PLC0415

            render(request, workspace)
        case Stage.PUBLISH:
            from report_operator.run.publish import publish  # noqa: PLC0415

            rendered = Rendered.model_validate_json(workspace.rendered.read_bytes())
            links = Links.model_validate_json(workspace.links.read_bytes())
            return publish(request, rendered, links, workspace)
    return None


def _message(result: Result) -> bytes:
    """Return the termination message: the result, or the hash of RESULT_FILE where the kubelet would cut it off."""
    message = _encoded(Outcome(result=result))
    if len(message) <= TERMINATION_MESSAGE_LIMIT:
        return message
    from report_operator.run.publish import result_bytes  # noqa: PLC0415

    return _encoded(Outcome(result_sha256=hashlib.sha256(result_bytes(result)).hexdigest()))


def _fail(stage: Stage, error: RunError, workspace: Workspace) -> int:
    text = error.message if len(error.message) <= _MESSAGE_LIMIT else f"{error.message[: _MESSAGE_LIMIT - 1]}…"
    outcome = _encoded(Outcome(failure=Failure(reason=error.reason, message=text, stage=stage)))
    while len(outcome) > TERMINATION_MESSAGE_LIMIT:
        text = f"{text[: len(text) * 3 // 4]}…"
        outcome = _encoded(Outcome(failure=Failure(reason=error.reason, message=text, stage=stage)))
    workspace.termination_log.write_bytes(outcome)
    return error.exit_code


def _encoded(outcome: Outcome) -> bytes:
    return json.dumps(outcome.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(EXIT_TERMINATED)


def _log_as_json(request: Request, stage: Stage) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json(request, stage))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the signed links


class _Json(logging.Formatter):
    """One JSON object a line, with the run's id."""

    def __init__(self, request: Request, stage: Stage) -> None:
        super().__init__()
        self._fixed = {
            "report": f"{request.namespace}/{request.name}",
            "run_id": request.run_id,
            "stage": stage.value,
        }

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._fixed,
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)
