"""Copies in a container of Azurite, which checks keys and signatures as Azure does."""

import hashlib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from report_operator.api.deliveries import DeliveryState
from report_operator.api.preflight import ProbeOrder
from report_operator.api.run import Request
from report_operator.run.destinations.copies import PART
from report_operator.run.preflight import probe
from report_operator.run.workspace import Workspace
from tests.localcluster import certificates
from tests.run.destinations.conftest import sent, under_policy
from tests.support import azurite, http_server
from tests.support.azurite import ACCOUNT, CONTAINER, KEY, Azurite
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports
from tests.support.shipping import FILES, Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
FOLDER = "in/team-a/weekly/0b8e-1"


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite.running(tmp_path_factory.mktemp("azurite")) as store:
        yield store


@pytest.fixture
def lake(blobs: Azurite, put_secret: PutSecret) -> Callable[..., dict[str, Any]]:
    """Return the destination; None as a field leaves it out."""

    def make(**fields: Any) -> dict[str, Any]:
        key = put_secret("lake", "key", f"{KEY}\n")
        place = {"container": CONTAINER, "prefix": "/in/", "accountURL": blobs.endpoint, "accountKeyFrom": key} | fields
        return {"name": "lake", "azure": {name: value for name, value in place.items() if value is not None}}

    return make


