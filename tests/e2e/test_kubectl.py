"""`kubectl report` on a real cluster: from asking for a run to its files on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.failures import spec, sql
from tests.e2e.reports import JSON, PATIENCE, PDF, Team, pdf_text
from tests.support.cluster import eventually
from tests.support.plugin import Plugin

pytestmark = pytest.mark.cluster


@pytest.fixture
def plugin(team: Team, tmp_path: Path) -> Plugin:
    folder = tmp_path / "plugin"
    folder.mkdir()
    return Plugin.install(folder, team.cluster.kubeconfig)


@pytest.fixture
def on_demand(team: Team) -> Iterator[str]:
    """A ScheduledReport that runs on demand only."""
    text = {"text": {"content": "{{ period.text }}"}}
    made = spec(outputs=[PDF, JSON], sections=[{"blocks": [text]}])
    schedule: dict[str, Any] = {
        "apiVersion": "report-operator.io/v1alpha1",
        "kind": "ScheduledReport",
        "metadata": {"name": "on-demand"},
        "spec": {"template": {"spec": made}, "history": {"onDelete": "Delete"}},
    }
    team.cluster.apply([schedule], team.namespace)
    yield "on-demand"
    team.cluster.kubectl("delete", "scheduledreport", "on-demand", f"--namespace={team.namespace}")


@pytest.mark.requirement("E4", "N6")
def test_a_run_for_a_past_week_until_its_pdf_is_here(
    plugin: Plugin, team: Team, on_demand: str, tmp_path: Path
) -> None:
    week = ("--from", "2026-04-06", "--to", "2026-04-13")
    done = plugin.run("run", on_demand, *week, "--wait", "-n", team.namespace, "-o", "json")
    assert done.returncode == 0, done.stderr
    [made] = json.loads(done.stdout)["reports"]
    assert made["period"] == {"start": "2026-04-06T00:00:00Z", "end": "2026-04-13T00:00:00Z"}
    fetched = plugin.run("download", made["name"], "report.pdf", "-o", tmp_path / "out", "-n", team.namespace)
    assert fetched.returncode == 0, fetched.stderr
    assert "12 April 2026" in pdf_text((tmp_path / "out" / "report.pdf").read_bytes())


@pytest.mark.requirement("A10")
def test_a_run_that_is_cancelled(plugin: Plugin, team: Team) -> None:
    team.create("cancelled", spec(sql("select 1 as one from pg_sleep(600)")))
    eventually(lambda: team.get("cancelled")["status"].get("stage"), PATIENCE, "the run fetches")
    with plugin.start("wait", "cancelled", "-n", team.namespace) as waiting:
        assert plugin.run("cancel", "cancelled", "-n", team.namespace).returncode == 0
        _, err = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, err.splitlines()[-1]) == (1, "cancelled: Cancelled"), err
    assert team.owned("jobs", "cancelled") == []
