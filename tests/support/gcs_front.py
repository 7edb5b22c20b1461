"""What fake-gcs-server lacks of Google Cloud Storage, in front of it: signatures, their end, MD5s and preconditions.

Signatures are checked as https://cloud.google.com/storage/docs/authentication/signatures has them (V4, XML API).
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support import http_server
from tests.support.fake_gcs import BUCKET, FakeGcs, private_key
from tests.support.http_server import Answer, Asked

TOKEN = b'{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}'


@dataclass(frozen=True)
class _Front:
    store: FakeGcs

    def respond(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(TOKEN, headers={"Content-Type": "application/json"})
        if not asked.path.startswith(("/storage/", "/upload/", "/download/")):
            if not _is_signed(asked):
                return Answer(b"<Error><Code>SignatureDoesNotMatch</Code></Error>", 403)
            if asked.headers.get("content-md5", _md5(asked.body)) != _md5(asked.body):
                return Answer(b"<Error><Code>BadDigest</Code></Error>", 400)
            name = unquote(urlsplit(asked.path).path).removeprefix(f"/{BUCKET}/")
            if asked.headers.get("x-goog-if-generation-match") == "0" and name in self.store.objects(name):
                return Answer(b"<Error><Code>PreconditionFailed</Code></Error>", 412)
        return self._forwarded(asked)

    def _forwarded(self, asked: Asked) -> Answer:
        passed = {name: value for name, value in asked.headers.items() if name not in {"host", "content-length"}}
        url = f"{self.store.endpoint}{asked.path}"
        with httpx.stream(asked.method, url, headers=passed, content=asked.body) as answer:
            body = b"".join(answer.iter_raw())
        hop = {"content-length", "transfer-encoding", "connection", "date"}
        return Answer(body, answer.status_code, {n: v for n, v in answer.headers.items() if n not in hop})


@contextlib.contextmanager
def running(store: FakeGcs) -> Iterator[str]:
    """Stand before a store until the context ends; gives the URL."""
    with http_server.running() as front:
        front.respond = _Front(store).respond
        yield front.url


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def _is_signed(asked: Asked) -> bool:
    parts = urlsplit(asked.path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "X-Goog-Signature" not in query:
        return False
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    signed = query["X-Goog-SignedHeaders"].split(";")
    headers = "".join(f"{name}:{asked.headers.get(name, '')}\n" for name in signed)
    listed = "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in sorted(query.items()))
    canonical = "\n".join([asked.method, parts.path, listed, headers, ";".join(signed), "UNSIGNED-PAYLOAD"])
    scope = query["X-Goog-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([query["X-Goog-Algorithm"], query["X-Goog-Date"], scope, digest])
    begun = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if datetime.now(UTC) >= begun + timedelta(seconds=int(query["X-Goog-Expires"])):
        return False
    try:
        private_key().public_key().verify(signature, text.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    unsigned = [name for name in asked.headers if name.startswith("x-goog-") and name not in signed]
    return not unsigned
