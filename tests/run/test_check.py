"""The rules of the API server, without it: a good spec passes, each mistake has its line.

That the rules are the same is tried by tests/server with the same kinds of mistakes.
"""

from typing import Any

import pytest

from report_operator.api.report import ReportSpec
from report_operator.run.check import problems

SOURCE = {"name": "rows", "inline": {"rows": [{"a": 1}]}}
METRIC = {"title": "A", "table": "rows", "column": "a"}
CHART = {"table": "rows", "xColumn": "a", "yColumn": "a"}
SECRET = {"secretKeyRef": {"name": "db", "key": "url"}}
SUBJECT = {"table": "sums", "idColumn": "a"}
GOOD: dict[str, Any] = {
    "period": {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"},
    "sources": [
        SOURCE,
        {"name": "db", "sql": {"urlFrom": SECRET, "query": "select 1", "params": {"a": "b"}}},
        {
            "name": "web",
            "http": {"url": "http://h/", "headers": [{"name": "A", "value": ""}, {"name": "B", "valueFrom": SECRET}]},
        },
    ],
    "tables": [{"name": "sums", "query": "select 1"}],
    "subject": SUBJECT | {"timeRange": {"column": "a", "startSeconds": 0, "endSeconds": 1}},
    "sections": [
        {
            "blocks": [
                {"text": {"content": "x"}},
                {"metric": METRIC},
                {"grid": {"cards": [{"metric": METRIC}, {"text": {"content": "x"}}]}},
                {"table": {"from": "sums"}},
                {"chart": CHART},
            ]
        }
    ],
    "outputs": [{"format": "json", "inline": True}, {"format": "pdf"}, {"format": "csv", "table": "sums"}],
    "destinations": [
        {"name": "hook", "webhook": {"urlFrom": SECRET, "headers": [{"name": "X-A", "value": "1"}]}},
    ],
}


def web(headers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "web", "http": {"url": "http://h/", "headers": headers}}


OPEN = {"host": "smtp.example.com", "encryption": "None"}
LOGIN = {"login": {"usernameFrom": SECRET, "passwordFrom": SECRET}}
MAIL = {"server": OPEN, "from": "reports@example.com"}
BLOBS = {"container": "lake", "accountURL": "http://h"}
HOOK = {"name": "hook", "webhook": {"url": "http://h/"}}


def webhook(*headers: dict[str, Any]) -> dict[str, Any]:
    return {"name": "hook", "webhook": {"url": "http://h/", "headers": list(headers)}}


def check(**changes: Any) -> list[str]:
    return problems(ReportSpec.model_validate(GOOD | changes))


def test_a_good_spec() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"period": {"start": "2026-05-11T00:00:00Z", "end": "2026-05-11T00:00:00Z"}},
            "spec.period: end 2026-05-11T00:00:00+00:00 must be after start 2026-05-11T00:00:00+00:00",
        ),
        (
            {"period": {"start": "0001-01-01T00:00:00+05:00", "end": "2026-05-11T00:00:00Z"}},
            "spec.period.start: 0001-01-01T00:00:00+05:00 must be a time from the years 1900 to 8999",
        ),
        ({"template": {}}, "spec.template: set exactly one of name, configMapRef; now set: none"),
        (
            {"sources": [*GOOD["sources"], {"name": "two", **SOURCE, "http": {"url": "http://h/"}} | {"name": "two"}]},
            "spec.sources[3]: set exactly one of inline, configMap, http, sql; now set: inline, http",
        ),
        (
            {"sources": [*GOOD["sources"], SOURCE]},
            "spec.sources: 'rows' is there more than once: give one of them another name",
        ),
        (
            {"tables": [*GOOD["tables"], *GOOD["tables"]]},
            "spec.tables: 'sums' is there more than once: give one of them another name",
        ),
        (
            {"tables": [*GOOD["tables"], {"name": "rows", "query": "select 1"}]},
            "spec.tables: 'rows' is the name of a source: give the table another name",
        ),
        (
            {"sources": [*GOOD["sources"][:2], web([{"name": "A"}])]},
            "spec.sources[2].http.headers[0]: set exactly one of value, valueFrom; now set: none",
        ),
        (
            {
                "sources": [
                    SOURCE,
                    {"name": "w", "http": {"url": "http://h/", "headers": [{"name": "A", "value": "1"}] * 2}},
                ]
            },
            "spec.sources[1].http.headers: 'A' is there more than once: remove one",
        ),
        (
            {
                "sources": [
                    SOURCE,
                    {"name": "db", "sql": {"urlFrom": SECRET, "query": "x", "params": {"period_end": "1"}}},
                    *GOOD["sources"][2:],
                ]
            },
            "spec.sources[1].sql.params.period_end: it is given already, from spec.period: use another name",
        ),
        (
            {"subject": {"table": "nope", "idColumn": "a"}},
            "spec.subject.table: there is no source or table 'nope'; known are: rows, db, web, sums",
        ),
        (
            {"subject": SUBJECT | {"hint": "x", "timeRange": {"column": "a", "endSeconds": 1}}},
            "spec.subject: set at most one of timeRange, entityID, hint; now set: timeRange, hint",
        ),
        (
            {"subject": SUBJECT | {"timeRange": {"column": "a"}}},
            "spec.subject.timeRange: set startSeconds, endSeconds or both",
        ),
        (
            {"subject": SUBJECT | {"timeRange": {"column": "a", "startSeconds": 5, "endSeconds": 5}}},
            "spec.subject.timeRange: endSeconds 5 must be after startSeconds 5",
        ),
        (
            {"outputs": [{"format": "csv"}]},
            "spec.outputs[0]: csv holds one table: set table to the name of a source or table",
        ),
        (
            {"outputs": [{"format": "pdf", "table": "rows"}]},
            "spec.outputs[0].table: pdf holds the whole document: remove table 'rows'",
        ),
        (
            {"outputs": [{"format": "pdf", "inline": True}]},
            "spec.outputs[0].inline: format pdf cannot be inline: use json, or remove inline",
        ),
        (
            {"outputs": [{"format": "html", "passwordFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
            "spec.outputs[0].passwordFrom: format html cannot have a password: use pdf or xlsx, or remove passwordFrom",
        ),
        (
            {"outputs": [{"format": "csv", "table": "nope"}]},
            "spec.outputs[0].table: there is no source or table 'nope'; known are: rows, db, web, sums",
        ),
        (
            {"outputs": [{"format": "csv", "table": "rows"}, {"format": "csv", "table": "sums", "name": "rows"}]},
            "spec.outputs: 'rows.csv' would be made more than once: set name on one of them",
        ),
        (
            {"outputs": [{"format": "json", "name": "result"}]},
            "spec.outputs[0].name: result.json is a file of the run's own: use another name",
        ),
        (
            {"destinations": [{"name": "hook"}]},
            "spec.destinations[0]: set exactly one of azure, email, gcs, s3, slack, webhook; now set: none",
        ),
        (
            {"destinations": [{"name": "mail", "email": MAIL}]},
            "spec.destinations[0].email: there is no recipient: set to, cc or bcc",
        ),
        (
            {"destinations": [{"name": "mail", "email": MAIL | {"to": ["a@example.com"], "server": OPEN | LOGIN}}]},
            "spec.destinations[0].email.server.login: it needs encryption StartTLS or TLS, now None:"
            " the password would be readable on the way",
        ),
        (
            {"destinations": [{"name": "lake", "gcs": {"bucket": "lake", "endpoint": "http://h"}}]},
            "spec.destinations[0].gcs.endpoint: it must start with https://: the token would be readable on the way",
        ),
        (
            {"destinations": [{"name": "lake", "azure": {"container": "lake"}}]},
            "spec.destinations[0].azure: set exactly one of accountURL, connectionStringFrom; now set: none",
        ),
        (
            {"destinations": [{"name": "lake", "azure": BLOBS | {"accountKeyFrom": SECRET, "sasTokenFrom": SECRET}}]},
            "spec.destinations[0].azure: set at most one of accountKeyFrom, connectionStringFrom, sasTokenFrom",
        ),
        (
            {"destinations": [{"name": "lake", "azure": BLOBS | {"sasTokenFrom": SECRET}}]},
            "spec.destinations[0].azure.accountURL: without accountKeyFrom it must start with https://: the token would"
            " be readable on the way",
        ),
        (
            {"destinations": [{"name": "mail", "email": {"from": "a@example.com", "to": ["a@example.com"]}}]},
            "spec.destinations[0].email: set server and from, or neither: mails of the platform team's relay are from"
            " its own address",
        ),
        (
            {"destinations": [HOOK, {"name": "mail", "email": MAIL | {"bcc": ["a@example.com"] * 1000}}]},
            "spec.destinations: 1001 recipients; at most 1000 in all: use a mailing list",
        ),
        (
            {"destinations": [HOOK, HOOK]},
            "spec.destinations: 'hook' is there more than once: give one of them another name",
        ),
        (
            {"destinations": [{"name": "hook", "webhook": {"url": "http://h/", "urlFrom": SECRET}}]},
            "spec.destinations[0].webhook: set exactly one of url, urlFrom; now set: url, urlFrom",
        ),
        (
            {"destinations": [webhook({"name": "Webhook-Id", "value": "1"})]},
            "spec.destinations[0].webhook.headers: 'Webhook-Id' is set by the run: use another name",
        ),
        (
            {"destinations": [webhook({"name": "A"})]},
            "spec.destinations[0].webhook.headers[0]: set exactly one of value, valueFrom; now set: none",
        ),
        (
            {"sections": [{"blocks": [{}]}]},
            "spec.sections[0].blocks[0]: set exactly one of text, metric, grid, table, chart; now set: none",
        ),
        (
            {"sections": [{"blocks": [{"grid": {"cards": [{}]}}]}]},
            "spec.sections[0].blocks[0].grid.cards[0]: set exactly one of text, metric; now set: none",
        ),
        (
            {"sections": [{"blocks": [{"grid": {"cards": [{"metric": METRIC | {"table": "nope"}}]}}]}]},
            "spec.sections[0].blocks[0].grid.cards[0].metric.table: there is no source or table 'nope';"
            " known are: rows, db, web, sums",
        ),
        (
            {"sections": [{"blocks": [{"table": {"from": "nope"}}]}]},
            "spec.sections[0].blocks[0].table.from: there is no source or table 'nope'; known are: rows, db, web, sums",
        ),
        (
            {"sections": [{"blocks": [{"chart": CHART | {"table": "nope"}}]}]},
            "spec.sections[0].blocks[0].chart.table: there is no source or table 'nope';"
            " known are: rows, db, web, sums",
        ),
    ],
)
def test_a_mistake(changes: dict[str, Any], expected: str) -> None:
    assert check(**changes) == [expected]
