"""What each rule of a policy allows and refuses, and what is said then."""

from typing import Any

import pytest

from report_operator.api.destinations import KINDS, Destination
from report_operator.api.policy import Policy
from report_operator.api.report import ReportSpec
from report_operator.plan.policy import Rules, refusal, refusal_of_notices, violations
from report_operator.plan.relay import MailRelay
from tests.support.objects import SPEC

RELAY = MailRelay("relay.reporting.svc", 2525, "reports@platform.example.com", b"key")
MAIL = {"server": {"host": "mail.example.com"}, "from": "reports@example.com"}


def spec(**fields: Any) -> ReportSpec:
    return ReportSpec.model_validate(SPEC | fields)


SECRET = {"secretKeyRef": {"name": "keys", "key": "k"}}


def mail(*to: str, **fields: Any) -> dict[str, Any]:
    return {"name": "mail", "email": MAIL | {"to": list(to)} | fields}


def hook(url: str) -> dict[str, Any]:
    return {"name": "hook", "webhook": {"url": url}}


def bucket(endpoint: str | None) -> dict[str, Any]:
    key = {name: {"secretKeyRef": {"name": "keys", "key": "k"}} for name in ("idFrom", "secretFrom")}
    place = {"bucket": "reports", "accessKey": key} | ({"endpoint": endpoint} if endpoint else {})
    return {"name": "copies", "s3": place}


def cloud(kind: str, **fields: Any) -> dict[str, Any]:
    return {"name": "copies", kind: fields}


def source(url: str) -> dict[str, Any]:
    return {"sources": [{"name": "sales", "http": {"url": url}}]}


def run(**fields: Any) -> dict[str, Any]:
    return {"run": fields}


