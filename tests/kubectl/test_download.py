"""Files come whole and right, or not at all. The store is an HTTP server that fails as no real one does on demand."""

import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from report_operator.kubectl.download import chosen, download, have_ended
from report_operator.kubectl.errors import PluginError
from report_operator.kubectl.report import Artifact, Report
from tests.support.apiserver import ROOT
from tests.support.http_server import Answer, Asked, HttpServer
from tests.support.ports import free_ports

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
CONTENT = b"content"


def wire(name: str = "report.pdf", **changes: Any) -> dict[str, Any]:
    fields = {
        "name": name,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "uri": f"s3://reports/{name}",
        "downloadURL": f"https://store.example/{name}",
        "urlExpiresAt": "2026-05-05T07:00:00Z",
    }
    return {field: value for field, value in (fields | changes).items() if value is not None}


def artifact(server: HttpServer, name: str = "report.pdf", **changes: Any) -> Artifact:
    return Artifact.from_wire(wire(name, downloadURL=f"{server.url}/{name}?signature=secret", **changes))


def ignore(_: int) -> None:
    pass


class TestChoice:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"downloadURL": None}, "report.pdf has no link; it is at s3://reports/report.pdf"),
            (
                {"urlExpiresAt": "2026-05-04T07:00:00Z"},
                "the link of report.pdf ended at 2026-05-04 07:00 UTC, by the clock",
            ),
            ({"name": "../report.pdf"}, "'../report.pdf' is no file name"),
            ({"name": ".."}, "'..' is no file name"),
            ({"name": "a/b"}, "'a/b' is no file name"),
        ],
    )
    def test_of_what_cannot_be_had(self, report: Callable[..., Report], changes: dict[str, Any], says: str) -> None:
        with pytest.raises(PluginError) as caught:
            chosen(report(phase="Succeeded", artifacts=[wire(**changes)]), [], NOW)
        assert says in str(caught.value)

    def test_is_all_or_those_named_once(self, report: Callable[..., Report]) -> None:
        made = report(phase="Succeeded", artifacts=[wire(), wire("a.csv"), wire("b.csv", urlExpiresAt=None)])
        assert [each.name for each in chosen(made, [], NOW)] == ["report.pdf", "a.csv", "b.csv"]
        assert [each.name for each in chosen(made, ["b.csv", "a.csv", "b.csv"], NOW)] == ["b.csv", "a.csv"]

    def test_of_files_whose_links_have_ended(self, report: Callable[..., Report]) -> None:
        made = report(phase="Succeeded", artifacts=[wire(), wire("a.csv", urlExpiresAt="2026-05-04T06:59:00Z")])
        assert have_ended(made, [], NOW)
        assert have_ended(made, ["a.csv"], NOW)
        assert not have_ended(made, ["report.pdf"], NOW)

    def test_of_a_report_that_nobody_has_seen(self, report: Callable[..., Report]) -> None:
        with pytest.raises(PluginError, match="weekly has no files: it is not seen by the operator yet"):
            chosen(report(), [], NOW)


class TestDownload:
    def test_replaces_what_was_there(self, server: HttpServer, tmp_path: Path) -> None:
        server.answer(CONTENT)
        (tmp_path / "report.pdf").write_text("from yesterday")
        counts: list[int] = []
        assert download([artifact(server)], tmp_path, counts.append) == [tmp_path / "report.pdf"]
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [CONTENT]
        assert sum(counts) == len(CONTENT)

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (Answer(b"contents"), "not what the run has made (8 bytes of 7)"),
            (Answer(b"CONTENT"), "not what the run has made (7 bytes of 7, or changed on the way)"),
            (Answer(CONTENT, length=8), "cannot be reached from here (peer closed connection"),
            (Answer(b"<Error/>", status=403), "report.pdf: the store answers 403 Forbidden"),
            (Answer(status=302, headers={"Location": "http://elsewhere.example/"}), "the store answers 302 Found"),
        ],
    )
    def test_leaves_nothing_when_one_file_is_wrong(
        self, server: HttpServer, tmp_path: Path, answer: Answer, says: str
    ) -> None:
        def respond(asked: Asked) -> Answer:
            return Answer(CONTENT) if "good" in asked.path else answer

        server.respond = respond
        (tmp_path / "good.csv").write_text("from yesterday")
        with pytest.raises(PluginError) as caught:
            download([artifact(server, "good.csv"), artifact(server)], tmp_path, ignore)
        assert says in str(caught.value)
        assert "signature" not in str(caught.value)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"good.csv": "from yesterday"}

    def test_makes_no_folder_for_nothing(self, tmp_path: Path) -> None:
        nobody = Artifact.from_wire(wire(downloadURL=f"http://127.0.0.1:{free_ports(1)[0]}/report.pdf"))
        with pytest.raises(PluginError, match=r"the store at http://127\.0\.0\.1:\d+ cannot be reached from here"):
            download([nobody], tmp_path / "out", ignore)
        assert list(tmp_path.iterdir()) == []

    def test_into_a_folder_that_cannot_be(self, server: HttpServer, tmp_path: Path) -> None:
        server.answer(CONTENT)
        (tmp_path / "file").write_text("")
        with pytest.raises(PluginError, match="Not a directory"):
            download([artifact(server)], tmp_path / "file" / "out", ignore)

    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
    def test_leaves_nothing_when_it_is_stopped(self, server: HttpServer, tmp_path: Path, by: signal.Signals) -> None:
        asked, answered = threading.Event(), threading.Event()

        def respond(_: Asked) -> Answer:
            asked.set()
            answered.wait()
            return Answer(CONTENT)

        server.respond = respond
        program = (
            # A shell starts what it runs in the background with SIGINT ignored, and the tests may run there.
            "import signal, sys\nfrom pathlib import Path\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from report_operator.kubectl import command, download, report\n"
            "@command.report.command()\n@command.click.argument('folder')\n"
            f"def fetch(folder): download.download([report.Artifact.from_wire({wire()!r} | "
            f"{{'downloadURL': {server.url + '/x'!r}}})], Path(folder), lambda _: None)\n"
            "command.main()\n"
        )
        command = [sys.executable, "-c", program, "fetch", str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT / "operator", stderr=subprocess.DEVNULL) as process:
            assert asked.wait(60)
            assert [path.name[:16] for path in tmp_path.iterdir()] == [".kubectl-report-"]
            process.send_signal(by)
            assert process.wait(60) in (1, 128 + by)
        answered.set()
        assert list(tmp_path.iterdir()) == []
