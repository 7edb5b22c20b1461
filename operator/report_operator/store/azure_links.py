"""Signs requests to a container of Azure Blob Storage (service and user delegation SAS)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import quote

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from report_operator.api.run import EntryLinks, Parts, SignedRequest, Upload
from report_operator.plan.uploads import Split
from report_operator.store.store import Link

_LONGEST = timedelta(days=7)
"""The longest that a key lasts with which Azure lets an identity sign (Get User Delegation Key)."""
_RENEWED = timedelta(days=1)
_WHOLE = {"x-ms-blob-type": "BlockBlob"}
_ONCE = {**_WHOLE, "If-None-Match": "*"}
_LISTING = '<?xml version="1.0" encoding="utf-8"?><BlockList>{parts}</BlockList>'
_LISTED = "<Latest>{number:04}</Latest>"


@dataclass
class Signer:
    """Signs with the key of the storage account, or with one that Azure lends to the pod's identity.

    Its methods block, and may raise AzureError. Names are those of blobs in the container, with the prefix.
    """

    service: Any
    """azure.storage.blob.BlobServiceClient."""
    container: str
    account_key: str | None
    public_endpoint: str | None
    _lent: tuple[Any, datetime] | None = None
    """A key of Azure's, and when it stops working."""
    _lock: Lock = field(default_factory=Lock)

    def link(
        self,
        name: str,
        permission: str,
        ttl: timedelta,
        *,
        outside: bool = False,
        content_disposition: str | None = None,
        content_type: str | None = None,
    ) -> Link:
        """Return a signed URL with these permissions (r, c, w, d), and when it stops working.

        A GET is answered with these headers, where they are given.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        lent, until = (None, now + ttl) if self.account_key else self._borrowed(now)
        end = min(now + ttl, until)
        signature = generate_blob_sas(
            self.service.account_name,
            self.container,
            name,
            permission=BlobSasPermissions.from_string(permission),
            expiry=end,
            account_key=self.account_key,
            user_delegation_key=lent,
            content_disposition=content_disposition,
            content_type=content_type,
        )
        base = (self.public_endpoint if outside else None) or self.service.primary_endpoint
        return Link(f"{base.rstrip('/')}/{self.container}/{quote(name, safe='/~')}?{signature}", end)

    def upload(self, name: str, split: Split | None, ttl: timedelta) -> tuple[Upload, datetime]:
        """Return what a file is uploaded with, and when that stops working.

        A signature is for the blob and not for what is done to it: one is enough for all blocks and for their list.
        """
        link = self.link(name, "cw", ttl)
        whole = SignedRequest(url=link.url, headers=_WHOLE)
        if split is None:
            return Upload(whole=whole), link.expires_at
        blocks = [f"{link.url}&comp=block&blockid={number:04}" for number in range(1, split.count + 1)]
        described = {"x-ms-blob-content-type": split.media_type}
        parts = Parts(
            size=split.part_size,
            puts=[SignedRequest(url=url) for url in blocks],
            complete=SignedRequest(url=f"{link.url}&comp=blocklist", headers=described),
            listing=_LISTING,
            listed=_LISTED,
        )
        return Upload(whole=whole, parts=parts), link.expires_at

    def entry(self, stem: str, ttl: timedelta) -> EntryLinks:
        """Return the links to the objects of a ledger's entry, whose names begin with `stem`."""

        def link(what: str, permission: str) -> str:
            return self.link(f"{stem}.{what}", permission, ttl).url

        def once(what: str) -> SignedRequest:
            # The header is not part of the signature. Permission to create alone would hold without it, but then what
            # is there already is answered like a wrong signature (403), and not with a conflict.
            return SignedRequest(url=link(what, "cw"), headers=_ONCE)

        return EntryLinks(
            claim=once("intent"),
            claimed=link("intent", "r"),
            release=link("intent", "d"),
            record=once("record"),
            recorded=link("record", "r"),
        )

    def _borrowed(self, now: datetime) -> tuple[Any, datetime]:
        """Return a key of Azure's that lasts for six days at least, and when it stops working."""
        with self._lock:
            if self._lent is None or self._lent[1] < now + _LONGEST - _RENEWED:
                until = now + _LONGEST
                self._lent = self.service.get_user_delegation_key(now - timedelta(minutes=15), until), until
            return self._lent
