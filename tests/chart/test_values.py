"""values.schema.json is strict, and every value in it does something."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chart import CHART, Object, helm, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

OWN_STORE = {"store": {"embedded": {"enabled": False}}}
CHANGED: dict[str, Any] = {
    "image.repository": "images.example.com/reports",
    "image.tag": "9.9.9",
    "image.pullPolicy": "Always",
    "imagePullSecrets": ["pull"],
    "crds.enabled": False,
    "workers": 3,
    "logLevel": "DEBUG",
    "resources": {"limits": {"memory": "1Gi", "cpu": 1}},
    "podAnnotations": {"example.com/team": "reports"},
    "nodeSelector": {"pool": "infra"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "serviceAccount.annotations": {"example.com/role": "reports"},
    "run.resources": {"limits": {"memory": "3Gi"}},
    "run.scratchSize": "5Gi",
    "run.jobTTL": "1h30m",
    "run.limits.total": 0,
    "run.limits.perNamespace": 5,
    "policy.formats": ["pdf"],
    "policy.destinations": ["email"],
    "policy.recipientDomains": ["*.example.com"],
    "policy.webhookHosts": [],
    "policy.webhookNetworks": ["10.0.0.0/8"],
    "policy.sourceNetworks": [],
    "policy.bucketNetworks": [],
    "policy.podIdentity": True,
    "policy.maxRows": 1_000_000,
    "policy.maxSize": "2Gi",
    "policy.maxLinkTTL": "1h",
    "policy.maxRetention": "90d",
    "policy.maxTimeout": "1h30m",
    "policy.maxRetries": 3,
    "policy.maxResources": {"memory": "8Gi"},
    "mail.relay.enabled": True,
    "mail.relay.from": "weekly@example.com",
    "mail.relay.server.host": "mail.example.com",
    "mail.relay.server.port": 2587,
    "mail.relay.server.encryption": "TLS",
    "mail.relay.server.existingSecret": "smtp",
    "mail.relay.server.caSecret": "authorities",
    "mail.relay.server.connections": 3,
    "mail.relay.replicas": 2,
    "mail.relay.resources": {"limits": {"memory": "512Mi"}},
    "links.enabled": False,
    "sweep.interval": "35m",
    "sweep.gracePeriod": "1m",
    "store.kind": "gcs",
    "store.bucket": "team-reports",
    "store.prefix": "reports/",
    "store.region": "eu-central-1",
    "store.endpoint": "https://s3.example.com",
    "store.publicEndpoint": "https://files.example.com",
    "store.pathStyle": True,
    "store.existingSecret": "bucket-keys",
    "store.caSecret": "authorities",
    "store.role.arn": "arn:aws:iam::123456789012:role/reports",
    "store.role.externalID": "team-a",
    "store.role.endpoint": "https://s3.example.com",
    "store.embedded.enabled": False,
    "store.embedded.image": "images.example.com/seaweedfs:4.48",
    "store.embedded.resources": {"limits": {"memory": "3Gi"}},
    "store.embedded.persistence.enabled": False,
    "store.embedded.persistence.size": "500Gi",
    "store.embedded.persistence.storageClass": "fast",
    "store.embedded.service.type": "LoadBalancer",
    "store.embedded.service.nodePort": 30333,
}
RELAY = {"mail": {"relay": {"enabled": True, "from": "reports@example.com", "server": {"host": "smtp.example.com"}}}}
NEEDS_OWN_STORE = {"store.kind", "store.endpoint", "store.existingSecret", "store.pathStyle", "store.caSecret"}


def leaves(node: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Yield path and schema of every value."""
    for name, child in node["properties"].items():
        if "properties" in child:
            yield from leaves(child, f"{path}{name}.")
        elif name != "global":
            yield path + name, child


def nested(path: str, value: Any, base: Object | None = None) -> Object:
    """Return values with `value` at a dotted path, on top of `base`."""
    top: Object = json.loads(json.dumps(base or {}))
    inner = top
    *folders, last = path.split(".")
    for name in folders:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return top


def test_every_value_has_a_case_here() -> None:
    assert {path for path, _ in leaves(SCHEMA)} == CHANGED.keys()


@pytest.mark.parametrize("path", CHANGED)
def test_value_changes_what_is_made(path: str) -> None:
    base: Object = OWN_STORE if path in NEEDS_OWN_STORE or path.startswith("store.role.") else {}
    if path in ("store.role.externalID", "store.role.endpoint"):
        base = nested("store.role.arn", CHANGED["store.role.arn"], base)
    if path.startswith("mail.relay."):
        base = nested("mail.relay.enabled", path != "mail.relay.enabled", RELAY)
    assert render(nested(path, CHANGED[path], base)) != render(base)


@pytest.mark.parametrize("path", sorted({path.rpartition(".")[0] for path, _ in leaves(SCHEMA)}))
def test_unknown_value_is_refused_by_name(path: str) -> None:
    typo = f"{path}.tpyo".removeprefix(".")
    refused = helm("template", "x", CHART, f"--set={typo}=1")
    assert refused.returncode != 0
    assert "additional properties 'tpyo' not allowed" in refused.stderr


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.repository", ""),
        ("image.pullPolicy", "Sometimes"),
        ("imagePullSecrets", [""]),
        ("workers", 0),
        ("workers", "four"),
        ("logLevel", "verbose"),
        ("resources", {"limit": {}}),
        ("run.scratchSize", "2GB"),
        ("run.jobTTL", "P1D"),
        ("run.jobTTL", ""),
        ("run.limits.total", -1),
        ("run.limits.perNamespace", "many"),
        ("policy.formats", ["docx"]),
        ("policy.destinations", ["mail"]),
        ("policy.recipientDomains", ["@example.com"]),
        ("policy.webhookHosts", ["https://example.com"]),
        ("policy.maxRows", "many"),
        ("policy.maxSize", "2GB"),
        ("policy.maxLinkTTL", "7d"),
        ("policy.maxRetention", "for ever"),
        ("policy.maxTimeout", ""),
        ("policy.maxRetries", -1),
        ("mail.relay.server.encryption", "SSL"),
        ("mail.relay.server.connections", 0),
        ("sweep.interval", "36m"),
        ("sweep.interval", "0m"),
        ("sweep.gracePeriod", "21m"),
        ("store.bucket", "My_Bucket"),
        ("store.prefix", "/reports"),
        ("store.endpoint", "s3.example.com"),
        ("store.publicEndpoint", "https://files.example.com/path"),
        ("store.role.arn", "reports"),
        ("store.role.externalID", "a b"),
        ("store.role.endpoint", "sts.example.com"),
        ("store.embedded.persistence.size", "10"),
        ("store.embedded.service.type", "ExternalName"),
        ("store.embedded.service.nodePort", 70000),
    ],
)
def test_bad_value_is_refused_with_its_place(path: str, value: Any) -> None:
    refused = helm("template", "x", CHART, f"--set-json={json.dumps(nested(path, value))}")
    assert refused.returncode != 0
    assert f"at '/{path.replace('.', '/')}" in refused.stderr


@pytest.mark.parametrize("path", ["store.endpoint", "store.existingSecret", "store.caSecret", "store.role.arn"])
def test_two_stores_are_refused_with_the_way_out(path: str) -> None:
    refused = helm("template", "x", CHART, f"--set={path}={CHANGED[path]}")
    assert refused.returncode != 0
    assert f"{path} " in refused.stderr
    assert "set store.embedded.enabled=false to use it" in refused.stderr
