"""Copies in a bucket of a real S3, and what a role's keys are asked for."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs

import pytest

from report_operator.api.deliveries import DeliveryState
from report_operator.run.destinations.s3 import S3Channel
from tests.run.conftest import Resolve
from tests.run.destinations.conftest import sent, under_policy
from tests.support import http_server, seaweedfs
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS
from tests.support.shipping import FILES, Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
Lake = Callable[..., dict[str, Any]]
BUCKET = "lake"
ROLE = "arn:aws:iam::123456789012:role/reports"
FOLDER = "in/team-a/weekly/0b8e-1"
REFUSED = b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA-short</AccessKeyId><SecretAccessKey>short-secret</SecretAccessKey>
<SessionToken>session-t0ken</SessionToken><Expiration>2036-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture
def lake(store: SeaweedFS, put_secret: PutSecret) -> Callable[..., dict[str, Any]]:
    """Return the destination, `endpoint` being the real store unless it is given."""
    client = store.client()
    if BUCKET not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)

    def make(**fields: Any) -> dict[str, Any]:
        key = {
            "idFrom": put_secret("lake", "id", f"{ACCESS_KEY}\n"),
            "secretFrom": put_secret("lake", "secret", f"{fields.pop('secret', SECRET_KEY)}\n"),
        }
        place = {"bucket": BUCKET, "prefix": "/in/", "endpoint": store.endpoint, "pathStyle": True, "accessKey": key}
        return {"name": "lake", "s3": {name: value for name, value in (place | fields).items() if value is not None}}

    return make


@pytest.mark.requirement("D6")
def test_copies_with_their_hashes(ship: Ship, store: SeaweedFS, lake: Lake) -> None:
    """Twice: the same keys, and nothing else."""
    shipment = ship(lake())
    for _ in range(2):
        sent(shipment)
        client = store.client()
        found = client.list_objects_v2(Bucket=BUCKET, Prefix="in/")["Contents"]
        assert sorted(each["Key"] for each in found) == sorted(f"{FOLDER}/{name}" for name in FILES)
        for name, content in FILES.items():
            copy = client.get_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}")
            assert copy["Body"].read() == content
            assert copy["Metadata"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert client.head_object(Bucket=BUCKET, Key=f"{FOLDER}/report.pdf")["ContentType"] == "application/pdf"
        [entry] = shipment.ledger()
        assert (entry.state, entry.remote_id) == (DeliveryState.SENT, f"s3://{BUCKET}/{FOLDER}")


def test_a_large_file_goes_in_parts(ship: Ship, store: SeaweedFS, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report_operator.run.destinations.s3._PART", 5 << 20)
    content = bytes(range(256)) * (11 << 12) + b"end"
    shipment = ship(lake(prefix="large"))
    (shipment.workspace.outputs / "report.pdf").write_bytes(content)
    sent(shipment)
    key = "large/team-a/weekly/0b8e-1/report.pdf"
    copy = store.client().get_object(Bucket=BUCKET, Key=key)
    assert copy["Body"].read() == content
    assert copy["ETag"].endswith('-3"'), "parts"
    assert copy["Metadata"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_parts_of_a_copy_that_fails_are_deleted(
    ship: Ship, web: HttpServer, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server in the place of S3, which refuses the second part."""
    monkeypatch.setattr("report_operator.run.destinations.s3._PART", 10)

    def respond(asked: Asked) -> Answer:
        if asked.method == "POST":
            return Answer(b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
        return Answer(REFUSED, 403) if "partNumber=2" in asked.path else Answer(headers={"ETag": '"x"'})

    web.respond = respond
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    assert shipment.ledger()[0].last_error == "s3://lake refuses a file: 403 AccessDenied not you"
    assert [(asked.method, asked.path.rpartition("?")[2]) for asked in web.asked] == [
        ("POST", "uploads"),
        ("PUT", "uploadId=u1&partNumber=1"),
        ("PUT", "uploadId=u1&partNumber=2"),
        ("DELETE", "uploadId=u1"),
    ]


def test_wrong_credentials(ship: Ship, lake: Lake) -> None:
    shipment = ship(lake(secret="wrong-s3cret"))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts) == (DeliveryState.FAILED, 1)
    assert "s3://lake refuses a file: 403 " in (entry.last_error or "")
    assert b"wrong-s3cret" not in b"".join(shipment.stored().values())


