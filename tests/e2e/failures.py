"""What only the run can know: one Report for each cause, with the reason that it has to end in."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.reports import JSON, PDF, ROWS, Team
from tests.support.chart import Object

WRONG_PASSWORD = f"wrong-{secrets.token_hex(8)}"
WEB = "http://web"


@dataclass(frozen=True)
class Cause:
    """A Report that cannot succeed."""

    name: str
    reason: str
    says: str
    """Words of the message: what failed, or the way out."""
    spec: Mapping[str, Any]
    stage: str | None = "fetch"
    phase: str = "Failed"
    namespace: str = ""
    """Empty for the team's."""


def sql(query: str, secret: str = "flights-database", key: str = "url") -> Object:
    """Return a source in PostgreSQL."""
    return {"name": "data", "sql": {"urlFrom": {"secretKeyRef": {"name": secret, "key": key}}, "query": query}}


def http(path: str) -> Object:
    """Return a source on the web server."""
    return {"name": "data", "http": {"url": f"{WEB}{path}"}}


def config_map(name: str, key: str, form: str) -> Object:
    """Return a source in a ConfigMap."""
    return {"name": "data", "configMap": {"name": name, "key": key, "format": form}}


def spec(source: Object = ROWS, **more: Any) -> Object:
    """Return the spec of a Report of one source."""
    return {"sources": [source], "outputs": [JSON]} | more


def text(content: str) -> Object:
    """Return the section with one text."""
    return {"blocks": [{"text": {"content": content}}]}


def inputs(team: Team) -> list[Object]:
    """Return the Secrets and ConfigMaps that the Reports name."""
    url = team.database_url.replace(team.database_url.split(":")[2].split("@")[0], WRONG_PASSWORD)
    return [
        secret("wrong-password", url=url),
        secret("no-database", url=team.database_url.replace("/flights", "/trains")),
        secret("no-host", url=team.database_url.replace("@postgres.", "@nowhere.")),
        secret("not-a-url", url=f"not a url {WRONG_PASSWORD}"),
        config("files", **{"ragged.csv": "fruit,crates\nApples,12\nPears,7,8,9\n", "broken.json": '[{"fruit": "App'}),
        config(
            "templates",
            **{
                "broken.html": "<p>{% for row in %}</p>",
                "escape.html": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
                "file.html": "{% include '/etc/passwd' %}",
            },
        ),
    ]


def secret(name: str, **data: str) -> Object:
    """Return a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def config(name: str, **data: str) -> Object:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def page(key: str) -> Object:
    """Return the spec of a Report with this template."""
    return spec(template={"configMapRef": {"name": "templates", "key": key}}, outputs=[PDF])


HUGE = f"select i, {' || '.join(['md5(random()::text)'] * 10)} as noise from generate_series(1, 400000) i"
"""400,000 rows of 320 bytes that no compression makes small: more than the scratch volume takes."""

FAST = [
    Cause("missing-secret", "SecretNotFound", "Secret nowhere", spec(sql("select 1", "nowhere")), None, "Queued"),
    Cause(
        "missing-key", "SecretNotFound", "no key uri", spec(sql("select 1", key="uri")), None, "Queued"
    ),
    Cause(
        "missing-config-map", "ConfigMapNotFound", "ConfigMap nowhere",
        spec(config_map("nowhere", "a.csv", "csv")), None, "Queued",
    ),
    Cause("wrong-password", "AuthenticationFailed", "password", spec(sql("select 1", "wrong-password"))),
    Cause("no-database", "SourceNotFound", "trains", spec(sql("select 1", "no-database"))),
    Cause("not-a-url", "InvalidSpec", "postgresql://", spec(sql("select 1", "not-a-url"))),
    Cause("missing-table", "QueryFailed", "nothing", spec(sql("select * from nothing"))),
    Cause("syntax-error", "QueryFailed", "selct", spec(sql("selct 1"))),
    Cause("writes", "QueryFailed", "delete", spec(sql("delete from airlines returning *"))),
    Cause(
        "bad-table", "QueryFailed", "fruits",
        spec(tables=[{"name": "t", "query": "select fruits from sales"}]),
    ),
    Cause(
        "reads-a-file", "QueryFailed", "t",
        spec(tables=[{"name": "t", "query": "select * from read_csv('/etc/passwd')"}]),
    ),
    Cause("not-found", "SourceNotFound", "404", spec(http("/status/404"))),
    Cause("forbidden", "SourceRefused", "403", spec(http("/status/403"))),
    Cause("unauthorized", "AuthenticationFailed", "401", spec(http("/status/401"))),
    Cause("unavailable", "SourceUnavailable", "503", spec(http("/status/503"), run={"retries": 0})),
    Cause("no-host", "SourceUnavailable", "nowhere", spec(sql("select 1", "no-host"), run={"retries": 0})),
    Cause("ragged-csv", "DataInvalid", "3", spec(config_map("files", "ragged.csv", "csv"))),
    Cause("broken-json", "DataInvalid", "data", spec(config_map("files", "broken.json", "json"))),
    Cause(
        "missing-column", "ColumnNotFound", "chart.yColumn",
        spec(sections=[{"blocks": [{"chart": {"table": "sales", "xColumn": "fruit", "yColumn": "crate"}}]}]), "render",
    ),
    Cause("text-error", "TemplateFailed", "nothing", spec(sections=[text("{{ nothing.at.all }}")]), "render"),
    Cause("template-error", "TemplateFailed", "broken.html", page("broken.html"), "render"),
    Cause("template-escapes", "TemplateFailed", "escape.html", page("escape.html"), "render"),
    Cause("template-reads", "TemplateFailed", "file.html", page("file.html"), "render"),
    Cause(
        "out-of-memory", "OutOfMemory", "memory",
        spec(
            tables=[{"name": "t", "query": "select list(range) as all from range(200000000)"}],
            run={"resources": {"limits": {"memory": "256Mi"}}},
        ),
    ),
    Cause(
        "nowhere-to-run", "Unschedulable", "node", spec(run={"nodeSelector": {"disk": "golden"}}), None, "Queued",
    ),
    Cause(
        "no-account", "PodRefused", "nobody", spec(run={"serviceAccountName": "nobody"}), None, "Queued",
    ),
    Cause("no-pods", "PodRefused", "quota", spec(), None, "Queued", "quota-pods"),
    Cause("no-jobs", "JobRefused", "quota", spec(), None, "Queued", "quota-jobs"),
]  # fmt: skip

QUOTAS = {"quota-pods": {"pods": "0"}, "quota-jobs": {"count/jobs.batch": "0"}}

SLOW = [
    Cause("disk-full", "DiskFull", "scratch", {
        "sources": [sql(HUGE), sql("select 1 as one from pg_sleep(180)") | {"name": "later"}], "outputs": [JSON],
    }),
    Cause(
        "deadline", "DeadlineExceeded", "2m",
        spec(sql("select 1 as one from pg_sleep(600)"), run={"timeout": "2m"}),
    ),
]  # fmt: skip
"""Those that take minutes, as the kubelet measures a volume once in one: started with the others, looked at last."""
