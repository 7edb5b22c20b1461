"""The command line of `kubectl report`. Each command imports only what it needs."""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from report_operator import __version__
from report_operator.kubectl.errors import PluginError

if TYPE_CHECKING:
    from report_operator.kubectl.client import Kubectl
    from report_operator.kubectl.report import Report

_ERROR = 1
_TERMINATED = 128 + signal.SIGTERM


class _Group(click.Group):
    """Tells what went wrong in one line, on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PluginError as error:
            from report_operator.kubectl.display import fail

            fail(str(error))
            sys.exit(_ERROR)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kubectl report")
def report() -> None:
    """Run, follow and fetch the reports of report-operator."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # So that half a download is taken away.


def _access(command: Callable[..., None]) -> Callable[..., None]:
    """Add kubectl's own flags."""
    flags = (
        click.option("-n", "--namespace", help="Namespace; that of the context when not given."),
        click.option("--context", help="Context of the kubeconfig; the current one when not given."),
        click.option("--kubeconfig", help="Kubeconfig file; kubectl's own choice when not given."),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


_as_json = click.option("-o", "--output", type=click.Choice(["json"]), help="Write the result as JSON, for programs.")


@report.command()
@click.argument("schedule")
@click.option("--from", "start", metavar="TIME", help="Start of the period: a date, or an RFC 3339 time.")
@click.option("--to", "end", metavar="TIME", help="First moment after the period.")
@click.option("--wait", is_flag=True, help="Wait for the end of the runs; exit with 1 unless all succeed.")
@_as_json
@_access
def run(schedule: str, start: str | None, end: str | None, *, wait: bool, output: str | None, **access: str) -> None:
    """Run a ScheduledReport now, also while it is suspended.

    Without --from and --to the period is the one that a run by the schedule would have at this moment.
    """
    from report_operator.kubectl import display, requests

    if (start is None) is not (end is None):
        raise PluginError("--from and --to belong together: give both, or neither")
    period = requests.period_of(start, end) if start is not None and end is not None else None
    kubectl = _kubectl(access)
    manifest, token = requests.ask_for_run(kubectl, schedule, period)
    display.say(f"{schedule}: asked for a run, token {token}")
    answer = requests.answer_to(kubectl, manifest, token)
    if not answer.is_taken_up:
        raise PluginError(
            f"the operator has not taken it up within {requests.ANSWER_SECONDS:.0f} s; the request stays, and"
            f" `kubectl get reports -l report-operator.io/schedule={schedule}` shows its Reports when it has"
        )
    if not answer.reports:
        raise PluginError(f"no Report was made: {answer.refusal}")
    reports = _followed(kubectl, answer.reports) if wait else answer.reports
    _write(reports, output, token=token)
    if wait:
        _exit(reports)


@report.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_as_json
@_access
def cancel(names: Sequence[str], *, output: str | None, **access: str) -> None:
    """End the runs of Reports. One that has ended already stays as it is."""
    from report_operator.kubectl import display, requests

    kubectl, results, failed = _kubectl(access), [], False
    for name in dict.fromkeys(names):
        try:
            found, changed = requests.cancel(kubectl, name)
        except PluginError as error:
            failed = True
            display.fail(str(error))
            continue
        results.append(found.digest() | {"cancelled": changed})
        if not output:
            display.write_lines([f"{name}: {_cancelled(found, changed=changed)}"])
    if output:
        display.write_json({"reports": results})
    if failed:
        sys.exit(_ERROR)


@report.command()
@click.argument("name")
@click.option("--unknown", "scope", flag_value="unknown", help="Also what may or may not have arrived.")
@click.option("--all", "scope", flag_value="all", help="Everything, also what has arrived.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit with 1 unless everything is sent then.")
@_as_json
@_access
def redeliver(name: str, scope: str | None, *, wait: bool, output: str | None, **access: str) -> None:
    """Send again what a Report has not delivered. Nothing is fetched or made anew."""
    from report_operator.kubectl import display, following, requests

    kubectl = _kubectl(access)
    token = requests.ask_for_redelivery(kubectl, name, scope or "")
    display.say(f"{name}: asked for a redelivery, token {token}")
    reports: Sequence[Report] = [requests.answer_to_redelivery(kubectl, name, token)]
    if wait:
        with display.progress_of_runs() as show:
            reports = following.follow(kubectl, [name], show, lambda each: each.redelivery.get("phase") == "Ended")
    _write(reports, output, token=token)
    if wait:
        _exit(reports)


@report.command()
@click.argument("name")
@click.option("--to", "address", metavar="ADDRESS", required=True, help="The only address that gets it.")
@click.option("--wait", is_flag=True, help="Wait for the end of the runs; exit with 1 unless all succeed.")
@_as_json
@_access
def test(name: str, address: str, *, wait: bool, output: str | None, **access: str) -> None:
    """Make a Report, or what a ScheduledReport would make now, and mail it to one address as a test.

    NAME may be report/NAME or scheduledreport/NAME.
    """
    from report_operator.kubectl import display, requests

    kubectl = _kubectl(access)
    manifest, token = requests.ask_for_test(kubectl, name, address)
    display.say(f"{name}: asked for a test, token {token}")
    reports = requests.answer_to_test(kubectl, manifest, token)
    reports = _followed(kubectl, reports) if wait else reports
    _write(reports, output, token=token)
    if wait:
        _exit(reports)


@report.command()
@click.argument("name")
@_as_json
@_access
def status(name: str, *, output: str | None, **access: str) -> None:
    """Show how a Report stands, why, and what there is of it."""
    from datetime import UTC, datetime

    from report_operator.kubectl import display
    from report_operator.kubectl.client import REPORT
    from report_operator.kubectl.report import Report

    kubectl = _kubectl(access)
    found = Report(kubectl.get(REPORT, name))
    if output:
        display.write_json(found.digest())
    else:
        display.write_status(found, kubectl.flags, datetime.now(UTC))


@report.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_as_json
@_access
def wait(names: Sequence[str], *, output: str | None, **access: str) -> None:
    """Wait for the end of Reports' runs; exit with 1 unless all succeed."""
    from report_operator.kubectl import display, following

    with display.progress_of_runs() as show:
        reports = following.follow(_kubectl(access), names, show)
    _write(reports, output)
    _exit(reports)


@report.command()
@click.argument("name")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "-o",
    "--output-dir",
    "folder",
    metavar="DIR",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files, made when it is not there; the present one when not given.",
)
@_access
def download(name: str, files: Sequence[str], folder: Path, **access: str) -> None:
    """Download the files of a Report, or some of them, and check them.

    Where their links have ended, new ones are asked for.
    """
    from datetime import UTC, datetime

    from report_operator.kubectl import display, requests
    from report_operator.kubectl.client import REPORT
    from report_operator.kubectl.download import chosen, have_ended
    from report_operator.kubectl.download import download as fetch
    from report_operator.kubectl.report import Report

    kubectl, now = _kubectl(access), datetime.now(UTC)
    report = Report(kubectl.get(REPORT, name))
    if have_ended(report, files, now):
        display.say(f"{name}: its links have ended; asking for new ones")
        report = requests.new_links(kubectl, name)
    found = chosen(report, files, now)
    with display.progress_of_download(found) as advance:
        paths = fetch(found, folder, advance)
    display.write_files(paths, found)


