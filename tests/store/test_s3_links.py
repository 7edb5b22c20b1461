"""Links that are signed without botocore's client are those that it would make, wherever the bucket is."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from report_operator.store.s3_links import Signer

HOUR = timedelta(hours=1)
PLACES = [
    ("http://store.reporting.svc:8333", "path", "us-east-1"),
    ("https://s3.example.com", "virtual", "eu-west-1"),
    ("https://s3.example.com:443", "path", "eu-west-1"),
    ("http://s3.example.com:80", "virtual", "eu-west-1"),
    ("http://[::1]:8333", "path", "eu-west-1"),
    (None, "auto", "eu-central-1"),
    (None, "auto", "us-east-1"),
    (None, "auto", "cn-north-1"),
]
ANSWER = {"disposition": 'attachment; filename="a b.pdf"', "type": "application/pdf"}
REQUESTS: list[tuple[tuple[Any, ...], str, dict[str, Any]]] = [
    (("PUT", "a/größe +~.pdf", HOUR), "put_object", {}),
    (("PUT", "a/b", HOUR, {}, {"If-None-Match": "*"}), "put_object", {"IfNoneMatch": "*"}),
    (
        ("PUT", "a/b", HOUR, {"uploadId": "u+/=", "partNumber": "3"}),
        "upload_part",
        {"UploadId": "u+/=", "PartNumber": 3},
    ),
    (("POST", "a/b", HOUR, {"uploadId": "u"}), "complete_multipart_upload", {"UploadId": "u"}),
    (
        ("GET", "a/b", HOUR, {f"response-content-{key}": value for key, value in ANSWER.items()}),
        "get_object",
        {"ResponseContentDisposition": ANSWER["disposition"], "ResponseContentType": ANSWER["type"]},
    ),
    (("DELETE", "a/b", HOUR), "delete_object", {}),
]


def parts(url: str) -> tuple[str, dict[str, list[str]]]:
    return url.partition("?")[0], parse_qs(urlsplit(url).query)


@pytest.mark.parametrize(("arguments", "method", "parameters"), REQUESTS)
@pytest.mark.parametrize(("endpoint", "style", "region"), PLACES)
def test_a_link_is_that_of_the_client(
    *,
    endpoint: str | None,
    style: str,
    region: str,
    arguments: tuple[Any, ...],
    method: str,
    parameters: dict[str, Any],
) -> None:
    session = boto3.Session("key", "secret", "token", region)
    client = session.client(
        "s3", endpoint_url=endpoint, config=Config(signature_version="s3v4", s3={"addressing_style": style})
    )
    signer = Signer(session, client, "reports")
    for _ in range(2):  # Both sign with the time of the second; it may have passed between them, but not twice.
        ours = parts(signer.link(*arguments).url)
        wanted = {"Bucket": "reports", "Key": arguments[1], **parameters}
        theirs = parts(client.generate_presigned_url(method, Params=wanted, ExpiresIn=3600))
        if ours == theirs:
            return
    assert ours == theirs
