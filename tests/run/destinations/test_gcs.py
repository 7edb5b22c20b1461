"""Copies in a bucket of fake-gcs-server, which takes any token; those come from a server of the test's."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import google_crc32c
import pytest
from google.auth import iam
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account

from report_operator.api.deliveries import DeliveryState
from report_operator.api.policy import Policy
from report_operator.api.preflight import ProbeOrder
from report_operator.api.run import Request
from report_operator.run.destinations.copies import PART
from report_operator.run.destinations.gcs_session import session
from report_operator.run.preflight import probe
from report_operator.run.workspace import Workspace
from tests.run.destinations.conftest import sent, under_policy
from tests.support import fake_gcs, http_server
from tests.support.fake_gcs import ACCOUNT, BUCKET, FakeGcs
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports
from tests.support.shipping import FILES, Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
FOLDER = "in/team-a/weekly/0b8e-1"
OTHER = "lake@partner.iam.gserviceaccount.com"
TOKEN = json.dumps({"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}).encode()


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGcs]:
    with fake_gcs.running(tmp_path_factory.mktemp("gcs")) as store:
        yield store


@pytest.fixture(autouse=True)
def nobody_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library asks Google where a service account may be used from, in a thread of its own."""
    asks = "google.auth.credentials.CredentialsWithRegionalAccessBoundary._is_regional_access_boundary_lookup_required"
    monkeypatch.setattr(asks, lambda _: False)


@pytest.fixture
def lake(gcs: FakeGcs, web: HttpServer, put_secret: PutSecret) -> Callable[..., dict[str, Any]]:
    """Return the destination; None as a field leaves it out."""
    web.respond = lambda _: Answer(TOKEN)

    def make(**fields: Any) -> dict[str, Any]:
        key = put_secret("lake", "key.json", fake_gcs.service_account_key(f"{web.url}/token"))
        place = {"bucket": BUCKET, "prefix": "/in/", "endpoint": gcs.endpoint, "keyFrom": key} | fields
        return {"name": "lake", "gcs": {name: value for name, value in place.items() if value is not None}}

    return make


def failure(shipment: Shipment) -> str:
    [entry] = shipment.ledger()
    assert entry.state is DeliveryState.FAILED
    return entry.last_error or ""


@pytest.mark.requirement("D6")
def test_copies_with_their_hashes(ship: Ship, gcs: FakeGcs, web: HttpServer, lake: Callable[..., Any]) -> None:
    """Twice: the same names, and nothing else."""
    shipment = ship(lake())
    for _ in range(2):
        sent(shipment)
        found = gcs.objects("in/")
        assert sorted(found) == sorted(f"{FOLDER}/{name}" for name in FILES)
        for name, content in FILES.items():
            kept = {"sha256": hashlib.sha256(content).hexdigest(), "run-id": "0b8e-1"}
            assert gcs.content(f"{FOLDER}/{name}") == content
            assert found[f"{FOLDER}/{name}"]["metadata"] == kept
        assert found[f"{FOLDER}/report.pdf"]["contentType"] == "application/pdf"
        [entry] = shipment.ledger()
        assert (entry.state, entry.remote_id) == (DeliveryState.SENT, f"gs://{BUCKET}/{FOLDER}")
    [asked, *_] = web.asked
    claims = json.loads(base64.urlsafe_b64decode(parse_qs(asked.body.decode())["assertion"][0].split(".")[1] + "=="))
    assert claims["iss"] == ACCOUNT


def test_a_large_file_goes_in_parts(ship: Ship, gcs: FakeGcs, web: HttpServer, lake: Callable[..., Any]) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"end"
    shipment = ship(lake())
    (shipment.workspace.outputs / "report.pdf").write_bytes(content)
    sent(shipment)
    kept = gcs.objects("in/")[f"{FOLDER}/report.pdf"]
    assert kept["crc32c"] == base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
    assert int(kept["size"]) == len(content)