@pytest.fixture(scope="session")
def store_with_roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with seaweedfs.running(tmp_path_factory.mktemp("roles"), ROLE) as server:
        yield server


@pytest.mark.requirement("D6")
def test_as_a_role(ship: Ship, store_with_roles: SeaweedFS, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real STS, of SeaweedFS: its keys write, and a role that it does not know is refused."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", store_with_roles.endpoint)
    place = {"bucket": seaweedfs.BUCKET, "endpoint": store_with_roles.endpoint}
    unknown = lake(role={"arn": f"{ROLE}-of-nobody"}, **place) | {"name": "unknown"}
    shipment = ship(lake(role={"arn": ROLE}, **place), unknown)
    sent(shipment)
    good, bad = shipment.ledger()
    assert (good.state, bad.state) == (DeliveryState.SENT, DeliveryState.FAILED), good.last_error
    assert len(store_with_roles.keys("in/")) == len(FILES)
    assert "s3://reports refuses the role: 403 AccessDenied" in (bad.last_error or "")


@pytest.mark.requirement("D6")
def test_a_role_in_another_account(ship: Ship, web: HttpServer, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in the place of STS and the bucket: that of SeaweedFS looks at no external id."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", web.url)
    web.respond = lambda asked: Answer(ASSUMED.encode() if asked.path == "/" else b"")
    shipment = ship(lake(role={"arn": ROLE, "externalID": "team-a"}, endpoint=web.url))
    sent(shipment)
    asked, *puts = web.asked
    form = {name: value for name, [value] in parse_qs(asked.body.decode()).items()}
    assert (form["Action"], form["RoleArn"], form["ExternalId"]) == ("AssumeRole", ROLE, "team-a")
    assert ACCESS_KEY in asked.headers["authorization"]
    assert [put.path for put in puts] == [f"/{BUCKET}/{FOLDER}/{name}" for name in FILES]
    assert {put.headers["x-amz-security-token"] for put in puts} == {"session-t0ken"}
    assert all("ASIA-short" in put.headers["authorization"] for put in puts)