def signature(permission: str) -> str:
    """Return a shared access signature of an hour."""
    return generate_container_sas(
        ACCOUNT,
        CONTAINER,
        account_key=KEY,
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def failure(shipment: Shipment) -> str:
    [entry] = shipment.ledger()
    assert entry.state is DeliveryState.FAILED
    return entry.last_error or ""


@pytest.mark.requirement("D6")
def test_copies_with_their_hashes(ship: Ship, blobs: Azurite, lake: Callable[..., Any]) -> None:
    """Twice: the same names, and nothing else."""
    shipment = ship(lake())
    for _ in range(2):
        sent(shipment)
        container = blobs.container()
        assert sorted(container.list_blob_names()) == sorted(f"{FOLDER}/{name}" for name in FILES)
        for name, content in FILES.items():
            blob = container.get_blob_client(f"{FOLDER}/{name}")
            assert blob.download_blob().readall() == content
            kept = {"sha256": hashlib.sha256(content).hexdigest(), "run_id": "0b8e-1"}
            assert blob.get_blob_properties().metadata == kept
        pdf = container.get_blob_client(f"{FOLDER}/report.pdf").get_blob_properties()
        assert pdf.content_settings.content_type == "application/pdf"
        [entry] = shipment.ledger()
        assert (entry.state, entry.remote_id) == (DeliveryState.SENT, f"{blobs.endpoint}/{CONTAINER}/{FOLDER}")


def test_a_large_file_goes_in_parts(ship: Ship, blobs: Azurite, lake: Callable[..., Any]) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"end"
    shipment = ship(lake(prefix="large"))
    (shipment.workspace.outputs / "report.pdf").write_bytes(content)
    sent(shipment)
    blob = blobs.container().get_blob_client("large/team-a/weekly/0b8e-1/report.pdf")
    assert len(blob.get_block_list("committed")[0]) == 3
    assert blob.download_blob().readall() == content


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("way", ["connectionStringFrom", "sasTokenFrom"])
def test_other_credentials(
    ship: Ship, blobs: Azurite, lake: Callable[..., Any], put_secret: PutSecret, way: str
) -> None:
    value = blobs.connection_string if way == "connectionStringFrom" else signature("cw")
    where = {"accountURL": None} if way == "connectionStringFrom" else {}
    shipment = ship(lake(accountKeyFrom=None, prefix=way, **where, **{way: put_secret("way", "value", f"{value}\n")}))
    sent(shipment)
    assert len(list(blobs.container().list_blob_names(name_starts_with=way))) == len(FILES)
    [entry] = shipment.ledger()
    assert entry.remote_id == f"{blobs.endpoint}/{CONTAINER}/{way}/team-a/weekly/0b8e-1"


@pytest.mark.requirement("D6")
def test_as_the_pod(ship: Ship, lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The files go with a token of Microsoft Entra, which is given for the token that the cluster puts into the pod.

    A server of the test's in the place of Entra and of the store: Azurite does not look into such tokens.
    """
    certificates.authority(tmp_path)
    certificates.server(tmp_path, "server", ["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    (tmp_path / "federated").write_text("from-the-kubelet")
    token = b'{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}'
    with http_server.running(tls=context) as web:
        web.respond = lambda asked: Answer(token) if asked.path.endswith("/token") else Answer(status=201)
        for name, value in {
            "AZURE_AUTHORITY_HOST": web.url,
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "federated"),
            "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.crt"),
        }.items():
            monkeypatch.setenv(name, value)
        sent(ship(lake(accountKeyFrom=None, accountURL=f"{web.url}/{ACCOUNT}")))
    entra, *puts = web.asked
    form = {name: value for name, [value] in parse_qs(entra.body.decode()).items()}
    assert (form["client_assertion"], form["client_id"]) == ("from-the-kubelet", "client")
    assert entra.path == "/tenant/oauth2/v2.0/token"
    assert [put.path for put in puts] == [f"/{ACCOUNT}/{CONTAINER}/{FOLDER}/{name}" for name in FILES]
    assert {put.headers["authorization"] for put in puts} == {"Bearer t0ken"}


def test_a_pod_without_identity(ship: Ship, lake: Callable[..., Any]) -> None:
    shipment = ship(lake(accountKeyFrom=None))
    sent(shipment)
    assert "azure: the run's pod has no identity of Azure: set azure.accountKeyFrom, " in failure(shipment)


@pytest.mark.parametrize("value", ["s3cret-no-connection-string", "AccountName=x;AccountKey"])
def test_a_connection_string_that_is_none(
    ship: Ship, lake: Callable[..., Any], put_secret: PutSecret, value: str
) -> None:
    shipment = ship(lake(accountURL=None, accountKeyFrom=None, connectionStringFrom=put_secret("way", "value", value)))
    sent(shipment)
    assert failure(shipment).startswith("azure.connectionStringFrom is not usable: copy it anew")
    assert "s3cret" not in failure(shipment)


def test_refusals(ship: Ship, lake: Callable[..., Any], put_secret: PutSecret) -> None:
    """A container that is not there, a key of another account, a key that is none, a signature that may only read."""
    ways = [
        lake(container="nowhere"),
        lake(accountKeyFrom=put_secret("other", "key", "b3RoZXIta2V5")),
        lake(accountKeyFrom=put_secret("none", "key", "no key!")),
        lake(accountKeyFrom=None, sasTokenFrom=put_secret("sas", "token", signature("r"))),
    ]
    shipment = ship(*(way | {"name": f"lake-{i}"} for i, way in enumerate(ways)))
    sent(shipment)
    nowhere, other, none, reading = (entry.last_error or "" for entry in shipment.ledger())
    assert nowhere.endswith(
        "/nowhere refuses a file: 404 ContainerNotFound: correct azure.container, or make the container"
    )
    assert "/reports refuses a file: 403 AuthorizationFailure: use a key that is valid, a SAS that" in other
    assert "/reports: azure.accountKeyFrom cannot be used: Invalid base64" in none
    assert "/reports refuses a file: 403 AuthorizationPermissionMismatch: " in reading
    assert {entry.attempts for entry in shipment.ledger()} == {1}
    assert "sig=" not in reading


@pytest.mark.requirement("D9")
def test_a_probe_leaves_nothing(
    order: Callable[..., Request], workspace: Workspace, blobs: Azurite, lake: Callable[..., Any]
) -> None:
    places = [lake(prefix="probes"), lake(container="nowhere") | {"name": "nowhere"}]
    [problem] = probe(ProbeOrder(request=order(destinations=places)), workspace)
    assert problem.startswith("Destination nowhere: ")
    assert "nowhere refuses a file: 404 " in problem
    assert list(blobs.container().list_blob_names(name_starts_with="probes")) == []


def test_where_the_policy_lets_it_go(
    ship: Ship, web: HttpServer, lake: Callable[..., Any], put_secret: PutSecret
) -> None:
    """The URL is in a Secret, so that the operator could not see it."""
    text = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={web.url}/{ACCOUNT};"
    secret = put_secret("hidden", "connection", text)
    shipment = under_policy(ship(lake(accountURL=None, accountKeyFrom=None, connectionStringFrom=secret)))
    sent(shipment)
    assert "not allowed by the platform team: bucketNetworks: 127.0.0.1 is not public" in failure(shipment)
    assert web.asked == []


@pytest.mark.parametrize("status", [302, 307, 308])
def test_redirects_are_not_followed(ship: Ship, web: HttpServer, lake: Callable[..., Any], status: int) -> None:
    with http_server.running("127.0.0.2") as elsewhere:
        web.respond = lambda _: Answer(status=status, headers={"Location": f"{elsewhere.url}/secret"})
        shipment = ship(lake(accountURL=f"{web.url}/{ACCOUNT}"))
        sent(shipment)
        assert elsewhere.asked == []
    assert f"/{CONTAINER} refuses a file: {status} " in failure(shipment)
    assert failure(shipment).endswith(": redirects are not followed, correct azure.accountURL")


@pytest.mark.parametrize("status", [200, 201, 403])
def test_a_server_that_is_no_azure_is_not_repeated(
    ship: Ship, web: HttpServer, lake: Callable[..., Any], status: int
) -> None:
    headers = {"Last-Modified": "soon", "Content-MD5": "!", "Content-Type": "application/xml"}
    web.respond = lambda _: Answer(b"internal-page", status, headers)
    shipment = ship(lake(accountURL=f"{web.url}/{ACCOUNT}"))
    sent(shipment)
    assert "internal-page" not in failure(shipment)


def test_an_outage_is_tried_again(ship: Ship, web: HttpServer, lake: Callable[..., Any]) -> None:
    def respond(_: Asked) -> Answer:
        return Answer(b"", 503 if len(web.asked) < 3 else 201)

    web.respond = respond
    shipment = ship(lake(accountURL=f"{web.url}/{ACCOUNT}"))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts) == (DeliveryState.SENT, 3)


def test_a_store_that_is_not_there(ship: Ship, lake: Callable[..., Any]) -> None:
    shipment = ship(lake(accountURL=f"http://127.0.0.1:{free_ports(1)[0]}/{ACCOUNT}"))
    sent(shipment)
    assert f"/{CONTAINER} cannot be reached: " in failure(shipment)
