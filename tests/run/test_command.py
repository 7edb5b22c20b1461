"""`report-operator render` as a person and as a program runs it."""

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from report_operator.api.metadata import API_VERSION
from report_operator.api.run import EXIT_INTERNAL_ERROR, EXIT_OK, EXIT_OUTAGE, EXIT_USER_ERROR
from tests.support.http_server import HttpServer
from tests.support.ports import free_ports
from tests.support.postgres import PASSWORD, Postgres

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "operator"), "COLUMNS": "200"}
REPORT = {
    "apiVersion": API_VERSION,
    "kind": "Report",
    "metadata": {"name": "weekly"},
    "spec": {
        "sources": [{"name": "rows", "inline": {"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}}],
        "sections": [{"blocks": [{"metric": {"title": "Rows", "table": "rows", "column": "a"}}]}],
        "outputs": [{"format": "csv", "table": "rows"}, {"format": "json"}],
    },
}
SECRET_KEY = {"secretKeyRef": {"name": "db", "key": "url"}}


def execute(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "report_operator", *map(str, arguments)]
    return subprocess.run(
        command, check=False, env=ENVIRONMENT, input=stdin, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., Path]:
    """Write the manifest with changed fields of the spec."""

    def manifest(**changes: object) -> Path:
        file = tmp_path / "report.yaml"
        file.write_text(yaml.safe_dump(REPORT | {"spec": REPORT["spec"] | changes}))  # type: ignore[operator]
        return file

    return manifest


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "deep" / "out"


@pytest.mark.requirement("N13")
def test_files_are_in_the_folder_and_their_paths_on_standard_output(
    manifest: Callable[..., Path], target: Path
) -> None:
    done = execute("render", "-f", manifest(), "-o", target)
    assert (done.returncode, done.stdout) == (EXIT_OK, f"{target}/rows.csv\n{target}/report.json\n")
    assert (target / "rows.csv").read_text().splitlines() == ["a,b", "1,x", "2,y"]
    assert sorted(path.name for path in target.iterdir()) == ["report.json", "rows.csv"]
    assert done.stderr.splitlines() == [
        "fetching the rows",
        "source 'rows': 2 rows, 2 columns",
        "making the documents",
    ]


def test_nothing_is_sent(manifest: Callable[..., Path], target: Path, web: HttpServer) -> None:
    """Not even the Secret of a destination is asked for."""
    hook = {"url": web.url, "signingSecretFrom": SECRET_KEY}
    done = execute("render", "-f", manifest(destinations=[{"name": "hook", "webhook": hook}]), "-o", target)
    assert (done.returncode, web.asked) == (EXIT_OK, [])
    assert sorted(path.name for path in target.iterdir()) == ["report.json", "rows.csv"]


def test_json_for_programs(manifest: Callable[..., Path], target: Path) -> None:
    done = execute("render", "-f", manifest(), "-o", target, "--json")
    said = json.loads(done.stdout)
    content = (target / "rows.csv").read_bytes()
    assert said["directory"] == str(target)
    assert said["metrics"] == {"Rows": "1"}
    assert said["files"][0] == {
        "name": "rows.csv",
        "format": "csv",
        "rows": 2,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.requirement("B2")
def test_the_subject_is_picked_as_in_a_cluster(manifest: Callable[..., Path], target: Path) -> None:
    subject = {"table": "rows", "idColumn": "b"}
    tables = [{"name": "own", "query": "select a, $subject_label as label from rows where b = $subject_id"}]
    outputs = [{"format": "csv", "table": "own"}, {"format": "json"}]
    file = manifest(tables=tables, outputs=outputs, subject=subject | {"hint": "Y", "label": "Ypsilon"})
    done = execute("render", "-f", file, "-o", target, "--json")
    assert json.loads(done.stdout)["subject"] == {"id": "y", "label": "Ypsilon"}
    assert (target / "own.csv").read_text().splitlines() == ["a,label", "2,Ypsilon"]
    assert "subject: Ypsilon, id 'y'" in done.stderr.splitlines()
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    missed = execute("render", "-f", manifest(subject=subject | {"entityID": "z"}), "-o", target)
    assert missed.returncode == EXIT_USER_ERROR
    assert (
        "error: SubjectNotFound: spec.subject: entityID: column 'b' of table 'rows' does not have 'z'" in missed.stderr
    )
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_a_table_on_a_terminal(manifest: Callable[..., Path], target: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "report_operator", "render", "-f", str(manifest()), "-o", str(target)]
    environment = ENVIRONMENT | {"TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # Linux says EIO when the other side is closed.
            pass
        os.close(ours)
    assert process.returncode == EXIT_OK
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert "making the documents" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["File", "Size", "Rows"] in rows
    assert [f"{target}/rows.csv", "12", "bytes", "2"] in rows


def test_the_manifest_from_standard_input(manifest: Callable[..., Path], target: Path) -> None:
    done = execute("render", "-f", "-", "-o", target, stdin=manifest().read_text())
    assert done.returncode == EXIT_OK


def test_every_mistake_in_a_line_of_its_own(manifest: Callable[..., Path], target: Path) -> None:
    file = manifest(titel="x", outputs=[{"format": "docx"}])
    done = execute("render", "-f", file, "-o", target)
    assert (done.returncode, done.stdout) == (EXIT_USER_ERROR, "")
    assert done.stderr.splitlines() == [
        f"error: {file}: spec.outputs[0].format: 'docx' should be 'csv', 'html', 'json', 'ndjson', 'parquet', 'pdf',"
        " 'tsv' or 'xlsx'",
        f"error: {file}: spec.titel: unknown field: did you mean title?",
    ]
    assert not target.exists()


def test_a_file_that_is_not_there(target: Path, tmp_path: Path) -> None:
    done = execute("render", "-f", tmp_path / "missing.yaml", "-o", target)
    assert done.returncode == EXIT_USER_ERROR
    assert done.stderr == f"error: {tmp_path}/missing.yaml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("changes", "code", "part"),
    [
        ({"tables": [{"name": "t", "query": "SELECT nope FROM rows"}]}, EXIT_USER_ERROR, "QueryFailed: table 't': "),
        (
            {"sources": [{"name": "rows", "http": {"url": f"http://127.0.0.1:{free_ports(1)[0]}/"}}]},
            EXIT_OUTAGE,
            "SourceUnavailable: source 'rows': ",
        ),
        (
            {"sources": [{"name": "rows", "sql": {"urlFrom": SECRET_KEY, "query": "SELECT 1"}}]},
            EXIT_USER_ERROR,
            "without a cluster: --secret NAME/KEY=@FILE",
        ),
        (
            {"sources": [{"name": "rows", "configMap": {"name": "m", "key": "k"}}]},
            EXIT_USER_ERROR,
            "without a cluster: the ConfigMap in a further -f FILE",
        ),
        ({"sections": [{"blocks": [{"text": {"content": "{{ nope.nope }}"}}]}]}, EXIT_USER_ERROR, "TemplateFailed: "),
    ],
)
def test_a_failure_leaves_the_folder_as_it_was(
    manifest: Callable[..., Path], target: Path, changes: dict[str, object], code: int, part: str
) -> None:
    target.mkdir(parents=True)
    (target / "rows.csv").write_text("from yesterday")
    done = execute("render", "-f", manifest(**changes), "-o", target, "--json")
    assert done.returncode == code
    assert part in done.stderr
    failure = json.loads(done.stdout)["failure"]
    assert f"error: {failure['reason']}: {failure['message']}\n" in done.stderr
    assert {path.name: path.read_text() for path in target.iterdir()} == {"rows.csv": "from yesterday"}


def test_a_folder_that_cannot_be(manifest: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = execute("render", "-f", manifest(), "-o", tmp_path / "file" / "out")
    assert done.returncode == EXIT_INTERNAL_ERROR
    assert "Not a directory" in done.stderr


def test_a_secret_from_an_option_and_from_a_file(
    database: Postgres, manifest: Callable[..., Path], target: Path, tmp_path: Path
) -> None:
    file = manifest(sources=[{"name": "rows", "sql": {"urlFrom": SECRET_KEY, "query": "SELECT 7 AS a"}}])
    (tmp_path / "url").write_text(f"{database.url()}\n")
    for value in (database.url(), f"@{tmp_path / 'url'}"):
        done = execute("render", "-f", file, "-o", target, "--secret", f"db/url={value}")
        assert (done.returncode, (target / "rows.csv").read_text().split()) == (EXIT_OK, ["a", "7"])


def test_a_secret_and_a_config_map_from_manifests(
    database: Postgres, manifest: Callable[..., Path], target: Path, tmp_path: Path
) -> None:
    sources = [
        {"name": "rows", "sql": {"urlFrom": SECRET_KEY, "query": "SELECT 7 AS a"}},
        {"name": "more", "configMap": {"name": "files", "key": "more.csv"}},
    ]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"url": database.url()}}
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": {"more.csv": "a\n1\n"}}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump_all([secret, files]))
    done = execute("render", "-f", manifest(sources=sources), "-f", tmp_path / "more.yaml", "-o", target)
    assert done.returncode == EXIT_OK, done.stderr


def test_no_credentials_on_the_terminal(database: Postgres, manifest: Callable[..., Path], target: Path) -> None:
    query = "SELECT current_setting(:password)"
    sql = {"urlFrom": SECRET_KEY, "query": query, "params": {"password": PASSWORD}}
    file = manifest(sources=[{"name": "rows", "sql": sql}])
    done = execute("render", "-f", file, "-o", target, "--secret", f"db/url={database.url()}", "--json")
    assert done.returncode == EXIT_USER_ERROR
    assert "***" in done.stderr
    assert PASSWORD not in done.stderr + done.stdout


@pytest.mark.parametrize("secret", ["db=hidden-value", "hidden-value", "db/../x=hidden-value", "DB/url=hidden-value"])
def test_a_secret_that_is_not_understood_is_not_repeated(
    manifest: Callable[..., Path], target: Path, secret: str
) -> None:
    done = execute("render", "-f", manifest(), "-o", target, "--secret", secret)
    assert done.returncode == EXIT_USER_ERROR
    assert done.stderr == "error: --secret number 1: write name/key=VALUE or name/key=@FILE\n"


def test_version_and_help() -> None:
    assert re.match(r"report-operator, version \d+\.\d+", execute("--version").stdout)
    shown = execute("render", "--help").stdout
    for option in ("-f, --filename FILE", "-o, --output DIR", "--secret NAME/KEY=VALUE", "--json"):
        assert option in shown
