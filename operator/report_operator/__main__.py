"""The command line. Each command imports only what it needs."""

import sys
from pathlib import Path

import click

from report_operator import __version__
from report_operator.api.conditions import Stage
from report_operator.api.preflight import ORDER_VARIABLE
from report_operator.api.run import DIGEST_VARIABLE


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="report-operator")
def main() -> None:
    """Make reports from Report resources."""


@main.command()
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="YAML with one Report, and Secrets and ConfigMaps that it reads; - is standard input. May be repeated.",
)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; made when it is not there.",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME/KEY=VALUE",
    help="Value of a Secret's key; @FILE takes it from a file. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what was made, or why nothing was, as JSON.")
def render(files: tuple[str, ...], target: Path, secrets: tuple[str, ...], *, as_json: bool) -> None:
    """Make a Report's files on this machine, without a cluster."""
    from report_operator.run.command import render as make

    sys.exit(make(files, target, secrets, as_json=as_json))


@main.command(name="operator")
def operator_() -> None:
    """Run the operator; its settings are environment variables."""
    from report_operator.control.operator import main as run

    run()


@main.command()
def relay() -> None:
    """Run the platform team's mail relay; its settings are environment variables."""
    from report_operator.relay.server import main as run_relay

    run_relay()


@main.command(name="store-credentials")
@click.option("--secret", required=True, help="Name of the Secret to make.")
@click.option("--namespace", help="Its namespace; the pod's own when not given.")
def store_credentials(secret: str, namespace: str | None) -> None:
    """Make the access keys of the chart's own store, unless they are there."""
    from report_operator.control.credentials import create

    click.echo(create(secret, namespace))


@main.command(name="relay-key")
@click.option("--secret", required=True, help="Name of the Secret to make.")
@click.option("--namespace", help="Its namespace; the pod's own when not given.")
def relay_key(secret: str, namespace: str | None) -> None:
    """Make the key that the operator and the mail relay share, unless it is there."""
    from report_operator.control.credentials import create_relay_key

    click.echo(create_relay_key(secret, namespace))


@main.command(hidden=True)
@click.option("--order", envvar=ORDER_VARIABLE, required=True)
def probe(order: str) -> None:
    """Probe the destinations of a schedule, as the only process of its container."""
    from report_operator.run.preflight import main as run_probe
    from report_operator.run.workspace import Workspace

    sys.exit(run_probe(order, Workspace.in_pod()))


@main.command(hidden=True)
@click.argument("stage", type=click.Choice([stage.value for stage in Stage]))
@click.option("--digest", envvar=DIGEST_VARIABLE, required=True)
def run(stage: str, digest: str) -> None:
    """Run one stage of a run, as the only process of its container."""
    from report_operator.run.stage import main as run_stage
    from report_operator.run.workspace import Workspace

    sys.exit(run_stage(Stage(stage), Workspace.in_pod(), digest))


if __name__ == "__main__":
    main()
