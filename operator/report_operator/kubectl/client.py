"""Calls of kubectl: objects as the JSON of the API, its errors with a way out."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report_operator.api.metadata import GROUP
from report_operator.kubectl.errors import KubectlError, PluginError

Json = dict[str, Any]

REPORT = "Report"
SCHEDULED_REPORT = "ScheduledReport"
_RESOURCES = {REPORT: f"reports.{GROUP}", SCHEDULED_REPORT: f"scheduledreports.{GROUP}"}

_REASON = re.compile(r"^Error from server \((?P<reason>\w+)\): (?P<text>.*)", re.DOTALL)
_LOG_LINE = re.compile(r"^[EWI]\d{4} .*\n?", re.MULTILINE)
"""klog's lines, which repeat what is said in plain words after them."""
_NO_CLUSTER = ("Unable to connect to the server", "The connection to the server", "Client.Timeout", "dial tcp")
_MISCONFIGURED = "Error in configuration:"
_MANAGER = "kubectl-report"
UNREACHABLE = "Unreachable"
"""Reason of an error that is no answer of the API server."""
_NAMED = 10
"""Most objects that an error names."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the flags that choose cluster and namespace; None leaves the choice to the kubeconfig."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    @property
    def flags(self) -> list[str]:
        """Return the flags, for a command line that a person can repeat."""
        given = {"kubeconfig": self.kubeconfig, "context": self.context, "namespace": self.namespace}
        return [f"--{name}={value}" for name, value in given.items() if value is not None]

    def get(self, kind: str, name: str) -> Json:
        """Return an object; raises KubectlError, which names those that there are when there is no such object."""
        try:
            return self._json("get", _RESOURCES[kind], name, "--output=json")
        except KubectlError as error:
            if error.reason != "NotFound":
                raise
            raise KubectlError(self._missing(kind, name), "NotFound") from error

    def get_all(self, kind: str, names: Sequence[str]) -> "dict[str, Json]":
        """Return those of the objects that there are, by name."""
        text = self._run("get", _RESOURCES[kind], *names, "--ignore-not-found", "--output=json")
        answer: Json = json.loads(text or "{}")
        found = answer.get("items", [answer] if answer else [])
        return {each["metadata"]["name"]: each for each in found}

    def list(self, kind: str, labels: Mapping[str, str]) -> Sequence[Json]:
        """Return the objects with these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        items: Sequence[Json] = self._json("get", _RESOURCES[kind], f"--selector={selector}", "--output=json")["items"]
        return items

    def patch(self, manifest: Json, change: Json) -> Json:
        """Apply a JSON merge patch to an object as it was read, and return the object changed.

        Raises KubectlError, with reason Conflict when the object has changed since.
        """
        metadata = manifest["metadata"]
        read = {"resourceVersion": metadata["resourceVersion"]}
        body = json.dumps(change | {"metadata": change.get("metadata", {}) | read})
        target = (_RESOURCES[manifest["kind"]], metadata["name"])
        how = ("--type=merge", f"--field-manager={_MANAGER}", "--output=json")
        return self._json("patch", *target, f"--patch={body}", *how)

    def _json(self, *arguments: str) -> Json:
        found: Json = json.loads(self._run(*arguments))
        return found

    def _run(self, *arguments: str) -> str:
        """Return what kubectl prints. It reads nothing: without credentials it would ask for a name and wait."""
        program = shutil.which("kubectl")
        if program is None:
            raise PluginError("kubectl is not on the PATH: install it (https://kubernetes.io/docs/tasks/tools/)")
        command = [program, *arguments, *self.flags]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise _error(done.stderr)
        return done.stdout

    def _missing(self, kind: str, name: str) -> str:
        """Return the message about an object that is not there, with the names of those that are."""
        place = self.namespace or self._own_namespace()
        there = sorted(each["metadata"]["name"] for each in self.list(kind, {}))
        if not there:
            return f"there is no {kind} {name} in namespace {place}, nor any other: is --namespace right?"
        shown = ", ".join(there[:_NAMED])
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        return f"there is no {kind} {name} in namespace {place}; there are: {shown}{more}"

    def _own_namespace(self) -> str:
        """Return the namespace of the kubeconfig's context."""
        return self._run("config", "view", "--minify", "--output=jsonpath={..namespace}") or "default"


def _error(said: str) -> KubectlError:
    """Return what kubectl's words mean."""
    text = _LOG_LINE.sub("", said).strip() or said.strip()
    found = _REASON.match(text)
    if found and found["reason"] == "Forbidden":
        return KubectlError(f"not allowed: {found['text']}; ask who runs the cluster for that right", "Forbidden")
    if found:
        return KubectlError(found["text"], found["reason"])
    if "the server doesn't have a resource type" in text:
        return KubectlError(
            "this cluster does not know Reports: install the chart of report-operator, or try --context"
        )
    if any(part in text for part in _NO_CLUSTER):
        text = f"the cluster cannot be reached: {text}; try --context, or `kubectl cluster-info`"
        return KubectlError(text, UNREACHABLE)
    if text.startswith(_MISCONFIGURED):
        found_out = text.removeprefix(_MISCONFIGURED).strip()
        return KubectlError(f"{found_out}; `kubectl config get-contexts` lists what there is")
    return KubectlError(text.removeprefix("error: "))