def test_a_role_that_is_refused(ship: Ship, web: HttpServer, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", web.url)
    web.respond = lambda _: Answer(b"<ErrorResponse>" + REFUSED + b"</ErrorResponse>", 403)
    shipment = ship(lake(role={"arn": ROLE}))
    sent(shipment)
    assert shipment.ledger()[0].last_error == "s3://lake refuses the role: 403 AccessDenied not you"


@pytest.mark.parametrize(("role", "state", "tries"), [({"arn": ROLE}, "Sent", 2), (None, "Failed", 1)])
def test_keys_of_a_role_that_end_during_the_copy(
    *, ship: Ship, web: HttpServer, lake: Lake, monkeypatch: pytest.MonkeyPatch, role: Any, state: str, tries: int
) -> None:
    """The next try has new ones. A server in the place of STS and the bucket: real keys last 15 minutes at least."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", web.url)
    expired = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"

    def respond(asked: Asked) -> Answer:
        puts = [each for each in web.asked if each.method == "PUT"]
        return Answer(ASSUMED.encode()) if asked.path == "/" else Answer(expired, 400) if len(puts) == 2 else Answer()

    web.respond = respond
    shipment = ship(lake(role=role, endpoint=web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts) == (state, tries)
    assert sum(each.path == "/" for each in web.asked) == (2 if role else 0)


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set what a cluster puts into a pod, and nothing else of AWS; a `…_FILE` is given by its content."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def put(**variables: str) -> None:
        for name, value in variables.items():
            if name.endswith("_FILE"):
                (tmp_path / name).write_text(value)
            monkeypatch.setenv(name, str(tmp_path / name) if name.endswith("_FILE") else value)

    return put


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("role", [None, {"arn": ROLE, "externalID": "team-a"}])
def test_with_the_role_of_the_service_account(
    ship: Ship, web: HttpServer, lake: Lake, pod: Callable[..., None], role: Any
) -> None:
    """What EKS puts into a pod of a ServiceAccount with a role (IRSA), and with another account's role on top of it.

    A server in the place of STS and the bucket: SeaweedFS takes web identities of providers that it is told of only.
    """
    pod(
        AWS_ROLE_ARN="arn:aws:iam::210987654321:role/team-a",
        AWS_WEB_IDENTITY_TOKEN_FILE="from-the-kubelet",
        AWS_ENDPOINT_URL_STS=web.url,
    )

    def respond(asked: Asked) -> Answer:
        action = parse_qs(asked.body.decode()).get("Action", [""])[0] if asked.path == "/" else ""
        return Answer(ASSUMED.replace("AssumeRole", action).encode() if action else b"")

    web.respond = respond
    sent(ship(lake(accessKey=None, role=role, endpoint=web.url)))
    asked = [parse_qs(each.body.decode()) for each in web.asked if each.path == "/"]
    assert asked[0]["Action"] == ["AssumeRoleWithWebIdentity"]
    assert asked[0]["WebIdentityToken"] == ["from-the-kubelet"]
    assert [(form["Action"], form["ExternalId"]) for form in asked[1:]] == (
        [(["AssumeRole"], ["team-a"])] if role else []
    )
    puts = [each for each in web.asked if each.path != "/"]
    assert [put.path for put in puts] == [f"/{BUCKET}/{FOLDER}/{name}" for name in FILES]
    assert {put.headers["x-amz-security-token"] for put in puts} == {"session-t0ken"}


@pytest.mark.requirement("D6")
def test_with_the_role_of_a_pod_identity(ship: Ship, web: HttpServer, lake: Lake, pod: Callable[..., None]) -> None:
    """What EKS Pod Identity puts into a pod; a server in the place of its agent on the node and of the bucket."""
    pod(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{web.url}/v1/credentials",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="from-the-kubelet",
    )
    keys = {
        "AccessKeyId": "ASIA-short",
        "SecretAccessKey": "x",
        "Token": "session",
        "Expiration": "2036-01-01T00:00:00Z",
    }
    web.respond = lambda asked: Answer(json.dumps(keys).encode() if asked.path == "/v1/credentials" else b"")
    sent(ship(lake(accessKey=None, endpoint=web.url)))
    agent, *puts = web.asked
    assert agent.headers["authorization"] == "from-the-kubelet"
    assert [put.path for put in puts] == [f"/{BUCKET}/{FOLDER}/{name}" for name in FILES]
    assert {put.headers["x-amz-security-token"] for put in puts} == {"session"}


def test_a_pod_without_identity(ship: Ship, lake: Lake, pod: Callable[..., None]) -> None:
    pod()
    shipment = ship(lake(accessKey=None))
    sent(shipment)
    assert shipment.ledger()[0].last_error == (
        "s3://lake: the run's pod has no identity of AWS: set s3.accessKey, or run.serviceAccountName to a"
        " ServiceAccount with a role (IRSA, Pod Identity)"
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"endpoint": "http://min_io:9000"}, "s3.endpoint (http://min_io:9000) is no address of an S3: the parts of a"),
        ({"endpoint": "http://:80"}, "s3.endpoint (http://:80) is no web address: write it as https://HOST/PATH"),
        ({"endpoint": "http://[x"}, "s3.endpoint (http://[x) is no web address: write it as https://HOST/PATH"),
        ({"endpoint": "http://a..b"}, "s3.endpoint (http://a..b) is no web address: write it as https://HOST/PATH"),
        (
            {"endpoint": "http://127.0.0.1\\@s3.example"},
            "@s3.example) is no address of a store: write it as https://HOST",
        ),
        ({"region": "-"}, "s3://lake: Provided region_name '-' doesn't match a supported format."),
    ],
)
def test_what_the_author_has_to_mend(ship: Ship, lake: Lake, fields: dict[str, Any], says: str) -> None:
    shipment = ship(lake(**fields))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts) == (DeliveryState.FAILED, 1)
    assert says in (entry.last_error or "")


@pytest.mark.parametrize("body", [b"", b"internal-page", b"<html>internal-page</html>"])
def test_a_server_that_is_no_s3(
    ship: Ship, web: HttpServer, lake: Lake, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report_operator.run.destinations.s3._PART", 10)
    web.answer(body)
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert entry.state is DeliveryState.FAILED
    assert "internal-page" not in (entry.last_error or "")
    assert "a fault of report-operator" not in (entry.last_error or "")


@pytest.mark.parametrize("method", ["__init__", "send"])
def test_a_fault_of_ours_fails_this_destination_only(
    ship: Ship, web: HttpServer, lake: Lake, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to be made for the test. Nothing is unknown: a copy can be made again."""

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(S3Channel, method, fail)
    web.answer()
    shipment = ship(lake(), {"name": "hook", "webhook": {"url": web.url}})
    sent(shipment)
    copy, message = shipment.ledger()
    assert (copy.state, message.state) == (DeliveryState.FAILED, DeliveryState.SENT)
    assert (copy.last_error or "").startswith("a fault of report-operator")


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(ship: Ship, web: HttpServer, lake: Lake, status: int) -> None:
    with http_server.running("127.0.0.2") as elsewhere:
        headers = {"Location": f"{elsewhere.url}/secret", "x-amz-bucket-region": "eu-west-1"}
        web.respond = lambda _: Answer(status=status, headers=headers)
        shipment = ship(lake(endpoint=web.url))
        sent(shipment)
        assert elsewhere.asked == []
    assert f"s3://lake refuses a file: {status} " in (shipment.ledger()[0].last_error or "")


def test_where_the_name_of_a_bucket_leads(ship: Ship, web: HttpServer, lake: Lake, resolve: Resolve) -> None:
    """The author's name server has an innocent address for the endpoint, and the pod's own for all names below it."""
    resolve("s3.author.example", ["93.184.215.14"])
    resolve(f"{BUCKET}.s3.author.example", ["127.0.0.1"])
    port = web.url.rpartition(":")[2]
    shipment = under_policy(ship(lake(endpoint=f"http://s3.author.example:{port}", pathStyle=False)))
    sent(shipment)
    [entry] = shipment.ledger()
    assert web.asked == []
    assert (entry.state, entry.attempts) == (DeliveryState.FAILED, 1)
    assert f"bucketNetworks: {BUCKET}.s3.author.example has the address 127.0.0.1" in (entry.last_error or "")


def test_an_outage_is_tried_again(ship: Ship, web: HttpServer, lake: Lake) -> None:
    def respond(_: Asked) -> Answer:
        return Answer(b"<Error><Code>SlowDown</Code></Error>", 503) if len(web.asked) < 3 else Answer()

    web.respond = respond
    shipment = ship(lake(endpoint=web.url))
    sent(shipment)
    [entry] = shipment.ledger()
    assert (entry.state, entry.attempts) == (DeliveryState.SENT, 3)


def test_a_store_that_is_not_there(ship: Ship, lake: Lake) -> None:
    shipment = ship(lake(endpoint=f"http://127.0.0.1:{free_ports(1)[0]}"))
    sent(shipment)
    [entry] = shipment.ledger()
    assert entry.state is DeliveryState.FAILED
    assert "s3://lake cannot be reached: Could not connect" in (entry.last_error or "")
