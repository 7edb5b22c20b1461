"""A ScheduledReport on a real cluster: the clock makes Reports, Reports make files, and deleting it keeps both."""

from typing import Any

import httpx
import pytest

from report_operator.run.values import DASH
from tests.e2e.failures import spec
from tests.e2e.reports import PATIENCE, Team, download, outcome, pdf_text
from tests.support.chart import Object
from tests.support.cluster import condition, eventually

pytestmark = pytest.mark.cluster

SECTIONS: list[Object] = [
    {
        "title": "Overview",
        "blocks": [{"text": {"content": "For {{ params.region }} ({{ subject.label }}), {{ period.text }}."}}],
    }
]
REGIONS = {"emea": "Europe", "apac": "Asia"}


def schedule(name: str, **fields: Any) -> Object:
    """Return the manifest of a ScheduledReport with two variants."""
    rows = [{"id": id_, "name": name} for id_, name in REGIONS.items()]
    report = spec(
        sources=[{"name": "regions", "inline": {"rows": rows}}],
        subject={"table": "regions", "idColumn": "id", "labelColumn": "name"},
        sections=SECTIONS,
        outputs=[{"format": "pdf"}],
    )
    return {
        "apiVersion": "report-operator.io/v1alpha1",
        "kind": "ScheduledReport",
        "metadata": {"name": name, "labels": {"argocd.argoproj.io/instance": "reports"}},
        "spec": {
            "timeZone": "Europe/Berlin",
            "variants": [
                {"name": id_, "params": {"region": id_.upper()}, "subject": {"entityID": id_}} for id_ in REGIONS
            ],
            "template": {"spec": report},
            **fields,
        },
    }


def reports(team: Team, name: str, trigger: str) -> list[Object]:
    selector = f"report-operator.io/schedule={name},report-operator.io/trigger={trigger}"
    return team.cluster.list("reports", team.namespace, selector)


def read(team: Team, name: str) -> Object:
    found = team.cluster.get("scheduledreport", name, team.namespace)
    assert found is not None
    return found


def patch(team: Team, name: str, change: str) -> None:
    team.cluster.kubectl("patch", "srpt", name, f"--namespace={team.namespace}", "--type=merge", f"--patch={change}")


@pytest.mark.requirement("A4", "A10", "B2", "D1", "D4", "E1", "E2", "E3")
def test_clock_makes_reports_and_deleting_keeps_them(team: Team) -> None:
    team.cluster.apply([schedule("minutely", schedule=["* * * * *"])], team.namespace)
    accepted = eventually(lambda: ready(team, "minutely"), PATIENCE, "it is accepted")
    assert accepted["status"]["nextRunTime"]
    first = eventually(
        lambda: pair if len(pair := reports(team, "minutely", "scheduled")) >= 2 else None, PATIENCE, "both"
    )
    patch(team, "minutely", '{"spec": {"suspend": true}}')
    for each in first:
        found = team.wait(each["metadata"]["name"])
        assert outcome(found) == ("Succeeded", "Succeeded")
        assert found["metadata"]["labels"].get("argocd.argoproj.io/instance") is None
        region = found["metadata"]["labels"]["report-operator.io/variant"]
        assert found["status"]["subject"] == {"id": region, "label": REGIONS[region]}
        assert f"For {region.upper()} ({REGIONS[region]})" in pdf_text(download(found, "report.pdf"))
    done = eventually(lambda: ended(team, "minutely"), PATIENCE, "the end of the last run is told")
    assert done["status"]["lastRun"]["phase"] == "Succeeded"
    assert done["status"]["lastSuccessfulTime"]
    assert condition(done, "Ready") == "True"
    assert done["status"].get("nextRunTime") is None
    team.cluster.kubectl("delete", "srpt", "minutely", f"--namespace={team.namespace}")
    kept = team.get(first[0]["metadata"]["name"])
    assert httpx.get(kept["status"]["artifacts"][0]["downloadURL"]).is_success


@pytest.mark.requirement("D1", "E4", "N6")
def test_run_for_a_past_window(team: Team) -> None:
    team.cluster.apply([schedule("asked")], team.namespace)
    eventually(lambda: ready(team, "asked"), PATIENCE, "it is accepted")
    text = '{"report-operator.io/run-now": "1", "report-operator.io/run-period": "2026-03-23/2026-03-30"}'
    patch(team, "asked", f'{{"metadata": {{"annotations": {text}}}}}')
    made = eventually(lambda: pair if len(pair := reports(team, "asked", "manual")) == 2 else None, PATIENCE, "both")
    for each in made:
        found = team.wait(each["metadata"]["name"])
        assert outcome(found) == ("Succeeded", "Succeeded")
        assert found["status"]["period"] == {"start": "2026-03-22T23:00:00Z", "end": "2026-03-29T22:00:00Z"}
        assert f"23 {DASH} 29 March 2026" in pdf_text(download(found, "report.pdf"))
    assert read(team, "asked")["status"]["lastHandledRunNow"] == "1"


def ready(team: Team, name: str) -> Object | None:
    found = read(team, name)
    return found if condition(found, "Ready") == "True" else None


def ended(team: Team, name: str) -> Object | None:
    found = read(team, name)
    return found if not found["status"]["active"] and found["status"]["observedGeneration"] == 2 else None