@pytest.mark.requirement("D6")
def test_as_another_service_account(
    ship: Ship, gcs: FakeGcs, web: HttpServer, lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is the test's server as well: fake-gcs-server does not tell which token it was shown."""
    monkeypatch.setattr(iam, "_IAM_ENDPOINT", f"{web.url}/impersonate/{{}}")

    def respond(asked: Asked) -> Answer:
        if asked.path.startswith("/impersonate"):
            return Answer(json.dumps({"accessToken": "0ther", "expireTime": "2036-01-01T00:00:00Z"}).encode())
        return Answer(TOKEN if asked.path == "/token" else b"{}")

    web.respond = respond
    sent(ship(lake(impersonate=OTHER, endpoint=web.url)))
    tokens = {asked.path.split("?")[0]: asked.headers.get("authorization") for asked in web.asked}
    assert tokens[f"/impersonate/{OTHER}"] == "Bearer t0ken"
    assert tokens[f"/upload/storage/v1/b/{BUCKET}/o"] == "Bearer 0ther"


@pytest.mark.requirement("D6")
def test_as_the_pod(
    ship: Ship, gcs: FakeGcs, web: HttpServer, lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server in the place of GKE's metadata server, which has the tokens of a pod's ServiceAccount."""
    fake_gcs.with_metadata_server(monkeypatch, web.url)

    def respond(asked: Asked) -> Answer:
        about = json.dumps({"email": ACCOUNT, "scopes": ["x"], "aliases": []}).encode()
        content = TOKEN if "/token" in asked.path else about if "service-accounts" in asked.path else b"{}"
        return Answer(content, headers={"Metadata-Flavor": "Google", "Content-Type": "application/json"})

    web.respond = respond
    sent(ship(lake(keyFrom=None, endpoint=web.url)))
    uploads = [asked for asked in web.asked if asked.path.startswith("/upload/")]
    assert len(uploads) == len(FILES)
    assert {asked.headers["authorization"] for asked in uploads} == {"Bearer t0ken"}


def test_a_pod_without_identity(ship: Ship, lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gcs.without_identity(monkeypatch)
    shipment = ship(lake(keyFrom=None))
    sent(shipment)
    said = failure(shipment)
    assert (
        "gs://reports: the run's pod has no identity of Google Cloud: set gcs.keyFrom, or run.serviceAccountName"
        in said
    )


def test_a_bucket_that_is_not_there(ship: Ship, lake: Callable[..., Any]) -> None:
    shipment = ship(lake(bucket="nowhere"))
    sent(shipment)
    assert failure(shipment).startswith("gs://nowhere refuses a file: 404 ")
    assert failure(shipment).endswith(": correct gcs.bucket, or make the bucket")


@pytest.mark.parametrize(("status", "attempts"), [(403, 1), (503, 3), (429, 3)])
def test_what_the_store_answers(
    ship: Ship, web: HttpServer, lake: Callable[..., Any], status: int, attempts: int
) -> None:
    """A refusal ends it, an outage is tried again."""
    asked_for: list[str] = []

    def respond(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(TOKEN)
        asked_for.append(asked.path)
        error = {"error": {"code": status, "message": "not now", "errors": [{"message": "not now"}]}}
        return Answer(json.dumps(error).encode(), status) if len(asked_for) < 3 else Answer(b"{}")

    web.respond = respond
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert entry.attempts == attempts, asked_for
    assert entry.state is (DeliveryState.SENT if attempts > 1 else DeliveryState.FAILED)
    if attempts == 1:
        assert entry.last_error == (
            "gs://reports refuses a file: 403 not now: give the service account the role Storage Object User on the"
            " bucket"
        )


def test_a_key_that_is_refused(ship: Ship, web: HttpServer, lake: Callable[..., Any]) -> None:
    web.respond = lambda _: Answer(b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}', 400)
    shipment = ship(lake())
    sent(shipment)
    said = failure(shipment)
    assert said == ("gs://reports: a token of the service account is refused: invalid_grant: Invalid JWT Signature.")


@pytest.mark.parametrize(
    "value", ["no json", "[]", '{"type": "external_account", "credential_source": {"file": "/etc/passwd"}}',
              '{"type": "service_account", "private_key": "s3cret-key", "client_email": "x", "token_uri": "http://x"}']
)  # fmt: skip
def test_a_secret_that_holds_no_key(ship: Ship, lake: Callable[..., Any], put_secret: PutSecret, value: str) -> None:
    """Other kinds of credentials name files and addresses of their own: they are not taken."""
    shipment = ship(lake(keyFrom=put_secret("wrong", "key.json", value)))
    sent(shipment)
    said = failure(shipment)
    assert said.startswith("gcs.keyFrom: key 'key.json' of Secret 'wrong' is no JSON key of a service account: make")
    assert "s3cret-key" not in said


@pytest.mark.requirement("D9")
def test_a_probe_leaves_nothing(
    order: Callable[..., Request], workspace: Workspace, gcs: FakeGcs, lake: Callable[..., Any]
) -> None:
    places = [lake(prefix="probes"), lake(bucket="nowhere") | {"name": "nowhere"}]
    [problem] = probe(ProbeOrder(request=order(destinations=places)), workspace)
    assert problem.startswith("Destination nowhere: ")
    assert "nowhere refuses a file: 404 " in problem
    assert gcs.objects("probes") == {}


@pytest.mark.parametrize("fields", [{}, {"endpoint": None}])
def test_where_the_policy_lets_it_go(ship: Ship, web: HttpServer, lake: Callable[..., Any], fields: Any) -> None:
    """Neither the endpoint nor, without one, the address that the key names for tokens is asked."""
    shipment = under_policy(ship(lake(**fields)))
    sent(shipment)
    assert "not allowed by the platform team: bucketNetworks: 127.0.0.1 is not public" in failure(shipment)
    assert web.asked == []


@pytest.fixture
def elsewhere() -> Iterator[HttpServer]:
    """A server that nobody is to be sent to."""
    with http_server.running("127.0.0.2") as server:
        server.answer("internal-page", status=403)
        yield server


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("path", ["/token", "/upload"])
def test_redirects_are_not_followed(
    *, ship: Ship, web: HttpServer, lake: Callable[..., Any], elsewhere: HttpServer, path: str, status: int
) -> None:
    there = Answer(status=status, headers={"Location": f"{elsewhere.url}/secret"})
    web.respond = lambda asked: there if asked.path.startswith(path) else Answer(TOKEN)
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    assert f"{status}" in failure(shipment)
    assert elsewhere.asked == []


def test_redirects_to_impersonate_are_not_followed(
    ship: Ship, web: HttpServer, lake: Callable[..., Any], elsewhere: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam, "_IAM_ENDPOINT", f"{web.url}/impersonate/{{}}")
    there = Answer(b"internal-page", 307, {"Location": elsewhere.url})
    web.respond = lambda asked: there if asked.path.startswith("/impersonate") else Answer(TOKEN)
    shipment = ship(lake(impersonate=OTHER, endpoint=web.url))
    sent(shipment)
    assert "internal" not in failure(shipment)
    assert elsewhere.asked == []


def test_an_upload_goes_on_only_where_the_policy_lets_it(
    ship: Ship, web: HttpServer, lake: Callable[..., Any], elsewhere: HttpServer
) -> None:
    """A store names the URL for the parts of a large file."""
    there = Answer(headers={"Location": f"{elsewhere.url}/secret"})
    web.respond = lambda asked: there if asked.path.startswith("/upload") else Answer(TOKEN)
    allowed = Policy.read({"bucketNetworks": ["127.0.0.1/32"]})
    shipment = ship(lake(endpoint=web.url))
    (shipment.workspace.outputs / "report.pdf").write_bytes(bytes(PART + 1))
    sent(replace(shipment, request=shipment.request.model_copy(update={"policy": allowed})))
    assert "bucketNetworks: 127.0.0.2 is not public" in failure(shipment)
    assert elsewhere.asked == []


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body",
    [
        "<html>internal-page</html>",
        '["internal-page"]',
        '{"page": "internal-page"}',
        '{"error": {"text": "internal-page"}}',
        '{"access_token": ["internal-page"]}',
        '{"access_token": "x", "expires_in": "internal-page"}',
    ],
)
def test_what_is_no_answer_of_a_server_for_tokens_is_not_told(web: HttpServer, body: str, status: int) -> None:
    web.answer(body, status)
    info = json.loads(fake_gcs.service_account_key(f"{web.url}/token"))
    own = service_account.Credentials.from_service_account_info(info, scopes=["x"])
    with pytest.raises(RefreshError, match=rf"^HTTP {status}, and not the answer of a server for tokens") as raised:
        session(own, f"{web.url}/token", lambda _: None).get(f"{web.url}/x")
    assert "internal" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"endpoint": "https://[x"}, "gcs.endpoint (https://[x) is no web address: write it as https://HOST"),
        ({"endpoint": "https://s.example:99999"}, "gcs.endpoint (https://s.example:99999) is no web address: write"),
        (
            {"endpoint": "https://s.example\\@127.0.0.1"},
            "@127.0.0.1) is no address of a store: write it as https://HOST",
        ),
        (
            {"universe_domain": "evil.example"},
            "of Secret 'odd' has universe_domain 'evil.example': use a key of google",
        ),
        ({"token_uri": "oauth2.googleapis.com/token"}, "token_uri of the key in gcs.keyFrom is no web address: write"),
    ],
)
def test_what_the_author_has_to_mend(
    *, ship: Ship, web: HttpServer, lake: Callable[..., Any], put_secret: PutSecret, fields: dict[str, Any], says: str
) -> None:
    key = json.loads(fake_gcs.service_account_key(f"{web.url}/token"))
    place = {"endpoint": fields["endpoint"]} if "endpoint" in fields else {}
    odd = put_secret("odd", "key.json", json.dumps(key | fields))
    shipment = ship(lake(**place, keyFrom=odd))
    sent(shipment)
    assert says in failure(shipment)
    assert (shipment.ledger()[0].attempts, web.asked) == (1, [])


def test_a_server_that_is_no_google_cloud_storage(ship: Ship, web: HttpServer, lake: Callable[..., Any]) -> None:
    web.respond = lambda asked: Answer(TOKEN if asked.path == "/token" else b"<html>Welcome</html>")
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    assert failure(shipment) == "gs://reports: the answer is not that of Google Cloud Storage: correct gcs.endpoint"


def test_a_store_that_is_not_there(ship: Ship, lake: Callable[..., Any]) -> None:
    shipment = ship(lake(endpoint=f"http://127.0.0.1:{free_ports(1)[0]}"))
    sent(shipment)
    assert failure(shipment).startswith("gs://reports cannot be reached: ")
