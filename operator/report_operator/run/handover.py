"""What publish takes over from render, where a template that breaks out of its sandbox could have left anything."""

import os
from pathlib import Path

from report_operator.api.conditions import Reason
from report_operator.api.run import Rendered, Request
from report_operator.run.failure import RunError
from report_operator.run.workspace import Workspace


def taken_over(request: Request, workspace: Workspace) -> Rendered:
    """Return what render has told, when its folder holds plain files alone and it names no others.

    Publish has Secrets that render has not. A symbolic link to one, or a name that leads out of the folder, would have
    it uploaded and mailed. Looking once is enough: whatever ran in render's container has ended. Raises
    RunError(InternalError).
    """
    _check_folder(workspace.outputs)
    rendered = Rendered.model_validate_json(workspace.rendered.read_bytes())
    named = {file.name for file in rendered.files}
    attached = {name for message in rendered.messages.values() for name in message.attachments}
    strange = (named | attached) - {output.file_name for output in request.spec.outputs}
    if strange:
        raise _refused(f"{workspace.rendered.name} names {_list(strange)}, which spec.outputs does not ask for")
    return rendered


def _check_folder(folder: Path) -> None:
    with os.scandir(folder) as entries:
        strange = {entry.name for entry in entries if not entry.is_file(follow_symlinks=False)}
    if strange:
        raise _refused(f"{_list(strange)} in the folder of the outputs is no plain file")


def _refused(what: str) -> RunError:
    text = f"{what}: nothing is published; no stage of report-operator does that, so look at who wrote the template"
    return RunError(Reason.INTERNAL_ERROR, text)


def _list(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
