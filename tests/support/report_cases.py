"""The CEL rules of the Report CRD."""

from report_operator.api.crd import REPORT
from tests.support.crd_cases import Alternative, CrdCases, Refused, rule

ROW = {"rows": [{"carrier": "AA", "flights": 1}]}
TEXT = {"content": "text"}
KNOWN = "must be the name of one of spec.sources or spec.tables"
MAIL = {"server": {"host": "smtp.example.com"}, "from": "reports@example.com"}
SECRET = {"secretKeyRef": {"name": "blobs", "key": "value"}}
BLOBS = {"container": "reports"}
SUBJECT = {"table": "flights", "idColumn": "carrier"}
WINDOW = {"column": "t", "endSeconds": 1}
RULES = (
    rule(
        "end must be after start",
        (("spec.period.end", "2026-05-04T00:00:01Z"),),
        Refused("spec.period.end", "2026-05-04T00:00:00Z", "spec.period: Invalid value: end must be after start"),
    ),
    rule(
        "must be a time from the years 1900 to 8999",
        (
            ("spec.period.start", "1900-01-01T00:00:00Z"),
            ("spec.period.start", "1899-12-31T23:00:00-01:00"),
            ("spec.period.end", "8999-12-31T23:59:59Z"),
        ),
        Refused("spec.period.start", "0001-01-01T00:00:00+05:00", "spec.period.start: Invalid value: "),
        Refused("spec.period.start", "1900-01-01T00:00:00+01:00", "must be a time from the years 1900 to 8999"),
        Refused("spec.period.end", "9000-01-01T00:00:00Z", "must be a time from the years 1900 to 8999"),
        Refused("spec.period.end", "9999-12-31T23:59:59-05:00", "must be a time from the years 1900 to 8999"),
    ),
    rule(
        "set exactly one of inline, configMap, http, sql",
        (("spec.sources[0]", {"name": "flights", "inline": ROW}),),
        Refused(
            "spec.sources[0]",
            {"name": "flights", "inline": ROW, "http": {"url": "https://example.com/"}},
            "set exactly one of inline, configMap, http, sql; now set: inline http",
        ),
    ),
    rule(
        "set exactly one of value, valueFrom",
        (("spec.sources[2].http.headers", [{"name": "Accept", "value": "text/csv"}]),),
        Refused(
            "spec.sources[2].http.headers", [{"name": "Accept"}], "set exactly one of value, valueFrom; now set: none"
        ),
    ),
    rule(
        "names are lower-case letters, digits and _; period_start and period_end are given already",
        (("spec.sources[3].sql.params", {"carrier": "AA"}),),
        Refused("spec.sources[3].sql.params", {"period_start": "x"}, "period_start and period_end are given already"),
    ),
    rule(
        "tables[].name must not be the name of one of spec.sources: give the table another name",
        (("spec.tables[0].name", "by_carrier"),),
        Refused("spec.tables[0].name", "flights", "tables[].name must not be the name of one of spec.sources"),
    ),
    rule(
        f"outputs[].table {KNOWN}",
        (("spec.outputs[1].table", "by_carrier"),),
        Refused("spec.outputs[1].table", "nowhere", f"outputs[].table {KNOWN}"),
    ),
    rule(
        f"subject.table {KNOWN}",
        (("spec.subject.table", "by_carrier"), ("spec.subject.table", "flights")),
        Refused("spec.subject.table", "nowhere", f"subject.table {KNOWN}"),
    ),
    rule(
        "set at most one of timeRange, entityID, hint; the dominant entity is picked without",
        tuple(("spec.subject", SUBJECT | way) for way in ({}, {"entityID": "a"}, {"hint": "a"}, {"timeRange": WINDOW})),
        Refused(
            "spec.subject", SUBJECT | {"entityID": "a", "hint": "a"}, "set at most one of timeRange, entityID, hint"
        ),
        Refused("spec.subject", SUBJECT | {"timeRange": WINDOW, "hint": "a"}, "the dominant entity is picked without"),
    ),
    rule(
        "set startSeconds, endSeconds or both, the end after the start",
        tuple(
            ("spec.subject.timeRange", {"column": "t"} | ends)
            for ends in ({"startSeconds": 0}, {"endSeconds": 0}, {"startSeconds": 5, "endSeconds": 6})
        ),
        Refused("spec.subject.timeRange", {"column": "t"}, "set startSeconds, endSeconds or both, the end after"),
        Refused("spec.subject.timeRange.startSeconds", 60, "set startSeconds, endSeconds or both, the end after"),
    ),
    rule(
        f"the table of a block or card {KNOWN}",
        (
            ("spec.sections[0].blocks[1].metric.table", "by_carrier"),
            ("spec.sections[0].blocks[2].grid.cards[1].metric.table", "by_carrier"),
            ("spec.sections[0].blocks[3].table.from", "by_carrier"),
            ("spec.sections[0].blocks[4].chart.table", "by_carrier"),
        ),
        Refused("spec.sections[0].blocks[1].metric.table", "nowhere", f"sections[].blocks[].metric.table {KNOWN}"),
        Refused(
            "spec.sections[0].blocks[2].grid.cards[1].metric.table",
            "nowhere",
            f"sections[].blocks[].grid.cards[].metric.table {KNOWN}",
        ),
        Refused("spec.sections[0].blocks[3].table.from", "nowhere", f"sections[].blocks[].table.from {KNOWN}"),
        Refused("spec.sections[0].blocks[4].chart.table", "nowhere", f"sections[].blocks[].chart.table {KNOWN}"),
    ),
    rule(
        "set exactly one of text, metric, grid, table, chart",
        (("spec.sections[0].blocks[0]", {"text": TEXT}),),
        Refused("spec.sections[0].blocks[0]", {}, "set exactly one of text, metric, grid, table, chart; now set: none"),
    ),
    rule(
        "set exactly one of text, metric",
        (("spec.sections[0].blocks[2].grid.cards[0]", {"text": TEXT}),),
        Refused("spec.sections[0].blocks[2].grid.cards[0]", {}, "set exactly one of text, metric; now set: none"),
    ),
    rule(
        "set exactly one of name, configMapRef",
        (("spec.template", {"name": "standard"}), ("spec.template", {"configMapRef": {"name": "a", "key": "b"}})),
        Refused("spec.template", {"params": {"a": 1}}, "set exactly one of name, configMapRef; now set: none"),
    ),
    rule(
        "html, json and pdf hold the document: leave table out; other formats hold one table: set it",
        (
            *(
                ("spec.outputs[0]", {"format": each, "table": "by_carrier"})
                for each in ("csv", "ndjson", "tsv", "xlsx")
            ),
            ("spec.outputs[0]", {"format": "pdf"}),
        ),
        *(
            Refused("spec.outputs[0]", {"format": each}, f"{each} holds one table: set table to the name of a source")
            for each in ("csv", "ndjson", "tsv", "xlsx")
        ),
    ),
    rule(
        "only format json can be inline",
        (("spec.outputs[0]", {"format": "json", "name": "small", "inline": True}),),
        Refused("spec.outputs[0]", {"format": "pdf", "inline": True}, "format pdf cannot be inline: use json"),
    ),
    rule(
        "only formats pdf and xlsx can have a password",
        (
            ("spec.outputs[0]", {"format": "pdf", "passwordFrom": SECRET}),
            ("spec.outputs[0]", {"format": "xlsx", "table": "by_carrier", "passwordFrom": SECRET}),
        ),
        Refused("spec.outputs[0]", {"format": "json", "name": "a", "passwordFrom": SECRET}, "format json cannot have"),
    ),
    rule(
        "two outputs have the same file name (name, else table, else report): set name on one of them",
        (("spec.outputs[0]", {"format": "pdf", "name": "other"}),),
        Refused("spec.outputs[0]", {"format": "html"}, "two outputs have the same file name"),
    ),
    rule(
        "deliveries.json and result.json are the run's own files: use another name",
        (("spec.outputs[0]", {"format": "json", "name": "results"}), ("spec.outputs[0].name", "result")),
        Refused("spec.outputs[0]", {"format": "json", "name": "result"}, "use another name"),
        Refused("spec.outputs[0]", {"format": "json", "name": "deliveries"}, "use another name"),
    ),
    rule(
        "set exactly one of azure, email, gcs, s3, slack, webhook",
        (("spec.destinations[0]", {"name": "hook", "webhook": {"url": "https://example.com/"}}),),
        Refused("spec.destinations[0]", {"name": "hook"}, "gcs, s3, slack, webhook; now set: none"),
    ),
    rule(
        "endpoint must start with https://: the token would be readable on the way",
        (("spec.destinations[5].gcs.endpoint", "https://storage.p.example.com"),),
        Refused("spec.destinations[5].gcs.endpoint", "http://storage.p.example.com", "must start with https://"),
    ),
    rule(
        "set exactly one of accountURL, connectionStringFrom",
        (("spec.destinations[6].azure", BLOBS | {"connectionStringFrom": SECRET}),),
        Refused("spec.destinations[6].azure", BLOBS, "accountURL, connectionStringFrom; now set: none"),
        Refused(
            "spec.destinations[6].azure",
            BLOBS | {"accountURL": "https://a.blob.core.windows.net", "connectionStringFrom": SECRET},
            "accountURL, connectionStringFrom; now set: accountURL connectionStringFrom",
        ),
    ),
    rule(
        "set at most one of accountKeyFrom, connectionStringFrom, sasTokenFrom",
        (("spec.destinations[6].azure", BLOBS | {"accountURL": "https://a.blob.core.windows.net"}),),
        Refused(
            "spec.destinations[6].azure",
            BLOBS | {"connectionStringFrom": SECRET, "sasTokenFrom": SECRET},
            "set at most one of accountKeyFrom, connectionStringFrom, sasTokenFrom",
        ),
    ),
    rule(
        "without accountKeyFrom, accountURL must start with https://: the token would be readable on the way",
        (("spec.destinations[6].azure", BLOBS | {"accountURL": "http://blobs/a", "accountKeyFrom": SECRET}),),
        Refused(
            "spec.destinations[6].azure",
            BLOBS | {"accountURL": "http://blobs/a", "sasTokenFrom": SECRET},
            "without accountKeyFrom, accountURL must start with https://",
        ),
    ),
    rule(
        "there is no recipient: set to, cc or bcc",
        (("spec.destinations[2].email", MAIL | {"bcc": ["a@example.com"]}),),
        Refused("spec.destinations[2].email", MAIL, "there is no recipient: set to, cc or bcc"),
    ),
    rule(
        "set server and from, or neither: mails of the platform team's relay are from its own address",
        (
            ("spec.destinations[2].email", {"bcc": ["a@example.com"]}),
            ("spec.destinations[2].email", MAIL | {"bcc": ["a@example.com"]}),
        ),
        Refused("spec.destinations[2].email", {"from": "a@example.com", "to": ["a@example.com"]}, "or neither: mails"),
        Refused("spec.destinations[2].email", {"server": MAIL["server"], "to": ["a@example.com"]}, "or neither: mails"),
    ),
    rule(
        "login needs encryption StartTLS or TLS: the password would be readable on the way",
        (
            ("spec.destinations[2].email.server.encryption", "TLS"),
            ("spec.destinations[2].email.server", {"host": "relay.mail.svc", "encryption": "None"}),
        ),
        Refused("spec.destinations[2].email.server.encryption", "None", "login needs encryption StartTLS or TLS"),
    ),
    rule(
        "more than 1000 recipients in all: use a mailing list",
        (("spec.destinations[2].email.bcc", ["a@example.com"] * 992),),
        Refused("spec.destinations[2].email.bcc", ["a@example.com"] * 993, "more than 1000 recipients in all"),
    ),
    rule(
        "set exactly one of url, urlFrom",
        (("spec.destinations[0].webhook", {"url": "https://example.com/"}),),
        Refused("spec.destinations[0].webhook", {}, "set exactly one of url, urlFrom; now set: none"),
        Refused("spec.destinations[0].webhook.url", "https://example.com/", "now set: url urlFrom"),
    ),
    rule(
        "webhook-* and content-length, content-type, host, transfer-encoding, user-agent are set by the run:"
        " use other names",
        (("spec.destinations[0].webhook.headers[0].name", "X-Webhook-ID"),),
        Refused("spec.destinations[0].webhook.headers[0].name", "Webhook-ID", "are set by the run: use other names"),
        Refused("spec.destinations[0].webhook.headers[0].name", "Content-Type", "are set by the run: use other names"),
    ),
    rule(
        "must be between 1m and 168h",
        (("spec.download.urlTTL", "1m"), ("spec.download.urlTTL", "168h")),
        Refused("spec.download.urlTTL", "168h1s", "168h1s is out of range: must be between 1m and 168h"),
    ),
    rule(
        "must be Forever or at least 1m: days such as 90d, or a duration such as 36h",
        tuple(("spec.retention.ttl", value) for value in ("Forever", "1d", "99999d", "1m", "2160h", "1h30m")),
        Refused("spec.retention.ttl", "0d", "0d is too short: must be Forever or at least 1m"),
        Refused("spec.retention.ttl", "59s", "59s is too short: must be Forever or at least 1m"),
        Refused("spec.retention.ttl", "1d12h", "should match"),
        Refused("spec.retention.ttl", "forever", "should match"),
    ),
    rule(
        "must be between 1m and 24h",
        (("spec.run.timeout", "60s"), ("spec.run.timeout", "24h")),
        Refused("spec.run.timeout", "59s", "59s is out of range: must be between 1m and 24h"),
    ),
)
AZURE = "spec.destinations[6].azure"
HINTS = {
    f"spec.subject.{way}": Alternative("a", instead_of=("spec.subject.timeRange",)) for way in ("entityID", "hint")
}
CASES = CrdCases(
    REPORT,
    RULES,
    alternatives={
        "spec.template.name": Alternative("standard", instead_of=("spec.template.configMapRef",)),
        **HINTS,
        f"{AZURE}.sasTokenFrom": Alternative(SECRET, instead_of=(f"{AZURE}.accountKeyFrom",)),
        f"{AZURE}.connectionStringFrom": Alternative(
            SECRET, instead_of=(f"{AZURE}.accountURL", f"{AZURE}.accountKeyFrom")
        ),
    },
)
