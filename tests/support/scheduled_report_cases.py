"""The CEL rules of the ScheduledReport CRD, but for those of the Report's spec in it."""

from report_operator.api.crd import SCHEDULED_REPORT
from tests.support import report_cases
from tests.support.apiserver import ROOT
from tests.support.crd_cases import Alternative, CrdCases, Refused, rule
from tests.support.manifests import load

SPEC = load(ROOT / "tests/data/input/scheduledreport-full.yaml")["spec"]
UNTIMED = {name: value for name, value in SPEC.items() if name not in ("schedule", "backfill")}
FREQUENCY = {"every": "monthly", "dayOfWeek": "friday", "dayOfMonth": 28, "time": "06:30"}
LINES = (
    "0 9 * * MON-FRI", "*/15 * * * *", "0 0 1,15 JAN-mar 0", "5/10 0-23/2 ? * ?", "00 09 01 01 *", "0  9 * * 6",
    "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually",
)  # fmt: skip
NO_LINES = (
    "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 7", "* * * * * *", "* * * *",
    "*/0 * * * *", "H * * * *", "0 0 L * *", "0 0 * * 5#2", "0 0 15W * *", "0 9 * * monday", "@reboot", "@Daily",
    "a * * * *", "1- * * * *", ",1 * * * *", "*-5 * * * *", " 0 9 * * *",
)  # fmt: skip
NO_LINE = "is not a cron line: write minute hour day-of-month month day-of-week (0 is Sunday)"
KEYS = "keys are name or prefix/name as in Kubernetes; those that begin with report-operator.io/ are the operator's"
RULES = (
    rule(
        "set schedule or frequency, not both; leave both out to run on demand only",
        (("spec", UNTIMED), ("spec", {**UNTIMED, "frequency": {"every": "daily"}})),
        Refused("spec", {**SPEC, "frequency": FREQUENCY}, "spec: Invalid value: set schedule or frequency, not both"),
    ),
    rule(
        "backfill needs schedule or frequency, which say what the runs of the past are",
        (("spec", {**UNTIMED, "frequency": {"every": "daily"}, "backfill": SPEC["backfill"]}),),
        Refused("spec", {**UNTIMED, "backfill": SPEC["backfill"]}, "backfill needs schedule or frequency"),
    ),
    rule(
        "TZ= and CRON_TZ= are not read: set spec.timeZone",
        (),
        Refused("spec.schedule[0]", "TZ=Europe/Berlin 0 9 * * *", "spec.schedule[0]: Invalid value: "),
        Refused("spec.schedule[0]", "CRON_TZ=Europe/Berlin 0 9 * * *", "are not read: set spec.timeZone"),
    ),
    rule(
        "must be a cron line: minute hour day-of-month month day-of-week, such as 0 9 * * MON-FRI, or @daily",
        tuple(("spec.schedule[0]", line) for line in LINES),
        *(Refused("spec.schedule[0]", line, f"{line} {NO_LINE}") for line in NO_LINES),
        Refused("spec.schedule[0]", "@every 1h", "@every 1h has no fixed times: write a line such as */30 * * * *"),
    ),
    rule(
        "must be 1 to 28: use 28 for the end of the month, later days are not in every month",
        (("spec.frequency.dayOfMonth", 1), ("spec.frequency.dayOfMonth", 28)),
        Refused(
            "spec.frequency.dayOfMonth", 29, "spec.frequency.dayOfMonth: Invalid value: 29: must be 1 to 28: use 28 "
        ),
        Refused("spec.frequency.dayOfMonth", 31, "use 28 for the end of the month"),
        Refused("spec.frequency.dayOfMonth", 0, "must be 1 to 28"),
    ),
    rule(
        "must be a time of day: write HH:MM, from 00:00 to 23:59",
        (("spec.frequency.time", "00:00"), ("spec.frequency.time", "23:59")),
        *(
            Refused(
                "spec.frequency.time",
                time,
                f'spec.frequency.time: Invalid value: "{time}": {time} is not a time of day: write HH:MM',
            )
            for time in ("24:00", "9:00", "09:60", "09:00:00", "9 am")
        ),
    ),
    rule(
        "set exactly one of lookback, previous",
        (("spec.window", {"previous": "quarter"}),),
        Refused("spec.window", {}, "set exactly one of lookback, previous; now set: none"),
        Refused("spec.window", {"lookback": "1h", "previous": "day"}, "now set: lookback previous"),
    ),
    rule(
        "must be between 1m and 87840h",
        (("spec.window.lookback", "1m"), ("spec.window.lookback", "87840h")),
        Refused("spec.window.lookback", "59s", "59s is out of range: must be between 1m and 87840h"),
    ),
    rule(
        "must be between 10s and 8784h",
        (("spec.startingDeadline", "10s"), ("spec.startingDeadline", "8784h")),
        Refused("spec.startingDeadline", "9s", "9s is out of range: must be between 10s and 8784h"),
    ),
    rule(
        "must be between 0s and 24h",
        (("spec.jitter", "0s"), ("spec.jitter", "24h")),
        Refused("spec.jitter", "24h1s", "24h1s is out of range: must be between 0s and 24h"),
    ),
    rule(
        "to must be after from",
        (("spec.backfill.to", "2026-01-01T00:00:01Z"),),
        Refused("spec.backfill.to", "2026-01-01T00:00:00Z", "spec.backfill: Invalid value: to must be after from"),
        Refused("spec.backfill.from", "0001-01-01T00:00:00Z", "must be a time from the years 1900 to 8999"),
        Refused("spec.backfill.to", "9999-12-31T00:00:00Z", "must be a time from the years 1900 to 8999"),
    ),
    rule(
        "the range is longer than ten years: use several, one after the other",
        (("spec.backfill.from", "2016-04-01T00:00:00Z"),),
        Refused("spec.backfill.from", "2016-03-01T00:00:00Z", "the range is longer than ten years"),
    ),
    rule(
        KEYS,
        (("spec.template.metadata.labels", {"a.b/c_D": "x"}), ("spec.template.metadata.annotations", {"d": ""})),
        Refused("spec.template.metadata.labels", {"report-operator.io/slot": "x"}, "are the operator's"),
        Refused("spec.template.metadata.labels", {"a/b/c": "x"}, "keys are name or prefix/name"),
        Refused("spec.template.metadata.annotations", {"-a": "x"}, "keys are name or prefix/name"),
    ),
    rule(
        "leave period out: each run has its own, see spec.window",
        (),
        Refused(
            "spec.template.spec.period",
            {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"},
            "spec.template.spec: Invalid value: leave period out",
        ),
    ),
    rule(
        "leave idempotencyKey out: all runs would have the result of the first; slots are run once anyway",
        (),
        Refused(
            "spec.template.spec.idempotencyKey", "k", "spec.template.spec: Invalid value: leave idempotencyKey out"
        ),
    ),
    rule(
        "leave cancel out: set it on the Report whose run is to end, or spec.suspend to start no more",
        (("spec.template.spec.cancel", False),),
        Refused("spec.template.spec.cancel", True, "spec.template.spec: Invalid value: leave cancel out"),
    ),
)
VARIANT = "spec.variants[0].subject"
CASES = CrdCases(
    SCHEDULED_REPORT,
    RULES,
    alternatives={
        "spec.frequency": Alternative(FREQUENCY, instead_of=("spec.schedule",)),
        f"{VARIANT}.entityID": Alternative("a", instead_of=(f"{VARIANT}.timeRange",)),
        f"{VARIANT}.hint": Alternative("a", instead_of=(f"{VARIANT}.timeRange",)),
        "spec.window.previous": Alternative("month", instead_of=("spec.window.lookback",)),
    },
    elsewhere={"spec.template.spec": report_cases.CASES, "spec.onFailure.notify[]": report_cases.CASES},
)
