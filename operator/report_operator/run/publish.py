"""The last stage: files into the store, then messages to the destinations, the result last of all."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Deliveries, Entry
from report_operator.api.fields import Model
from report_operator.api.outputs import INLINE_LIMIT
from report_operator.api.redelivery import MESSAGES_FILE
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Rendered, Request, Result
from report_operator.api.totals import totals
from report_operator.run.delivery import deliver, planned
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.kept import Kept
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.protect import protect
from report_operator.run.redaction import Redactor
from report_operator.run.store import Store
from report_operator.run.upload import Uploader
from report_operator.run.workspace import Workspace

PARALLEL = 4
"""Files that are uploaded at the same time."""

_log = logging.getLogger(__name__)


def publish(request: Request, rendered: Rendered, workspace: Workspace) -> Result:
    """Upload every rendered file, then send to the destinations, and upload the result last of all; return the result.

    The store checks each upload against its Content-MD5 (RFC 1864), so what it keeps is what was rendered. Raises
    RunError: StoreUnavailable, StoreRefused, InternalError when there is no link for a file, SecretNotFound and
    InvalidSpec for the password of one: then nothing is stored. A delivery that fails is
    told in the result: the files are there all the same. So they are when the run is ended while it delivers: a result
    that says so is stored before. A later attempt of the run goes on with what that one tells of: half of the
    recipients have links to those files, and their hashes.
    """
    links = LinksFile(workspace.links)
    if missing := {*(file.name for file in rendered.files), RESULT_FILE} - links.read().uploads.keys():
        raise RunError(Reason.INTERNAL_ERROR, f"no upload link for {', '.join(sorted(missing))}")
    with Store(links) as store, TemporaryDirectory() as folder:
        uploader, kept = Uploader(store, links), Kept(store)
        begun = kept.begun() if request.spec.destinations else None
        if begun is None:
            result = _stored(request, rendered, workspace, uploader)
        else:
            _log.info("an earlier attempt has begun to deliver: what that one has made is delivered on")
            result, rendered = begun, kept.rendered
            workspace = replace(workspace, outputs=Path(folder))
            kept.fetch(request.spec.destinations, rendered, result.files, workspace)
        if not request.spec.destinations:
            return result
        package = Package(request, rendered, result.files, links.read(), workspace, Redactor.of(workspace.secrets))
        return put_result(uploader, result, deliver(request.spec.destinations, package, Ledger(store)))


def _stored(request: Request, rendered: Rendered, workspace: Workspace, uploader: Uploader) -> Result:
    """Store what was rendered, what messages say, and the result before the first delivery; return that."""
    protect(request.spec, workspace)
    with ThreadPoolExecutor(PARALLEL) as pool:
        files = list(pool.map(lambda file: uploader.put_file(file, workspace.outputs / file.name), rendered.files))
    inline, size = _inline(request, workspace)
    result = Result(
        run_id=request.run_id,
        files=files,
        metrics=rendered.metrics,
        subject=rendered.subject,
        inline=inline,
        inline_size=size,
    )
    if request.spec.destinations:
        uploader.put_json(MESSAGES_FILE, json_bytes(rendered))  # For whoever goes on: nothing is rendered again.
        return put_result(uploader, result, planned(request.spec.destinations))
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
