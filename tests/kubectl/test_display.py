"""What people see of Reports."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from report_operator.kubectl import display
from report_operator.kubectl.report import Report
from tests.support.objects import NOW

WAITING = {
    "phase": "Queued",
    "reason": "Queued",
    "message": "[3] more run.",
    "period": {"start": "2026-05-04T00:00:00Z", "end": "2026-05-11T00:00:00Z"},
    "queue": {"position": 3, "since": "2026-05-04T06:00:00Z", "estimatedWaitSeconds": 200},
}
RUNNING = {
    "phase": "Running",
    "stage": "render",
    "reason": "Running",
    "message": "Stage render runs, attempt 2 of 3.",
    "attempt": 2,
    "startTime": "2026-05-04T05:55:30Z",
    "runID": "u-1",
    "jobName": "weekly-abc",
}
FILE = {
    "name": "report.pdf",
    "size": 1_234_567,
    "sha256": "c" * 64,
    "uri": "s3://reports/x",
    "downloadURL": "https://x",
}


def shown(report: Report, capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, str]:
    display.write_status(report, flags, NOW)
    return {line[:11].strip(): line[11:].strip() for line in capsys.readouterr().out.splitlines()}


def test_a_report_that_waits_its_turn(report: Callable[..., Report], capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(report(**WAITING), capsys) == {
        "Report": "weekly in namespace team-a",
        "Phase": "Queued",
        "Reason": "Queued",
        "Message": "[3] more run.",
        "Period": "2026-05-04T00:00:00Z to 2026-05-11T00:00:00Z",
        "Queue": "position 3, about 3m to wait",
    }


def test_a_report_that_runs(report: Callable[..., Report], capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(report(**RUNNING), capsys, "--context=prod", "--namespace=team-a")
    assert lines["Phase"] == "Running, stage render"
    assert lines["Attempt"] == "2"
    assert lines["Started"] == "2026-05-04T05:55:30Z (5m ago)"
    assert lines["Logs"] == "kubectl logs --context=prod --namespace=team-a job/weekly-abc --all-containers"


@pytest.mark.parametrize(
    ("left", "says"),
    [
        (timedelta(hours=5), "link until 2026-05-04 11:00 UTC (5h left)"),
        (timedelta(), "link ended at 2026-05-04 06:00 UTC"),
    ],
)
def test_files_and_how_long_their_links_work(
    report: Callable[..., Report], capsys: pytest.CaptureFixture[str], left: timedelta, says: str
) -> None:
    file = FILE | {"urlExpiresAt": (NOW + left).isoformat()}
    lines = shown(report(phase="Succeeded", artifacts=[file]), capsys)
    assert lines["Files"] == f"report.pdf      1.2 MB  {says}"
    assert lines["Download"] == "kubectl report download --namespace=team-a weekly"


def test_a_command_is_not_broken_on_a_narrow_terminal(
    report: Callable[..., Report], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    display.write_status(report(**RUNNING), [], NOW)
    assert "kubectl logs --namespace=team-a job/weekly-abc --all-containers\n" in capsys.readouterr().out


def test_a_cancelled_run_has_no_logs(report: Callable[..., Report], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Logs" not in shown(report(**RUNNING | {"phase": "Cancelled"}), capsys)


@pytest.mark.requirement("B3")
def test_whom_a_report_is_about(report: Callable[..., Report], capsys: pytest.CaptureFixture[str]) -> None:
    about = report(phase="Succeeded", subject={"id": "a-1", "label": "Agent [Smith]"})
    assert shown(about, capsys)["Subject"] == "Agent [Smith], id a-1"
    assert about.digest()["subject"] == {"id": "a-1", "label": "Agent [Smith]"}
    display.write_reports([about, report(name="other", phase="Running")])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["Report", "Subject", "State", "Files", "Message"]
    assert first.split() == ["weekly", "Agent", "[Smith]", "Succeeded"]
    assert second.split() == ["other", "Running"]


def test_where_no_report_is_about_an_entity_lists_do_not_ask(
    report: Callable[..., Report], capsys: pytest.CaptureFixture[str]
) -> None:
    display.write_reports([report(phase="Running")])
    assert capsys.readouterr().out.split()[:4] == ["Report", "State", "Files", "Message"]


@pytest.mark.parametrize("status", [{}, {"observedGeneration": 0, "phase": "Succeeded", "message": "of an older spec"}])
def test_a_status_of_an_older_spec_is_not_that_of_the_report(
    report: Callable[..., Report], capsys: pytest.CaptureFixture[str], status: dict[str, Any]
) -> None:
    lines = shown(report(**status), capsys)
    assert lines["Phase"] == "not seen by the operator yet"
    assert "Message" not in lines


def test_progress_is_a_line_for_each_change(report: Callable[..., Report], capsys: pytest.CaptureFixture[str]) -> None:
    waiting, running = report(**WAITING), report(**RUNNING)
    with display.progress_of_runs() as show:
        for reports in ([waiting], [waiting], [running], [running]):
            show(reports)
    assert capsys.readouterr().err.splitlines() == ["weekly: Queued", "weekly: Running, stage render"]


@pytest.mark.parametrize(
    ("phase", "ended", "succeeded"),
    [("Queued", False, False), ("Running", False, False), ("Succeeded", True, True), ("Failed", True, False),
     ("Cancelled", True, False), ("ExpiredByANewerVersion", True, False)],
)  # fmt: skip
def test_what_an_end_is(report: Callable[..., Report], phase: str, ended: bool, succeeded: bool) -> None:
    found = report(phase=phase)
    assert (found.has_ended, found.has_succeeded) == (ended, succeeded)