ALLOWED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"run": {"timeout": "24h", "retries": 10}, "download": {"urlTTL": "168h"}}),
    ({"formats": ["csv", "pdf"]}, {}),
    ({"destinations": ["email"]}, {"destinations": [mail("a@example.com")]}),
    ({"destinations": []}, {}),
    ({"recipientDomains": ["example.com"]}, {"destinations": [mail("a@Example.COM")]}),
    ({"recipientDomains": ["*.example.com"]}, {"destinations": [mail("a@eu.example.com")]}),
    ({"webhookHosts": ["*.example.com"]}, {"destinations": [hook("https://hooks.example.com:8443/x")]}),
    (
        {"webhookNetworks": ["10.0.0.0/8"]},
        {
            "destinations": [
                hook("http://10.1.2.3/x"),
            ]
        },
    ),
    ({"webhookNetworks": ["10.0.0.0/8"]}, {"destinations": [hook("http://web.team-a.svc/x")]}),
    ({}, {"destinations": [{"name": "h", "webhook": {"urlFrom": {"secretKeyRef": {"name": "h", "key": "u"}}}}]}),
    ({}, source("http://web.team-a.svc/rows?from={period_start}")),
    ({}, source("http://10.1.2.3/rows")),
    ({}, source("http://[::1/no-url-which-the-run-tells")),
    ({"sourceNetworks": []}, source("https://data.example.com/rows")),
    ({}, {"destinations": [bucket("http://minio.team-a.svc:9000")]}),
    ({"bucketNetworks": []}, {"destinations": [bucket(None)]}),
    ({"podIdentity": True}, {"destinations": [cloud("s3", bucket="lake")]}),
    ({}, {"destinations": [cloud("gcs", bucket="lake", keyFrom=SECRET)]}),
    ({}, {"destinations": [cloud("azure", container="lake", connectionStringFrom=SECRET)]}),
    ({"maxLinkTTL": "24h"}, {}),
    ({"maxLinkTTL": "1h"}, {"download": {"urlTTL": "24h", "links": "Disabled"}}),
    ({}, {"retention": {"ttl": "Forever", "onDelete": "Retain"}}),
    ({"maxRetention": "90d"}, {"retention": {"ttl": "2160h"}}),
    ({"maxTimeout": "1h"}, run(timeout="60m")),
    ({"maxRetries": 0}, run(retries=0)),
    ({"maxResources": {"memory": "2Gi"}}, {}),
    (
        {"maxResources": {"memory": "2Gi"}},
        run(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "2048Mi"}}),
    ),
    ({"maxResources": {"example.com/gpu": "1"}}, run(resources={"limits": {"memory": "64Gi"}})),
]
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"formats": ["csv"]}, {}, "formats", "spec.outputs[0].format is pdf, allowed: csv"),
    ({"formats": []}, {"outputs": [{"format": "json"}]}, "formats", "spec.outputs[0].format is json, allowed: none"),
    (
        {"destinations": ["email"]},
        {"destinations": [hook("https://example.com")]},
        "destinations",
        "spec.destinations[hook] is of kind webhook, allowed: email",
    ),
    (
        {"recipientDomains": ["example.com"]},
        {"destinations": [mail("a@example.com", "b@evil.test")]},
        "recipientDomains",
        "spec.destinations[mail].email has b@evil.test, allowed: example.com",
    ),
    (
        {"recipientDomains": ["example.com"]},
        {"destinations": [mail(cc=["c@evil.test"], bcc=["d@evil.test", "e@evil.test", "f@sub.example.com"])]},
        "recipientDomains",
        "spec.destinations[mail].email has c@evil.test, d@evil.test, e@evil.test and 1 more, allowed: example.com",
    ),
    (
        {"webhookHosts": ["*.example.com"]},
        {"destinations": [hook("https://user@evil.test/?x=.example.com")]},
        "webhookHosts",
        "spec.destinations[hook].webhook.url: evil.test is none of *.example.com",
    ),
    (
        {},
        {"destinations": [hook("http://web/x")]},
        "webhookNetworks",
        "spec.destinations[hook].webhook.url: web is a name within the cluster, and no network there is allowed",
    ),
    (
        {},
        {"destinations": [hook("http://10.0.0.1/x")]},
        "webhookNetworks",
        "spec.destinations[hook].webhook.url: 10.0.0.1 is not public; allowed beside public addresses: none",
    ),
    (
        {"webhookNetworks": ["0.0.0.0/0"]},
        {"destinations": [hook("http://169.254.169.254/latest")]},
        "webhookNetworks",
        "169.254.169.254 is link-local, a cloud's metadata service or reserved: never allowed",
    ),
    (
        {},
        source("http://169.254.169.254/latest/meta-data/iam"),
        "sourceNetworks",
        "spec.sources[sales].http.url: 169.254.169.254 is link-local, a cloud's metadata service or reserved",
    ),
    ({}, source("http://[fd00:ec2::254]/latest"), "sourceNetworks", "fd00:ec2::254 is link-local"),
    ({}, source("http://127.0.0.1:8080/"), "sourceNetworks", "127.0.0.1 is not public"),
    ({"sourceNetworks": []}, source("http://web/"), "sourceNetworks", "web is a name within the cluster"),
    (
        {},
        {"destinations": [bucket("http://169.254.169.254")]},
        "bucketNetworks",
        "spec.destinations[copies].s3.endpoint: 169.254.169.254 is link-local",
    ),
    (
        {"bucketNetworks": []},
        {"destinations": [bucket("http://minio:9000")]},
        "bucketNetworks",
        "spec.destinations[copies].s3.endpoint: minio is a name within the cluster",
    ),
    (
        {"bucketNetworks": []},
        {"destinations": [cloud("gcs", bucket="lake", endpoint="https://10.0.0.1", keyFrom=SECRET)]},
        "bucketNetworks",
        "spec.destinations[copies].gcs.endpoint: 10.0.0.1 is not public",
    ),
    (
        {},
        {"destinations": [cloud("azure", container="lake", accountURL="https://169.254.169.254", sasTokenFrom=SECRET)]},
        "bucketNetworks",
        "spec.destinations[copies].azure.accountURL: 169.254.169.254 is link-local",
    ),
    (
        {},
        {"destinations": [cloud("s3", bucket="lake")]},
        "podIdentity",
        "spec.destinations[copies].s3 names no Secret, and the cloud identity of the run's pod must not be used",
    ),
    ({}, {"destinations": [cloud("gcs", bucket="lake")]}, "podIdentity", "spec.destinations[copies].gcs names no"),
    (
        {},
        {"destinations": [cloud("azure", container="lake", accountURL="https://a.blob.core.windows.net")]},
        "podIdentity",
        "spec.destinations[copies].azure names no Secret",
    ),
    ({"maxLinkTTL": "1h"}, {}, "maxLinkTTL", "spec.download.urlTTL is 24h, at most 1h"),
    ({"maxRetention": "30d"}, {}, "maxRetention", "spec.retention.ttl is 90d, at most 30d"),
    ({"maxRetention": "365d"}, {"retention": {"ttl": "Forever"}}, "maxRetention", "spec.retention.ttl is Forever"),
    (
        {"maxRetention": "90d"},
        {"retention": {"onDelete": "Retain"}},
        "maxRetention",
        "spec.retention.onDelete is Retain, which keeps files for ever, at most 90d",
    ),
    ({"maxTimeout": "1h"}, run(timeout="1h1s"), "maxTimeout", "spec.run.timeout is 1h1s, at most 1h"),
    ({"maxRetries": 1}, run(retries=2), "maxRetries", "spec.run.retries is 2, at most 1"),
    (
        {"maxResources": {"memory": "2Gi"}},
        run(resources={"limits": {"memory": "3Gi"}}),
        "maxResources",
        "spec.run.resources.limits.memory is 3Gi, at most 2Gi",
    ),
    (
        {"maxResources": {"cpu": "1"}},
        run(resources={"requests": {"cpu": "1500m"}, "limits": {"cpu": "1"}}),
        "maxResources",
        "spec.run.resources.requests.cpu is 1500m, at most 1",
    ),
    (
        {"maxResources": {"memory": "2Gi"}},
        run(resources={"requests": {"memory": "1Gi"}}),
        "maxResources",
        "spec.run.resources.limits.memory is not set, at most 2Gi",
    ),
    (
        {"maxResources": {"example.com/gpu": "0"}},
        run(resources={"limits": {"example.com/gpu": "1"}}),
        "maxResources",
        "spec.run.resources.limits.example.com/gpu is 1, at most 0",
    ),
]


