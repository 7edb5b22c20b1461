"""What a template that has broken out of its sandbox leaves for publish, which has the Secrets of destinations."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from report_operator.api.conditions import Reason, Stage
from report_operator.api.run import (
    EXIT_INTERNAL_ERROR,
    RESULT_FILE,
    Links,
    Message,
    Rendered,
    RenderedFile,
    Request,
    Result,
    SignedRequest,
    Upload,
)
from report_operator.run.failure import RunError
from report_operator.run.stage import run_stage
from report_operator.run.workspace import Workspace
from tests.support.http_server import HttpServer

OUTPUTS = [{"format": "json"}, {"format": "pdf"}]
GOOD = Rendered(files=[RenderedFile(name="report.json", format="json"), RenderedFile(name="report.pdf", format="pdf")])
Publishing = Callable[[], Result | None]
SECRET = "../secrets/warehouse/key.json"


@pytest.fixture
def publishing(workspace: Workspace, order: Callable[..., Request], web: HttpServer) -> Publishing:
    """Return the stage publish of a run whose render has ended well, with a Secret mounted beside."""
    web.answer()
    workspace.outputs.mkdir()
    secret = workspace.outputs / SECRET
    secret.parent.mkdir(parents=True)
    secret.write_text('{"password": "hidden"}')
    for file in GOOD.files:
        (workspace.outputs / file.name).write_text("{}")
    workspace.rendered.write_text(GOOD.model_dump_json(by_alias=True))
    names = ("report.json", "report.pdf", SECRET, RESULT_FILE)
    uploads = {name: Upload(whole=SignedRequest(url=f"{web.url}/{n}")) for n, name in enumerate(names)}
    expiry = datetime.now(UTC) + timedelta(hours=1)
    workspace.links.write_bytes(Links(expires_at=expiry, uploads=uploads).packed())
    return lambda: run_stage(Stage.PUBLISH, order(outputs=OUTPUTS), workspace)


def refused(publishing: Publishing, web: HttpServer) -> str:
    """Publish, and return why it does not."""
    with pytest.raises(RunError) as failure:
        publishing()
    assert (failure.value.reason, failure.value.exit_code) == (Reason.INTERNAL_ERROR, EXIT_INTERNAL_ERROR)
    assert web.asked == []
    return failure.value.message


@pytest.mark.requirement("N10")
@pytest.mark.parametrize("name", ["report.json", "report.pdf", "report.encrypted", "rendered.json", "other"])
@pytest.mark.parametrize("kind", ["link", "link to a file of the folder", "link to nothing", "pipe", "folder"])
def test_what_is_no_plain_file_is_not_published(
    *, publishing: Publishing, workspace: Workspace, web: HttpServer, name: str, kind: str
) -> None:
    path = workspace.outputs / name
    path.rename(workspace.outputs / "moved") if path.exists() else path.with_name("moved").touch()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            targets = {"link": SECRET, "link to a file of the folder": "moved", "link to nothing": "nothing"}
            path.symlink_to(targets[kind])
    assert f"'{name}' in the folder of the outputs is no plain file: nothing is published" in refused(publishing, web)


@pytest.mark.requirement("N10")
@pytest.mark.parametrize("how", ["as a file", "as an attachment"])
def test_a_name_that_leads_elsewhere_is_not_published(
    *, publishing: Publishing, workspace: Workspace, web: HttpServer, how: str
) -> None:
    stolen: dict[str, Any] = {"files": [*GOOD.files, RenderedFile(name=SECRET, format="json")]}
    if how == "as an attachment":
        stolen = {"messages": {"mail": Message(text="Hello", attachments=["report.pdf", SECRET])}}
    workspace.rendered.write_text(GOOD.model_copy(update=stolen).model_dump_json(by_alias=True))
    assert f"rendered.json names '{SECRET}', which spec.outputs does not ask for" in refused(publishing, web)


def test_plain_files_are_published(publishing: Publishing, web: HttpServer) -> None:
    publishing()
    assert [asked.path for asked in web.asked][-1] == "/3"
    assert len(web.asked) == 3
