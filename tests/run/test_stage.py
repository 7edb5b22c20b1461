"""A stage as a process of its own: exit code, termination message, log, and how it ends."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from report_operator.api.conditions import Reason, Stage
from report_operator.api.policy import Policy
from report_operator.api.report import ReportSpec
from report_operator.api.run import (
    EXIT_INTERNAL_ERROR,
    EXIT_OK,
    EXIT_OUTAGE,
    EXIT_USER_ERROR,
    RESULT_FILE,
    TERMINATION_MESSAGE_LIMIT,
    Failure,
    Links,
    Outcome,
    Rendered,
    RenderedFile,
    Request,
    SignedRequest,
    Upload,
)
from report_operator.run.stage import EXIT_TERMINATED
from report_operator.run.termination import first_that_fits
from report_operator.run.workspace import Workspace
from tests.support.http_server import HttpServer
from tests.support.ports import free_ports

Order = Callable[..., Request]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from report_operator.api.conditions import Stage
from report_operator.run.stage import main
from report_operator.run.workspace import Workspace
workspace = Workspace.under(Path(sys.argv[2]))
sys.exit(main(Stage(sys.argv[1]), workspace, sys.argv[3]))
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
SOURCE = {"name": "rows", "inline": {"rows": [{"a": 1}]}}


def command(stage: Stage, workspace: Workspace, ordered: Request | None = None) -> list[str]:
    """Return what starts a stage, of the request that is there unless another was ordered."""
    with contextlib.suppress(ValidationError):
        ordered = ordered or Request.model_validate_json(workspace.request.read_bytes())
    digest = ordered.digest if ordered is not None else "none"
    return [sys.executable, "-c", PROGRAM, stage.value, str(workspace.request.parent), digest]


def test_no_stage_waits_for_the_command_line_of_a_library() -> None:
    """httpx imports its own, with rich and pygments, where these are installed."""
    program = "import sys; from report_operator.run import fetch, publish; sys.exit('rich' in sys.modules)"
    assert execute([sys.executable, "-c", program]).returncode == EXIT_OK


def execute(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, check=False, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def run(stage: Stage, workspace: Workspace) -> tuple[int, Outcome | None, list[dict[str, Any]]]:
    """Run a stage; return exit code, outcome and the lines of its log."""
    done = execute(command(stage, workspace))
    assert done.stderr == ""
    said = workspace.termination_log
    outcome = Outcome.model_validate_json(said.read_bytes()) if said.exists() else None
    return done.returncode, outcome, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def put_request(workspace: Workspace, order: Order) -> Callable[..., None]:
    """Write the request for a run."""

    def put(**spec: Any) -> None:
        workspace.request.write_text(json.dumps(order(**spec).to_wire()))

    return put


def test_a_good_fetch_says_nothing_but_its_log(put_request: Callable[..., None], workspace: Workspace) -> None:
    put_request(sources=[SOURCE])
    code, outcome, log = run(Stage.FETCH, workspace)
    assert (code, outcome) == (EXIT_OK, None)
    assert workspace.context.exists()
    assert "source 'rows': 1 rows, 1 columns" in [line["message"] for line in log]
    for line in log:
        assert (line["run_id"], line["report"], line["stage"]) == ("0b8e-1", "team-a/weekly", "fetch")
        assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("source", "reason", "code"),
    [
        ({"configMap": {"name": "missing", "key": "a"}}, Reason.CONFIG_MAP_NOT_FOUND, EXIT_USER_ERROR),
        ({"http": {"url": f"http://127.0.0.1:{free_ports(1)[0]}/"}}, Reason.SOURCE_UNAVAILABLE, EXIT_OUTAGE),
    ],
)
def test_a_failure_is_told(
    put_request: Callable[..., None], workspace: Workspace, source: dict[str, Any], reason: Reason, code: int
) -> None:
    put_request(sources=[{"name": "rows", **source}])
    found, outcome, log = run(Stage.FETCH, workspace)
    assert found == code
    assert outcome
    assert outcome.failure
    assert (outcome.failure.reason, outcome.failure.stage) == (reason, Stage.FETCH)
    assert f"{reason}: {outcome.failure.message}" in [line["message"] for line in log if line["level"] == "error"]
    assert not [line for line in log if "exception" in line]
    assert outcome.failure.log, "what the log said before"
    told = [line.partition(" ")[2] for line in outcome.failure.log]
    assert told == [f"{line['level']} {line['message']}"[:191] for line in log[:-1]][-10:]


def test_a_fault_of_ours_is_told_without_its_traceback(workspace: Workspace) -> None:
    workspace.request.write_text('{"run_id": "no request"}')
    (workspace.secrets / "db").mkdir(parents=True)
    (workspace.secrets / "db" / "url").write_text("no request")
    code, outcome, log = run(Stage.FETCH, workspace)
    assert code == EXIT_INTERNAL_ERROR
    assert outcome
    assert outcome.failure == Failure(
        reason=Reason.INTERNAL_ERROR,
        message="a fault of report-operator; the traceback is in the log of container fetch of the run's pod",
        stage=Stage.FETCH,
    )
    assert "ValidationError" in log[-1]["exception"]
    assert "no request" not in log[-1]["exception"]


def test_a_full_disk(put_request: Callable[..., None], workspace: Workspace) -> None:
    """Every write to /dev/full fails as on a full disk."""
    put_request(sources=[SOURCE])
    workspace.data.mkdir()
    (workspace.data / "rows.part").symlink_to("/dev/full")
    code, outcome, _ = run(Stage.FETCH, workspace)
    assert code == EXIT_USER_ERROR
    assert outcome
    assert outcome.failure
    assert outcome.failure.reason is Reason.DISK_FULL
    assert "scratch volume is full" in outcome.failure.message


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_disk_that_fills_up(put_request: Callable[..., None], workspace: Workspace) -> None:
    workspace.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(workspace.data)]
    subprocess.run(mount, check=True)
    try:
        query = "SELECT hash(i) AS a, hash(i + 1) AS b FROM range(1000000) t(i)"
        put_request(tables=[{"name": "large", "query": query}])
        code, outcome, _ = run(Stage.FETCH, workspace)
    finally:
        subprocess.run(["umount", str(workspace.data)], check=True)
    assert code == EXIT_USER_ERROR
    assert outcome
    assert outcome.failure
    assert outcome.failure.reason is Reason.DISK_FULL
    assert "table 'large'" in outcome.failure.message


def test_a_request_that_is_not_the_operator_s(put_request: Callable[..., None], workspace: Workspace) -> None:
    """Whoever may write Secrets could have taken the policy out."""
    put_request(sources=[SOURCE])
    ordered = Request.model_validate_json(workspace.request.read_bytes())
    later = ordered.model_copy(update={"created_at": ordered.created_at + timedelta(seconds=1)})
    workspace.request.write_bytes(later.encoded())
    assert execute(command(Stage.FETCH, workspace, ordered)).returncode == EXIT_OK
    workspace.request.write_bytes(ordered.model_copy(update={"policy": Policy(max_rows=7)}).encoded())
    assert execute(command(Stage.FETCH, workspace, ordered)).returncode == EXIT_USER_ERROR
    failure = Outcome.model_validate_json(workspace.termination_log.read_bytes()).failure
    assert failure
    assert failure.reason is Reason.REQUEST_CHANGED


@pytest.mark.parametrize("kind", ["report", "scheduledreport"])
def test_a_request_is_the_same_when_it_was_read(kind: str) -> None:
    manifest = yaml.safe_load((ROOT / f"tests/data/input/{kind}-full.yaml").read_text())
    written = manifest["spec"] if kind == "report" else manifest["spec"]["template"]["spec"]
    rows = {"name": "odd", "inline": {"rows": [{"a": 1.0, "b": 10**30, "c": 1e-7, "d": None, "e": "ä\u2028"}]}}
    spec = ReportSpec.model_validate(written | {"sources": [*written["sources"], rows]})
    policy = Policy.read({"webhookNetworks": ["10.0.0.0/8", "fd00::/8"], "maxResources": {"memory": "8Gi"}})
    fields = {"run_id": "0b8e-1", "namespace": "team-a", "name": "weekly", "created_at": datetime.now(UTC)}
    request = Request(**fields, spec=spec, policy=policy)
    assert Request.model_validate_json(request.encoded()).digest == request.digest


@pytest.mark.parametrize("before", [[], ["✓" * 200] * 10])
@pytest.mark.parametrize("message", ["x" * 6000, "✓" * 6000, "\x01" * 1499, "short"])
def test_a_message_fits_into_what_the_kubelet_keeps(message: str, before: list[str]) -> None:
    from report_operator.run.stage import _failed  # noqa: PLC0415

    text = first_that_fits(_failed(Stage.RENDER, Reason.QUERY_FAILED, message, before))
    assert len(text) <= TERMINATION_MESSAGE_LIMIT
    failure = Outcome.model_validate_json(text).failure
    assert failure
    assert failure.message.rstrip("…") == message[: len(failure.message.rstrip("…"))]
    assert (failure.message == message) is (message == "short")
    assert failure.log == before[: len(failure.log)]
    assert message != "short" or len(failure.log) == min(len(before), 6), "as much as there is room for"


@pytest.mark.parametrize("metrics", [1, 200])
def test_publish_tells_the_result_or_its_hash(
    put_request: Callable[..., None], workspace: Workspace, web: HttpServer, metrics: int
) -> None:
    web.answer()
    put_request()
    workspace.outputs.mkdir()
    (workspace.outputs / "report.json").write_text("{}")
    rendered = Rendered(
        files=[RenderedFile(name="report.json", format="json")],
        metrics={f"Metric number {number}": "1,234" for number in range(metrics)},
    )
    workspace.rendered.write_text(rendered.model_dump_json(by_alias=True))
    uploads = {
        name: Upload(whole=SignedRequest(url=f"{web.url}/{name}?X-Amz-Signature=hidden"))
        for name in ("report.json", RESULT_FILE)
    }
    links = Links(expires_at=datetime.now(UTC) + timedelta(hours=1), uploads=uploads)
    workspace.links.write_bytes(links.packed())

    code, outcome, log = run(Stage.PUBLISH, workspace)
    assert code == EXIT_OK
    assert outcome
    stored = web.asked[-1].body
    assert len(workspace.termination_log.read_bytes()) <= TERMINATION_MESSAGE_LIMIT
    if metrics == 1:
        assert outcome.result
        assert json.loads(stored) == outcome.result.to_wire()
    else:
        assert outcome == Outcome(result_sha256=hashlib.sha256(stored).hexdigest())
    assert "hidden" not in json.dumps(log)


def test_sigterm_ends_a_computation_at_once(put_request: Callable[..., None], workspace: Workspace) -> None:
    put_request(tables=[{"name": "endless", "query": "SELECT sum(sqrt(i)) FROM range(1000000000000) t(i)"}])
    assert stopped(command(Stage.FETCH, workspace), workspace) == EXIT_TERMINATED


@pytest.mark.skipif(os.geteuid() != 0, reason="a process namespace takes root")
def test_sigterm_ends_the_first_process_of_a_container(put_request: Callable[..., None], workspace: Workspace) -> None:
    """The kernel gives the first process of a namespace no default handlers."""
    put_request(tables=[{"name": "endless", "query": "SELECT sum(sqrt(i)) FROM range(1000000000000) t(i)"}])
    namespace = ["unshare", "--pid", "--fork", "--kill-child"]
    assert stopped([*namespace, *command(Stage.FETCH, workspace)], workspace, child=True) == EXIT_TERMINATED


def stopped(argv: list[str], workspace: Workspace, *, child: bool = False) -> int:
    """Start a stage, send SIGTERM when it computes, and return its exit code; nothing may be in its message."""
    with subprocess.Popen(argv, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "starts" in process.stdout.readline()
        while not workspace.tables.exists():
            time.sleep(0.05)
        target = process.pid
        if child:
            target = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        os.kill(target, signal.SIGTERM)
        code = process.wait(timeout=10)
    assert not workspace.termination_log.exists()
    return code


@pytest.mark.parametrize(
    ("stage", "unwanted"),
    [
        (
            Stage.FETCH,
            ("weasyprint", "vl_convert", "jinja2", "kopf", "kubernetes", "boto3", "aiohttp", "sqlalchemy", "httpx"),
        ),
        (
            Stage.PUBLISH,
            ("duckdb", "weasyprint", "sqlalchemy", "kopf", "kubernetes", "boto3", "aiohttp", "cryptography", "pypdf"),
        ),
    ],
)
def test_a_stage_loads_what_it_needs(
    put_request: Callable[..., None], workspace: Workspace, stage: Stage, unwanted: tuple[str, ...]
) -> None:
    """A fetch of inline rows, and a publish that fails at once."""
    put_request(sources=[SOURCE])
    report = "import json, atexit; atexit.register(lambda: print(json.dumps(sorted(sys.modules))))"
    argv = command(stage, workspace)
    argv[2] = argv[2].replace("sys.exit(", f"{report}\nsys.exit(")
    done = execute(argv)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert f"report_operator.run.{stage}" in loaded or stage is Stage.PUBLISH
    assert not loaded & set(unwanted)
