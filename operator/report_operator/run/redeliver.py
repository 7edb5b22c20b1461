"""The one stage of a redelivery: what the run has left in the store is sent again; nothing is made anew."""

import hashlib
import logging
from collections.abc import Sequence
from typing import TypeVar

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.fields import Model
from report_operator.api.redelivery import MESSAGES_FILE, RedeliveryOrder
from report_operator.api.run import RESULT_FILE, Rendered, Request, Result, StoredFile
from report_operator.run.delivery import begun, deliver
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.publish import put_result
from report_operator.run.redaction import Redactor
from report_operator.run.store import Store
from report_operator.run.upload import Uploader
from report_operator.run.workspace import Workspace

PIECE = 16 * 1024 * 1024
"""Bytes of a file that are read from the store, and held in memory, at a time."""

_ModelT = TypeVar("_ModelT", bound=Model)
_log = logging.getLogger(__name__)


def redeliver(request: Request, order: RedeliveryOrder, workspace: Workspace) -> Result:
    """Send what is ordered, and store ledger and result anew; return the result.

    Every message has the id that it had in the run. Raises RunError: StoreUnavailable, StoreRefused, ArtifactMissing.
    A result in which nobody knows the end of what is sent again is stored before the first message.
    """
    file = LinksFile(workspace.links)
    with Store(file) as store:
        found = _Found(store, order)
        result, rendered = found.document(RESULT_FILE, Result), found.document(MESSAGES_FILE, Rendered)
        for each in _needed(request, rendered, result.files, order):
            found.save(each, workspace)
        links = file.read()
        uploader = Uploader(store, file)
        package = Package(request, rendered, result.files, links, workspace, Redactor.of(workspace.secrets))
        put_result(uploader, result, _with(order.before, begun(request.spec.destinations), order.again))
        entries = deliver(request.spec.destinations, package, Ledger(store), links.deliver_until or links.expires_at)
        return put_result(uploader, result, _with(order.before, entries, order.again))


def _with(before: Sequence[Entry], new: Sequence[Entry], again: Sequence[str]) -> list[Entry]:
    """Return the ledger with those entries replaced that are sent again; the others stay."""
    newer = {entry.id: entry for entry in new if entry.id in set(again)}
    return [newer.get(entry.id, entry) for entry in before]


def _needed(
    request: Request, rendered: Rendered, files: Sequence[StoredFile], order: RedeliveryOrder
) -> list[StoredFile]:
    """Return the files whose content is sent: attachments of mails, all of them where they are copied."""
    wanted: set[str] = set()
    concerned = {entry.destination for entry in order.before if entry.id in set(order.again)}
    for destination in request.spec.destinations:
        if destination.name not in concerned or destination.webhook is not None or destination.slack is not None:
            continue
        if destination.email is not None:
            wanted |= set(rendered.messages[destination.name].attachments)
        else:
            wanted |= {each.name for each in files}
    return [each for each in files if each.name in wanted]


class _Found:
    """What the run has left in the store."""

    def __init__(self, store: Store, order: RedeliveryOrder) -> None:
        self._store = store
        self._reads = order.reads

    def document(self, name: str, model: type[_ModelT]) -> _ModelT:
        """Return a document of the run's own."""
        return model.model_validate_json(self._read(name))

    def save(self, file: StoredFile, workspace: Workspace) -> None:
        """Write a file to where the run had it, if it is still what the run has made."""
        workspace.outputs.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with (workspace.outputs / file.name).open("wb") as target:
            while size < file.size:
                piece = self._read(file.name, {"Range": f"bytes={size}-{min(size + PIECE, file.size) - 1}"})
                target.write(piece)
                digest.update(piece)
                size += len(piece)
                if not piece:
                    break
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            raise RunError(Reason.ARTIFACT_MISSING, f"{file.name} in the store is not what the run has made")
        _log.info("%s: %s bytes read", file.name, f"{size:,}")

    def _read(self, name: str, headers: dict[str, str] | None = None) -> bytes:
        content = self._store.get(name, lambda _: self._reads[name], headers or {})
        if content is None:
            raise RunError(Reason.ARTIFACT_MISSING, f"{name} of the run is not in the store any more")
        return content
