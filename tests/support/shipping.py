"""A run that has rendered and is about to publish: its files, its links into a real store, and what came of it."""

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from report_operator.api.deliveries import Deliveries, DeliveryState, Entry
from report_operator.api.outputs import OutputFormat
from report_operator.api.redelivery import RedeliveryOrder
from report_operator.api.run import (
    LEDGER_FILE,
    RESULT_FILE,
    EntryLinks,
    Links,
    Rendered,
    RenderedFile,
    Request,
    Result,
    SignedRequest,
    Upload,
)
from report_operator.api.totals import totals
from report_operator.control.ledgers import Ledgers
from report_operator.plan import redelivery_order, secret
from report_operator.run.workspace import Workspace
from report_operator.store.s3 import S3Store
from report_operator.store.settings import S3Settings
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS

FILES = {"report.pdf": b"%PDF-1.7 a page", "by_day.csv": b"day,bytes\n2026-05-04,1\n"}
OUTPUTS = [{"format": "pdf"}, {"format": "csv", "table": "by_day"}]
SOURCES = [{"name": "by_day", "inline": {"rows": [{"day": "2026-05-04", "bytes": 1}]}}]


@dataclass(frozen=True)
class Shipment:
    """What publish finds, and what it leaves in the store."""

    store: SeaweedFS
    request: Request
    folder: str
    workspace: Workspace

    @classmethod
    def prepare(cls, store: SeaweedFS, request: Request, folder: str, workspace: Workspace) -> "Shipment":
        """Write what the operator and the stages before would have written."""
        shipment = cls(store, request, folder, workspace)
        workspace.request.write_text(json.dumps(request.to_wire()))
        workspace.outputs.mkdir(parents=True)
        for name, content in FILES.items():
            (workspace.outputs / name).write_bytes(content)
        workspace.rendered.write_text(json.dumps(shipment.rendered.to_wire()))
        shipment.write_links(shipment.links())
        return shipment

    @property
    def rendered(self) -> Rendered:
        """Return what render tells."""
        files = [RenderedFile(name=name, format=OutputFormat(name.rpartition(".")[2])) for name in FILES]
        return Rendered(files=files, metrics={"Flights": "336,776"})

    def links(self, store: SeaweedFS | None = None, lasting: timedelta = timedelta(minutes=10)) -> Links:
        """Return links into the store, or into one that stands before it."""
        now, client = datetime.now(UTC), (store or self.store).client()

        def link(method: str, name: str, **parameters: str) -> str:
            wanted = {"Bucket": BUCKET, "Key": f"{self.folder}/{name}", **parameters}
            return str(client.generate_presigned_url(method, Params=wanted, ExpiresIn=600))

        def entry(id_: str) -> EntryLinks:
            once = {"If-None-Match": "*"}
            intent, record = f"ledger/{id_}.intent", f"ledger/{id_}.record"
            return EntryLinks(
                claim=SignedRequest(url=link("put_object", intent, IfNoneMatch="*"), headers=once),
                claimed=link("get_object", intent),
                release=link("delete_object", intent),
                record=SignedRequest(url=link("put_object", record, IfNoneMatch="*"), headers=once),
                recorded=link("get_object", record),
            )

        return Links(
            expires_at=now + timedelta(minutes=10),
            uploads={
                name: Upload(whole=SignedRequest(url=link("put_object", name)))
                for name in secret.planned_files(self.request.spec)
            },
            deliver_until=now + lasting,
            reads={name: link("get_object", name) for name in secret.files_read(self.request.spec)},
            downloads={name: link("get_object", name) for name in FILES},
            downloads_expire_at=now + timedelta(hours=1),
            entries={id_: entry(id_) for id_ in secret.planned_entries(self.request.spec)},
        )

    def write_links(self, links: Links) -> None:
        """Write the links where publish reads them."""
        self.workspace.links.write_bytes(links.packed())

    def order_again(self, token: str, states: Collection[DeliveryState], workspace: Workspace) -> RedeliveryOrder:
        """Write what the operator would have written for a redelivery into a workspace of its own; return the order."""
        workspace.request.parent.mkdir(exist_ok=True)
        workspace.request.write_bytes(self.workspace.request.read_bytes())
        ledger = Deliveries(run_id=self.request.run_id, entries=self.ledger())
        order = redelivery_order.order(self.request.spec, ledger, states)
        own, of_run = replace(self, folder=f"{self.folder}/redelivery-{token}").links(), self.links()
        update = {
            "entries": {id_: links for id_, links in own.entries.items() if id_ in order.again},
            "uploads": {name: of_run.uploads[name] for name in redelivery_order.WRITTEN},
            "downloads": {name: f"{link}&fresh={token}" for name, link in own.downloads.items()},
            "reads": of_run.reads,
        }
        workspace.links.write_bytes(own.model_copy(update=update).packed())
        workspace.order.write_bytes(order.packed())
        return order

    def settle(self, token: str = "") -> list[Entry]:
        """Do what the operator does when the run, or a redelivery, has ended for good; return the ledger."""
        place = S3Settings(bucket=BUCKET, endpoint=self.store.endpoint, path_style=True)
        result = Result.model_validate_json(self.read(RESULT_FILE))
        own = f"{self.folder}/redelivery-{token}/" if token else f"{self.folder}/"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            with closing(S3Store(place)) as store:
                settled = asyncio.run(Ledgers(store).settle(self.request.spec, result, f"{self.folder}/", own))
        assert Result.model_validate_json(self.read(RESULT_FILE)) == settled
        assert settled.ledger is not None
        assert settled.ledger.sha256 == hashlib.sha256(self.read(LEDGER_FILE)).hexdigest()
        assert settled.deliveries == totals(self.ledger())
        return self.ledger()

    def ledger(self) -> list[Entry]:
        """Return the entries of the ledger's artifact."""
        return Deliveries.model_validate_json(self.read(LEDGER_FILE)).entries

    def read(self, name: str) -> bytes:
        """Return one of the run's objects in the store."""
        found: bytes = self.store.client().get_object(Bucket=BUCKET, Key=f"{self.folder}/{name}")["Body"].read()
        return found

    def stored(self) -> Mapping[str, bytes]:
        """Return the run's objects in the store by name."""
        client: Any = self.store.client()
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.folder}/").get("Contents", [])
        keys = [item["Key"] for item in found]
        contents = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(f"{self.folder}/"): content for key, content in contents.items()}
