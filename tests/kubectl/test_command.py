"""The command line itself, and what is told when there is no cluster."""

import json
import os
import pty
import re
import subprocess

import pytest
import yaml

from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.plugin import Plugin
from tests.support.ports import free_ports


def write_kubeconfig(plugin: Plugin, server: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    plugin.kubeconfig.write_text(yaml.safe_dump(content))


def test_kubectl_finds_the_plugin(plugin: Plugin) -> None:
    assert re.match(r"kubectl report, version \d+\.\d+", plugin.run("--version").stdout)
    shown = plugin.run("--help").stdout
    for command in ("run", "cancel", "status", "wait", "download", "suspend", "resume"):
        assert f"\n  {command} " in shown
    assert "Usage: kubectl report run [OPTIONS] SCHEDULE" in plugin.run("run", "-h").stdout


def test_no_cluster_answers(plugin: Plugin) -> None:
    write_kubeconfig(plugin, f"http://127.0.0.1:{free_ports(1)[0]}")
    done = plugin.run("status", "weekly")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the cluster cannot be reached: ")
    assert done.stderr.endswith("; try --context, or `kubectl cluster-info`\n")
    assert done.stderr.count("\n") == 1


def test_a_cluster_without_the_chart(plugin: Plugin, server: HttpServer) -> None:
    """A fake: the API server of these tests has the CRDs. It says what API groups there are, and has none of ours."""
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    }

    def respond(asked: Asked) -> Answer:
        found = answers.get(asked.path.partition("?")[0])
        headers = {"Content-Type": "application/json"}
        return Answer(json.dumps(found).encode(), headers=headers) if found else Answer(status=404)

    server.respond = respond
    write_kubeconfig(plugin, server.url)
    done = plugin.run("status", "weekly")
    assert (done.returncode, done.stderr) == (
        1,
        "error: this cluster does not know Reports: install the chart of report-operator, or try --context\n",
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--context=nope",), "context: nope; `kubectl config get-contexts` lists"),
        (("--kubeconfig=/nonexistent",), "/nonexistent"),
    ],
)
def test_a_kubeconfig_that_is_not_there(plugin: Plugin, flags: tuple[str], says: str) -> None:
    write_kubeconfig(plugin, "http://127.0.0.1:1")
    done = plugin.run("status", "weekly", *flags)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert says in done.stderr


@pytest.mark.parametrize(
    ("period", "says"),
    [
        (("--from", "2026-05-01"), "--from and --to belong together"),
        (("--from", "2026-05-08", "--to", "2026-05-01"), "--to 2026-05-01 has to be after --from 2026-05-08"),
        (("--from", "2026-05-01T00:00:00Z", "--to", "2026-05-01T02:00:00+02:00"), "has to be after"),
        (("--from", "May", "--to", "2026-05-01"), "--from May: write a date, 2026-05-01, or a time with its zone"),
        (("--from", "2026-05-01", "--to", "2026-05-02T00:00:00"), "--to 2026-05-02T00:00:00: write a date"),
    ],
)
def test_a_period_that_is_none_is_refused_before_anything_is_asked(
    plugin: Plugin, period: tuple[str, ...], says: str
) -> None:
    done = plugin.run("run", "weekly", *period)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_without_kubectl(plugin: Plugin) -> None:
    script = plugin.folder / "kubectl-report"
    done = subprocess.run(
        [script, "status", "weekly"],
        env=plugin.environment | {"PATH": str(plugin.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "error: kubectl is not on the PATH: install it (https://kubernetes.io/docs/tasks/tools/)\n"


def test_colour_on_a_terminal_only(plugin: Plugin) -> None:
    write_kubeconfig(plugin, f"http://127.0.0.1:{free_ports(1)[0]}")
    ours, theirs = pty.openpty()
    environment = plugin.environment | {"TERM": "xterm-256color"}
    with subprocess.Popen(plugin.command("status", "weekly"), stdin=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # Linux says EIO when the other side is closed.
            pass
        os.close(ours)
    assert b"\x1b[1;31merror:\x1b[0m" in shown
    assert "\x1b" not in plugin.run("status", "weekly").stderr
