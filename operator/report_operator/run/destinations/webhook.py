"""JSON messages by POST, signed as Standard Webhooks 1.0 says (standard-webhooks/standard-webhooks, spec)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from report_operator import __version__
from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.destinations import Webhook
from report_operator.api.run import StoredFile
from report_operator.run.destinations.address import secret_address, web_address
from report_operator.run.destinations.outcome import Outcome
from report_operator.run.destinations.package import Package
from report_operator.run.destinations.post import client, post, reach
from report_operator.run.destinations.trust import trust
from report_operator.run.failure import RunError
from report_operator.run.mounts import header_value, place_of, secret_value

EVENT = "report.succeeded"
"""What every message is about."""
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how the specification marks a secret
_SHORTEST_KEY = 24
"""Bytes of a signing key at least, by the specification."""


class WebhookChannel:
    """The way to a webhook."""

    parallel = 1
    repeatable = False

    def __init__(self, name: str, webhook: Webhook, package: Package) -> None:
        """Read the Secrets; raises RunError."""
        place = f"destination {name!r}"
        workspace = package.workspace
        self._url = _url(webhook, package)
        self._headers = {header.name: header_value(workspace, header, place) for header in webhook.headers}
        self._keys = _keys(webhook, package)
        self._package = package
        self._body = json.dumps(message(package), ensure_ascii=False, separators=(",", ":")).encode()
        self._client = client(trust(workspace, webhook.ca_from), package.reach)

    def send(self, entry: Entry) -> Outcome:
        """POST the message."""
        id_, now = self._package.message_id(entry), int(time.time())
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "User-Agent": f"report-operator/{__version__}",
            "webhook-id": id_,
            "webhook-timestamp": str(now),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(signature(key, id_, now, self._body) for key in self._keys)
        return post(self._client, self._url, self._body, headers, self._package.redact, has_id=True)

    def probe(self) -> Outcome:
        """Ask whether a server is there."""
        return reach(self._client, self._url)

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def message(package: Package) -> dict[str, object]:
    """Return the JSON message: the same for every send of a run."""
    request, links = package.request, package.links
    expiry = links.downloads_expire_at
    content = {
        "event": EVENT,
        "runID": request.run_id,
        "report": _known(
            {
                "namespace": request.namespace,
                "name": request.name,
                "schedule": request.schedule,
                "title": request.title,
            }
        ),
        "period": request.spec.period and request.spec.period.to_wire(),
        "subject": package.rendered.subject and package.rendered.subject.to_wire(),
        "metrics": package.rendered.metrics,
        "artifacts": [_artifact(file, links.downloads.get(file.name), expiry) for file in package.files],
    }
    return _known(content)


def signature(key: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Return a signature of version 1: HMAC-SHA256 of id, time and body."""
    digest = hmac.new(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _artifact(file: StoredFile, link: str | None, expiry: datetime | None) -> dict[str, object]:
    shown = {
        "name": file.name,
        "format": file.format,
        "mediaType": file.format.media_type,
        "size": file.size,
        "sha256": file.sha256,
        "rows": file.rows,
        "downloadURL": link,
        "urlExpiresAt": expiry.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if link and expiry else None,
    }
    return _known(shown)


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _url(webhook: Webhook, package: Package) -> str:
    if webhook.url_from:
        return secret_address(package.workspace, webhook.url_from.secret_key_ref)
    return web_address(webhook.url or "", "webhook.url")


def _keys(webhook: Webhook, package: Package) -> list[bytes]:
    """Return the keys to sign with; raises RunError(InvalidSpec) when one is not as the specification says."""
    if webhook.signing_secret_from is None:
        return []
    selector = webhook.signing_secret_from.secret_key_ref
    keys = []
    for value in secret_value(package.workspace, selector).split():
        try:
            key = base64.b64decode(value.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if len(key) < _SHORTEST_KEY:
            raise RunError(
                Reason.INVALID_SPEC,
                f"{place_of(selector)} is no signing secret: write {_SECRET_PREFIX} and"
                f" Base64 of at least {_SHORTEST_KEY} bytes",
            )
        keys.append(key)
    return keys
