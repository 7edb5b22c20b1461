"""The policy as it is written: what is wrong is named with its value and the way out, and is never ignored."""

from typing import Any

import pytest

from report_operator.api.job import parse_quantity
from report_operator.api.policy import Policy, PolicyError


def test_what_is_written_is_read() -> None:
    fields = {
        "formats": ["pdf", "csv"],
        "destinations": ["email"],
        "recipientDomains": ["example.com", "*.example.com"],
        "webhookHosts": [],
        "webhookNetworks": ["10.0.0.0/8", "fd00::/8"],
        "sourceNetworks": [],
        "bucketNetworks": [],
        "podIdentity": True,
        "maxRows": 1000,
        "maxSize": "2Gi",
        "maxLinkTTL": "1h",
        "maxRetention": "90d",
        "maxTimeout": "1h30m",
        "maxRetries": 0,
        "maxResources": {"cpu": "2", "memory": "4Gi"},
    }
    policy = Policy.read(fields)
    assert policy.to_wire() == fields
    assert policy.max_bytes == 2 * 1024**3
    assert Policy.model_validate_json(policy.model_dump_json(by_alias=True)) == policy


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"maxrows": 1}, "maxrows is no field of a policy; there are formats, destinations, recipientDomains, "),
        ({"max_rows": 1}, "max_rows is no field of a policy"),
        (
            {"formats": ["docx"]},
            "formats[0] is 'docx': write one of *, csv, html, json, ndjson, parquet, pdf, tsv, xlsx",
        ),
        ({"formats": "pdf"}, "formats is 'pdf': Input should be a valid list"),
        ({"destinations": ["mail"]}, "destinations[0] is 'mail': write one of *, azure, "),
        ({"recipientDomains": ["@example.com"]}, "recipientDomains[0] is '@example.com': write example.com, "),
        ({"recipientDomains": ["Example.com"]}, "in small letters"),
        ({"recipientDomains": ["example.com"] * 1001}, "List should have at most 1000 items"),
        ({"webhookHosts": ["https://example.com"]}, "webhookHosts[0] is 'https://example.com': write example.com, "),
        ({"webhookNetworks": ["10.0.0.1/8"]}, "10.0.0.1/8 has host bits set: write a network such as 10.0.0.0/8"),
        ({"webhookNetworks": [10]}, "write a network such as 10.0.0.0/8"),
        ({"sourceNetworks": ["private"]}, "sourceNetworks[0] is 'private': "),
        ({"maxRows": -1}, "maxRows is -1: Input should be greater than or equal to 0"),
        ({"maxRows": "1000"}, "maxRows is '1000': Input should be a valid integer"),
        ({"maxRetries": True}, "maxRetries is True: Input should be a valid integer"),
        ({"maxSize": "2GB"}, "maxSize is '2GB': write a size such as 500Mi or 2Gi"),
        ({"maxSize": "500m"}, "maxSize is '500m': write a size"),
        ({"maxTimeout": "1 hour"}, "maxTimeout is '1 hour': write a duration such as 30m or 1h30m"),
        ({"maxRetention": "3 months"}, "maxRetention is '3 months': write 90d, 36h or Forever"),
        ({"maxLinkTTL": ""}, "maxLinkTTL is '': write a duration"),
        (
            {"maxResources": {"memory": "lots"}},
            "maxResources.memory is 'lots': write a quantity such as 500m, 2 or 4Gi",
        ),
        (None, "the policy is None: write its fields, such as maxRows: 100000"),
        ([], "the policy is []: write its fields"),
    ],
)
def test_what_is_wrong_is_named(fields: Any, says: str) -> None:
    with pytest.raises(PolicyError) as raised:
        Policy.read(fields)
    assert says in str(raised.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(PolicyError, match=r"maxRows is -1: .*; maxsize is no field"):
        Policy.read({"maxRows": -1, "maxsize": "2Gi"})


def test_a_namespace_replaces_field_by_field() -> None:
    wide = Policy.read({"formats": ["pdf"], "maxRows": 1000, "maxRetries": 1})
    own = wide.replaced_by({"formats": ["pdf", "csv"], "maxRows": 0})
    assert (own.formats, own.max_rows, own.max_retries) == (["pdf", "csv"], 0, 1)
    assert wide.formats == ["pdf"]
    with pytest.raises(PolicyError, match="maxRetrys is no field"):
        wide.replaced_by({"maxRetrys": 3})


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("500m", 0.5), ("2", 2), ("1.5k", 1500), ("2Ki", 2048), ("3M", 3e6), ("1Gi", 1024**3)],
)
def test_quantities(text: str, number: float) -> None:
    assert parse_quantity(text) == number
