"""The command line. Each command imports only what it needs."""

import sys

import click

from report_operator import __version__
from report_operator.api.conditions import Stage


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="report-operator")
def main() -> None:
    """Make reports from Report resources."""


@main.command(name="operator")
def operator_() -> None:
    """Run the operator; its settings are environment variables."""
    from report_operator.control.operator import main as run

    run()


@main.command(name="store-credentials")
@click.option("--secret", required=True, help="Name of the Secret to make.")
@click.option("--namespace", help="Its namespace; the pod's own when not given.")
def store_credentials(secret: str, namespace: str | None) -> None:
    """Make the access keys of the chart's own store, unless they are there."""
    from report_operator.control.credentials import create

    click.echo(create(secret, namespace))


@main.command(hidden=True)
@click.argument("stage", type=click.Choice([stage.value for stage in Stage]))
def run(stage: str) -> None:
    """Run one stage of a run, as the only process of its container."""
    from report_operator.run.stage import main as run_stage
    from report_operator.run.workspace import Workspace

    sys.exit(run_stage(Stage(stage), Workspace.in_pod()))


if __name__ == "__main__":
    main()
