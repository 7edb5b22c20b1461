"""A report on a laptop: the same stages without a cluster; instead of being published, the files stay in a folder."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from report_operator.api.conditions import Stage
from report_operator.api.run import Rendered, Request, Result, StoredFile
from report_operator.run.digests import digests
from report_operator.run.manifests import Manifests, Values
from report_operator.run.protect import protect
from report_operator.run.stage import run_stage
from report_operator.run.workspace import Workspace

RUN_ID = "local"
"""Run id of every run without a cluster."""


def make(manifests: Manifests, target: Path, now: datetime, begin: Callable[[Stage], None]) -> Result:
    """Make the Report's outputs in the folder `target`; return what they are.

    `now` is the document's date; `begin` is told of each stage. Raises what the stages raise; `target` is as it was
    then.
    """
    request = Request(
        run_id=RUN_ID, namespace=manifests.namespace, name=manifests.name, created_at=now, spec=manifests.spec
    )
    with tempfile.TemporaryDirectory(prefix="report-operator-") as root:
        workspace = Workspace.under(Path(root).resolve())
        workspace.outputs.mkdir()
        _mount(manifests.secrets, workspace.secrets)
        _mount(manifests.config_maps, workspace.config_maps)
        for stage in (Stage.FETCH, Stage.RENDER):
            begin(stage)
            run_stage(stage, request, workspace)
        rendered = Rendered.model_validate_json(workspace.rendered.read_bytes())
        protect(request.spec, workspace)
        result = _result(rendered, workspace.outputs)
        _move([workspace.outputs / file.name for file in rendered.files], target)
    return result


def _mount(values: Values, folder: Path) -> None:
    """Write what the kubelet would mount."""
    for (name, key), content in values.items():
        file = folder / name / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _result(rendered: Rendered, outputs: Path) -> Result:
    files = []
    for file in rendered.files:
        known = digests(outputs / file.name)
        files.append(StoredFile(**file.model_dump(), size=known.size, sha256=known.sha256))
    return Result(run_id=RUN_ID, files=files, metrics=rendered.metrics, subject=rendered.subject)


def _move(files: list[Path], target: Path) -> None:
    """Put files into a folder, all of them or, when its disk is full, none."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".report-operator-", dir=target) as beside:
        for file in files:
            shutil.copyfile(file, Path(beside) / file.name)
        for file in files:
            (Path(beside) / file.name).replace(target / file.name)