@report.command()
@click.argument("schedule")
@_access
def suspend(schedule: str, **access: str) -> None:
    """Start no more runs by a schedule; those under way go on."""
    _set_suspended(schedule, access, suspended=True)


@report.command()
@click.argument("schedule")
@_access
def resume(schedule: str, **access: str) -> None:
    """Start runs by a schedule again; what fell meanwhile is not made up for."""
    _set_suspended(schedule, access, suspended=False)


def main() -> None:
    """Run the plugin."""
    report(prog_name="kubectl report")


def _kubectl(access: dict[str, str]) -> "Kubectl":
    from report_operator.kubectl.client import Kubectl

    return Kubectl(**access)


def _cancelled(report: "Report", *, changed: bool) -> str:
    """Return what became of a request to cancel."""
    if report.has_ended:
        return f"has ended already: {report.state}"
    if not changed:
        return "its run is being ended already"
    return f"its run is asked to end; it was {report.text('phase') or 'not started'}"


def _set_suspended(schedule: str, access: dict[str, str], *, suspended: bool) -> None:
    from report_operator.kubectl import display, requests

    _, changed = requests.set_suspended(_kubectl(access), schedule, suspended=suspended)
    state = "suspended" if suspended else "resumed"
    unchanged = "suspended already" if suspended else "not suspended"
    display.write_lines([f"{schedule}: {state if changed else unchanged}"])


def _followed(kubectl: "Kubectl", reports: "Sequence[Report]") -> "Sequence[Report]":
    from report_operator.kubectl import display, following

    with display.progress_of_runs() as show:
        return following.follow(kubectl, [each.name for each in reports], show)


def _write(reports: "Sequence[Report]", output: str | None, **more: str) -> None:
    from report_operator.kubectl import display

    if output:
        display.write_json({**more, "reports": [each.digest() for each in reports]})
    else:
        display.write_reports(reports)


def _exit(reports: "Sequence[Report]") -> None:
    if not all(each.has_succeeded for each in reports):
        sys.exit(_ERROR)
