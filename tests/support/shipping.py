"""A run that has rendered and is about to publish: its files, its links into a real store, and what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from report_operator.api.deliveries import Deliveries, Entry
from report_operator.api.outputs import OutputFormat
from report_operator.api.run import (
    LEDGER_FILE,
    EntryLinks,
    Links,
    Rendered,
    RenderedFile,
    Request,
    SignedRequest,
    Upload,
)
from report_operator.plan import secret
from report_operator.run.workspace import Workspace
from tests.support.seaweedfs import BUCKET, SeaweedFS

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
            downloads={name: link("get_object", name) for name in FILES},
            downloads_expire_at=now + timedelta(hours=1),
            entries={id_: entry(id_) for id_ in secret.planned_entries(self.request.spec)},
        )

    def write_links(self, links: Links) -> None:
        """Write the links where publish reads them."""
        self.workspace.links.write_bytes(links.packed())

    def ledger(self) -> list[Entry]:
        """Return the entries of the ledger's artifact."""
        return Deliveries.model_validate_json(self.stored()[LEDGER_FILE]).entries

    def stored(self) -> Mapping[str, bytes]:
        """Return the run's objects in the store by name."""
        client: Any = self.store.client()
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.folder}/").get("Contents", [])
        keys = [item["Key"] for item in found]
        contents = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(f"{self.folder}/"): content for key, content in contents.items()}
