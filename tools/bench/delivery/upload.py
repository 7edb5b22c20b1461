"""(f) A large file into the store: the stage publish as a process, beside curl with the same file and store."""

import asyncio
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from report_operator.api.outputs import OutputFormat
from report_operator.api.report import ReportSpec
from report_operator.api.run import RESULT_FILE, Links, Rendered, RenderedFile, Request
from report_operator.plan import uploads
from report_operator.run.workspace import Workspace
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.support import seaweedfs
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS
from tools.bench.delivery.publish import publish
from tools.bench.figures import Cell, Section, Table, spread
from tools.bench.page import say

_MIB = 1 << 20
_SCRATCH = 10 << 30
"""Bytes that a run can write, as the chart has it."""
_NAME = "sales.csv"


@dataclass(frozen=True)
class _Upload:
    seconds: float
    peak: int = 0
    """Bytes."""


def measure(mebibytes: int, rounds: int) -> Section:
    """Return the section of the page."""
    cores = os.sched_getaffinity(0)
    half = set(sorted(cores)[: len(cores) // 2])
    placements = [("the store on the same cores", cores, cores)]
    if half:
        placements.append(("the store on half of the cores, curl and publish on the others", half, cores - half))
    with TemporaryDirectory(prefix="report-operator-bench-") as name:
        workspace = Workspace.under(Path(name))
        file = _write(workspace, mebibytes)
        tables = tuple(
            _table(title, mebibytes, _in_turn(file, workspace, rounds, of_store, of_clients))
            for title, of_store, of_clients in placements
        )
    intro = (
        f"A file of {mebibytes:,} MiB into a SeaweedFS on this machine that runs in one process, {rounds} times in "
        "turn: with curl, and by the stage publish, which also makes SHA-256 and the MD5 of each part."
    )
    notes = (
        "Where the store shares its cores with publish, each second of hashing is one that the store waits; a store of "
        "one's own machine, or of a cloud, does not."
    )
    return Section("(f) Upload of a large file", intro, tables, notes)


def _in_turn(
    file: Path, workspace: Workspace, rounds: int, of_store: set[int], of_clients: set[int]
) -> list[tuple[_Upload, _Upload]]:
    """Upload the file with curl and publish so many times; return how each pair went."""
    pairs = []
    with (
        TemporaryDirectory(prefix="report-operator-bench-") as name,
        _store(Path(name), of_store) as store,
        _only_on(of_clients),
    ):
        for number in range(rounds):
            say(f"(f) upload {number + 1} of {rounds}: curl, then publish")
            pairs.append((_with_curl(store, file), _with_publish(store, workspace)))
    return pairs


def _table(title: str, mebibytes: int, pairs: list[tuple[_Upload, _Upload]]) -> Table:
    def rates(each: int) -> str:
        middle, least, most = spread([mebibytes / pair[each].seconds for pair in pairs])
        return f"{middle:,.0f} ({least:,.0f} to {most:,.0f})"

    ratio = statistics.median(theirs.seconds / ours.seconds for theirs, ours in pairs)
    peak = max(ours.peak for _, ours in pairs) / _MIB
    rows: tuple[tuple[Cell, ...], ...] = (
        ("curl, one PUT: MiB/s", rates(0), ""),
        ("publish, from the start of its process to the end: MiB/s", rates(1), ""),
        ("ratio, pair by pair, median", ratio, "at least 0.8"),
        ("publish: most memory that it had (VmHWM), MiB", peak, "at most 128"),
    )
    return Table((title, "median (range)", "goal"), rows)


@contextmanager
def _store(folder: Path, cores: set[int]) -> Iterator[SeaweedFS]:
    os.environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with seaweedfs.server(folder) as server:
        with _only_on(cores):
            server.start()
        yield server.store


@contextmanager
def _only_on(cores: set[int]) -> Iterator[None]:
    """Have the processes that are started meanwhile run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _write(workspace: Workspace, mebibytes: int) -> Path:
    """Write what the operator and the stages before leave; return the file."""
    say(f"writing {mebibytes:,} MiB")
    workspace.outputs.mkdir()
    spec = {
        "sources": [{"name": "sales", "http": {"url": "https://example.com/sales.csv", "format": "csv"}}],
        "outputs": [{"format": "csv", "table": "sales"}],
    }
    request = Request(
        run_id="bench-1",
        namespace="bench",
        name="bench",
        created_at=datetime.now(UTC),
        spec=ReportSpec.model_validate(spec),
    )
    workspace.request.write_text(json.dumps(request.to_wire()))
    rendered = Rendered(files=[RenderedFile(name=_NAME, format=OutputFormat.CSV)])
    workspace.rendered.write_text(json.dumps(rendered.to_wire()))
    file = workspace.outputs / _NAME
    with file.open("wb") as content:
        for _ in range(mebibytes):
            content.write(os.urandom(_MIB))
    return file


def _sign(store: SeaweedFS, spec: ReportSpec | None = None) -> Links:
    """Return links to a place of their own: nothing there is replaced."""
    there = S3Store(S3Settings(bucket=BUCKET, prefix=str(time.time_ns()), endpoint=store.endpoint, path_style=True))
    splits = uploads.splits(spec, _SCRATCH) if spec else {}
    signed = asyncio.run(there.sign_uploads({_NAME: splits.get(_NAME), RESULT_FILE: None}, timedelta(hours=1)))
    there.close()
    return Links(expires_at=signed.expires_at, uploads=dict(signed.by_key))


def _with_curl(store: SeaweedFS, file: Path) -> _Upload:
    url = _sign(store).uploads[_NAME].whole.url
    begun = time.monotonic()
    subprocess.run(["curl", "--silent", "--fail", "--upload-file", str(file), url], check=True)
    return _Upload(time.monotonic() - begun)


def _with_publish(store: SeaweedFS, workspace: Workspace) -> _Upload:
    request = Request.model_validate_json(workspace.request.read_bytes())
    workspace.links.write_bytes(_sign(store, request.spec).packed())
    published = publish(workspace, request)
    return _Upload(published.seconds, published.peak)
