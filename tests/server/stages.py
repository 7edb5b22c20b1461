"""The last stage of a run, which a test does in place of a pod with what the operator has put into the Secret."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Stage
from report_operator.api.deliveries import DeliveryState, Entry
from report_operator.api.destinations import Destination
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import Message, Outcome, Rendered, RenderedFile, Request, Result
from report_operator.run.delivery import planned
from report_operator.run.destinations.package import Package
from report_operator.run.ledger import Ledger
from report_operator.run.stage import run_stage
from report_operator.run.workspace import Workspace
from tests.server.team import Team
from tests.support import mail_server, objects
from tests.support.mail_server import MailServer

Json = dict[str, Any]


def order(team: Team, post: MailServer, *recipients: str) -> None:
    """Create a Report that is mailed to these."""
    server = {"host": mail_server.HOST, "port": post.port, "encryption": "None"}
    email = {"server": server, "from": "reports@example.com", "to": list(recipients)}
    team.create("weekly", destinations=[{"name": "mails", "email": email}])


def work(team: Team, job: Json, stage: Stage, folder: Path) -> None:
    """Do what the last container of a Job's pod does, and what the kubelet and the Job controller say of it."""
    result = run(team, job, stage, folder)
    ended = objects.ended(0, Outcome(result=result).model_dump_json(by_alias=True, exclude_none=True))
    pod = team.start_pod(job)
    status: Json = {"phase": "Succeeded", "containerStatuses": [{**_shown(stage), "state": ended}]}
    team.patch("pods", f"{pod}/status", {"status": status})
    team.end_job(job["metadata"]["name"], "Complete")


def run(team: Team, job: Json, stage: Stage, folder: Path) -> Result:
    """Do what the last container of a Job's pod does."""
    workspace = Workspace.under(folder / job["metadata"]["name"])
    workspace.outputs.mkdir(parents=True)
    for name, content in team.get("secrets", job["metadata"]["name"])["data"].items():
        workspace.request.with_name(name).write_bytes(base64.b64decode(content))
    request = Request.model_validate_json(workspace.request.read_bytes())
    if stage is Stage.PUBLISH:
        files = [RenderedFile(name=o.file_name, format=OutputFormat(o.format)) for o in request.spec.outputs]
        for file in files:
            (workspace.outputs / file.name).write_bytes(b"content of " + file.name.encode())
        messages = {"mails": Message(subject="Weekly", text="It is ready.", html="<p>It is ready.")}
        workspace.rendered.write_text(json.dumps(Rendered(files=files, messages=messages).to_wire()))
    result = run_stage(stage, request, workspace)
    assert isinstance(result, Result)
    return result


def _shown(stage: Stage) -> Json:
    return {"name": stage.value, "image": "i", "imageID": "", "ready": False, "restartCount": 0}


def begin_to_deliver(team: Team, job: Json, folder: Path, patched: pytest.MonkeyPatch) -> None:
    """Be killed while a run delivers to three: the first has its mail, the second's is on its way, the third waits."""

    def killed(destinations: Sequence[Destination], _: Package, ledger: Ledger) -> list[Entry]:
        first, second, _third = planned(destinations)
        assert [ledger.claim(first), ledger.claim(second)] == [None, None]
        ledger.record(first.model_copy(update={"state": DeliveryState.SENT, "last_error": None}))
        raise KeyboardInterrupt

    patched.setattr("report_operator.run.publish.deliver", killed)
    with pytest.raises(KeyboardInterrupt):
        run(team, job, Stage.PUBLISH, folder)
