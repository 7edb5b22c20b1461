"""What a run has left in the store for whoever delivers it: a later attempt of the run, or a redelivery."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import TypeVar

from report_operator.api.conditions import Reason
from report_operator.api.destinations import Destination
from report_operator.api.fields import Model
from report_operator.api.redelivery import MESSAGES_FILE
from report_operator.api.run import RESULT_FILE, Rendered, Result, StoredFile
from report_operator.run.failure import RunError
from report_operator.run.store import Store
from report_operator.run.workspace import Workspace

PIECE = 16 * 1024 * 1024
"""Bytes of a file that are read from the store, and held in memory, at a time."""

_ModelT = TypeVar("_ModelT", bound=Model)
_log = logging.getLogger(__name__)


class Kept:
    """The objects in the run's folder. Every method may raise RunError: of the store, or ArtifactMissing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begun(self) -> Result | None:
        """Return the result that was stored before the first delivery of the run; None when none has begun."""
        content = self._store.get(RESULT_FILE, lambda links: links.reads[RESULT_FILE])
        result = Result.model_validate_json(content) if content is not None else None
        return result if result is not None and result.ledger is not None else None

    @property
    def result(self) -> Result:
        """Return the result."""
        return self._document(RESULT_FILE, Result)

    @property
    def rendered(self) -> Rendered:
        """Return what render has told."""
        return self._document(MESSAGES_FILE, Rendered)

    def fetch(
        self, destinations: Iterable[Destination], rendered: Rendered, files: Sequence[StoredFile], workspace: Workspace
    ) -> None:
        """Write the files whose content these destinations send to where the run has them."""
        wanted = _needed(destinations, rendered, files)
        for each in files:
            if each.name in wanted:
                self._save(each, workspace)

    def _document(self, name: str, model: type[_ModelT]) -> _ModelT:
        return model.model_validate_json(self._read(name))

    def _save(self, file: StoredFile, workspace: Workspace) -> None:
        """Write a file if it is still what the run has made."""
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
        content = self._store.get(name, lambda links: links.reads[name], headers or {})
        if content is None:
            raise RunError(Reason.ARTIFACT_MISSING, f"{name} of the run is not in the store any more")
        return content


def _needed(destinations: Iterable[Destination], rendered: Rendered, files: Sequence[StoredFile]) -> set[str]:
    """Return the names of the files whose content is sent: attachments of mails, all of them where they are copied."""
    wanted: set[str] = set()
    for destination in destinations:
        if destination.email is not None:
            wanted |= set(rendered.messages[destination.name].attachments)
        elif destination.webhook is None and destination.slack is None:
            wanted |= {each.name for each in files}
    return wanted