@pytest.mark.parametrize(("policy", "fields"), ALLOWED)
def test_allowed(policy: dict[str, Any], fields: dict[str, Any]) -> None:
    rules = Rules(Policy.read(policy))
    assert list(violations(spec(**fields), rules.policy)) == []
    assert refusal(spec(**fields), rules) == ""


@pytest.mark.requirement("D9")
@pytest.mark.parametrize(("policy", "fields", "rule", "text"), REFUSED)
def test_refused(policy: dict[str, Any], fields: dict[str, Any], rule: str, text: str) -> None:
    [found] = violations(spec(**fields), Policy.read(policy))
    assert found.rule == rule
    assert text in found.text


def test_every_rule_that_a_spec_can_break_has_a_case() -> None:
    in_the_run = {"maxRows", "maxSize"}
    rules = {field.alias for field in Policy.model_fields.values()}
    assert {rule for _, _, rule, _ in REFUSED} == rules - in_the_run


def test_the_message_tells_all_and_who_can_change_it() -> None:
    rules = Rules(Policy.read({"formats": ["csv"], "maxRetries": 1}), "ConfigMap report-operator/team-a")
    assert refusal(spec(), rules, "spec.template.spec") == (
        "Not allowed by the platform team: formats: spec.template.spec.outputs[0].format is pdf, allowed: csv."
        " maxRetries: spec.template.spec.run.retries is 2, at most 1."
        " Change the spec, or ask them to change ConfigMap report-operator/team-a."
    )


def test_a_policy_that_cannot_be_read_allows_nothing() -> None:
    rules = Rules(origin="ConfigMap report-operator/team-a", problem="maxRows is -1: …")
    assert refusal(spec(), rules) == (
        "No run is allowed until the platform team mends ConfigMap report-operator/team-a: maxRows is -1: …."
    )


def test_notices_go_where_reports_may_go() -> None:
    where = [Destination.model_validate(mail("a@evil.test"))]
    assert refusal_of_notices(where, Rules()) == ""
    said = refusal_of_notices(where, Rules(Policy.read({"recipientDomains": ["example.com"]})))
    assert "recipientDomains: spec.onFailure.notify[mail].email has a@evil.test, allowed: example.com" in said


def test_the_kinds_are_those_of_the_api() -> None:
    assert Policy.read({"destinations": list(KINDS)}).destinations == list(KINDS)


def test_a_mail_without_a_server_needs_the_platform_s_relay() -> None:
    wanted = spec(destinations=[{"name": "mail", "email": {"to": ["a@example.com"]}}])
    assert refusal(wanted, Rules(relay=RELAY)) == ""
    assert refusal_of_notices(wanted.destinations, Rules(relay=RELAY)) == ""
    said = refusal(wanted, Rules())
    assert "mail: spec.destinations[mail].email has no server, and there is no relay (the chart's value" in said
    said = refusal_of_notices(wanted.destinations, Rules())
    assert "mail: spec.onFailure.notify[mail].email has no server, and there is no relay" in said
    everywhere = refusal(wanted, Rules(Policy(recipient_domains=["elsewhere.com"]), relay=RELAY))
    assert "recipientDomains" in everywhere, "the relay lifts no other rule"
