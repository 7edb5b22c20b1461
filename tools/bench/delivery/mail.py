"""(g) Mails with a link: the stage publish as a process, to a mail server that keeps nothing."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from report_operator.api.outputs import OutputFormat
from report_operator.api.report import ReportSpec
from report_operator.api.run import Links, Message, Rendered, RenderedFile, Request
from report_operator.plan import secret
from report_operator.run.destinations.email import CONNECTIONS
from report_operator.run.message import LINK
from report_operator.run.workspace import Workspace
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.support import seaweedfs
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS
from tools.bench.delivery import smtp_sink
from tools.bench.delivery.publish import publish
from tools.bench.figures import Section, Table, spread
from tools.bench.page import say

_NAME = "report.json"


def measure(mails: int, rounds: int) -> Section:
    """Return the section of the page."""
    rates = []
    with TemporaryDirectory(prefix="report-operator-bench-") as name, smtp_sink.running() as port:
        folder = Path(name)
        (folder / "store").mkdir()
        os.environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        with seaweedfs.running(folder / "store") as store:
            for number in range(rounds):
                say(f"(g) {mails:,} mails, {number + 1} of {rounds}")
                workspace = Workspace.under(folder / f"run-{number}")
                workspace.request.parent.mkdir()
                rates.append(mails / _seconds(store, workspace, mails, port))
    middle, least, most = spread(rates)
    intro = (
        f"{mails:,} recipients, a mail with a link for each, over {CONNECTIONS} connections to a server that takes "
        "everything (smtp-sink of Postfix); the ledger is in a SeaweedFS. All of it on this machine."
    )
    row = ("mails a second, from the start of the process to the end", f"{middle:,.0f} ({least:,.0f} to {most:,.0f})")
    return Section("(g) Many mails", intro, (Table(("mails", "median (range)", "goal"), ((*row, "at least 100"),)),))


def _seconds(store: SeaweedFS, workspace: Workspace, mails: int, port: int) -> float:
    request = _prepare(workspace, mails, port)
    workspace.links.write_bytes(_sign(store, request).packed())
    published = publish(workspace, request)
    [sent] = published.result.deliveries
    if sent.sent != mails:
        raise RuntimeError(f"{sent.sent} of {mails} mails were sent: {sent.last_error}")
    return published.seconds


def _prepare(workspace: Workspace, mails: int, port: int) -> Request:
    """Write what the operator and the stages before leave."""
    server = {"host": "127.0.0.1", "port": port, "encryption": "None"}
    everybody = [f"reader{number}@example.com" for number in range(mails)]
    spec = {
        "sources": [{"name": "rows", "inline": {"rows": [{"a": 1}]}}],
        "outputs": [{"format": "json"}],
        "destinations": [
            {"name": "mail", "email": {"server": server, "from": "reports@example.com", "bcc": everybody}},
        ],
    }
    request = Request(
        run_id=f"bench-{time.time_ns()}",
        namespace="bench",
        name="bench",
        created_at=datetime.now(UTC),
        spec=ReportSpec.model_validate(spec),
    )
    workspace.request.write_text(json.dumps(request.to_wire()))
    workspace.outputs.mkdir()
    (workspace.outputs / _NAME).write_text("{}")
    link = LINK.format(name=_NAME)
    letter = Message(
        subject="Weekly", text=f"Weekly is ready: {link}", html=f'<p>Weekly: <a href="{link}">here</a></p>'
    )
    files = [RenderedFile(name=_NAME, format=OutputFormat.JSON)]
    workspace.rendered.write_text(json.dumps(Rendered(files=files, messages={"mail": letter}).to_wire()))
    return request


def _sign(store: SeaweedFS, request: Request) -> Links:
    """Return links to a place of the run's own."""
    return asyncio.run(_signed(store, request))


async def _signed(store: SeaweedFS, request: Request) -> Links:
    there = S3Store(S3Settings(bucket=BUCKET, endpoint=store.endpoint, path_style=True))
    now, ttl, folder = datetime.now(UTC), timedelta(hours=1), f"{request.run_id}/"
    names = secret.planned_files(request.spec)
    signed = await there.sign_uploads({folder + name: None for name in names}, ttl)
    shown = await there.sign_download(folder + _NAME, "attachment", _NAME, "application/json", ttl)
    entries = await there.sign_ledger(folder, secret.planned_entries(request.spec), ttl)
    reads = {name: folder + name for name in secret.files_read(request.spec)}
    found = await there.sign_reads(reads.values(), ttl)
    there.close()
    return Links(
        expires_at=signed.expires_at,
        uploads={name: signed.by_key[folder + name] for name in names},
        deliver_until=now + ttl,
        reads={name: found[key] for name, key in reads.items()},
        downloads={_NAME: shown.url},
        downloads_expire_at=shown.expires_at,
        entries=entries,
    )
