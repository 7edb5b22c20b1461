"""The last stage: files into the store, then messages to the destinations, the result last of all."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Deliveries, Entry
from report_operator.api.fields import Model
from report_operator.api.outputs import INLINE_LIMIT
from report_operator.api.redelivery import MESSAGES_FILE
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Rendered, Request, Result
from report_operator.run.delivery import begun, deliver
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.redaction import Redactor
from report_operator.run.store import Store
from report_operator.run.totals import totals
from report_operator.run.upload import Uploader
from report_operator.run.workspace import Workspace

PARALLEL = 4
"""Files that are uploaded at the same time."""


def publish(request: Request, rendered: Rendered, workspace: Workspace) -> Result:
    """Upload every rendered file, then send to the destinations, and upload the result last of all; return the result.

    The store checks each upload against its Content-MD5 (RFC 1864), so what it keeps is what was rendered. Raises
    RunError: StoreUnavailable, StoreRefused, InternalError when there is no link for a file. A delivery that fails is
    told in the result: the files are there all the same. So they are when the run is ended while it delivers: a result
    that says so is stored before.
    """
    links = LinksFile(workspace.links)
    if missing := {*(file.name for file in rendered.files), RESULT_FILE} - links.read().uploads.keys():
        raise RunError(Reason.INTERNAL_ERROR, f"no upload link for {', '.join(sorted(missing))}")
    with Store(links) as store:
        uploader = Uploader(store, links)
        with ThreadPoolExecutor(PARALLEL) as pool:
            stored = list(pool.map(lambda file: uploader.put_file(file, workspace.outputs / file.name), rendered.files))
        inline, size = _inline(request, workspace)
        result = Result(run_id=request.run_id, files=stored, metrics=rendered.metrics, inline=inline, inline_size=size)
        until = links.read().deliver_until
        if until is not None:
            package = Package(request, rendered, stored, links.read(), workspace, Redactor.of(workspace.secrets))
            uploader.put_json(MESSAGES_FILE, json_bytes(rendered))  # For a redelivery: nothing is rendered again.
            put_result(uploader, result, begun(request.spec.destinations))
            entries = deliver(request.spec.destinations, package, Ledger(store), until)
            return put_result(uploader, result, entries)
        uploader.put_json(RESULT_FILE, json_bytes(result))
    return result


def json_bytes(content: Model) -> bytes:
    """Return JSON as it is in the store; the result, if it fits, is the same in the termination message."""
    return json.dumps(content.to_wire(), ensure_ascii=False, separators=(",", ":")).encode()


def _inline(request: Request, workspace: Workspace) -> tuple[dict[str, object] | None, int | None]:
    """Return the inline document, if it is small enough, and its size; (None, None) where none is asked for."""
    wanted = next((output for output in request.spec.outputs if output.inline), None)
    if wanted is None:
        return None, None
    content = (workspace.outputs / wanted.file_name).read_bytes()
    return (json.loads(content) if len(content) <= INLINE_LIMIT else None), len(content)


def put_result(uploader: Uploader, result: Result, entries: Sequence[Entry]) -> Result:
    """Store the ledger, `entries`, and the result with its totals; return the result. Raises RunError of the store."""
    listed = uploader.put_json(LEDGER_FILE, json_bytes(Deliveries(run_id=result.run_id, entries=list(entries))))
    whole = result.model_copy(update={"deliveries": totals(entries), "ledger": listed})
    uploader.put_json(RESULT_FILE, json_bytes(whole))
    return whole
