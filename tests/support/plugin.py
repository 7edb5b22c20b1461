"""`kubectl report` as a person runs it: by kubectl, which finds the plugin on its PATH."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.apiserver import ROOT
from tests.support.cluster import program


@dataclass(frozen=True)
class Plugin:
    """The plugin, installed in a folder of its own."""

    folder: Path
    kubeconfig: Path

    @classmethod
    def install(cls, folder: Path, kubeconfig: Path) -> "Plugin":
        """Make the script that a package installer makes of the entry point."""
        script = folder / "kubectl-report"
        script.write_text(f"#!{sys.executable}\nfrom report_operator.kubectl.command import main\n\nmain()\n")
        script.chmod(0o755)
        return cls(folder, kubeconfig)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that kubectl and the plugin see."""
        path = os.pathsep.join([str(self.folder), str(Path(program("kubectl")).parent), os.environ["PATH"]])
        own = {"PATH": path, "PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": str(self.kubeconfig)}
        return os.environ | own | {"COLUMNS": "160"}

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start a command, with its output in pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    @staticmethod
    def command(*arguments: object) -> list[str]:
        """Return the command line."""
        return [program("kubectl"), "report", *map(str, arguments)]
