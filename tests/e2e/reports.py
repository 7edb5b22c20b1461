"""Reports of the end-to-end tests: making them, waiting for them, getting their files."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pypdf

from tests.support.chart import Object
from tests.support.cluster import Cluster, condition, eventually

TEAM = "team-a"
PATIENCE = 240
"""Seconds; runs of many tests share the machine."""

ROWS = {"name": "sales", "inline": {"rows": [{"fruit": "Apples", "crates": 12}, {"fruit": "Pears", "crates": 7}]}}
PDF = {"format": "pdf"}
JSON = {"format": "json"}
"""Quicker than a PDF, for tests that do not look at the document."""


@dataclass(frozen=True)
class Team:
    """A namespace whose people make Reports."""

    cluster: Cluster
    database_url: str
    """With the password."""
    namespace: str = TEAM

    def elsewhere(self, namespace: str) -> "Team":
        """Return the same in another namespace; here when it is empty."""
        return replace(self, namespace=namespace or self.namespace)

    def create(self, name: str, spec: Mapping[str, Any]) -> None:
        """Create or change a Report."""
        self.cluster.apply([report(name, spec)], self.namespace)

    def get(self, name: str) -> Object:
        """Return a Report."""
        found = self.cluster.get("report", name, self.namespace)
        assert found is not None, f"Report {name} is gone"
        return found

    def wait(self, name: str) -> Object:
        """Return a Report when nothing goes on any more: it is Ready, or somebody has to act."""
        return eventually(lambda: self._settled(name), PATIENCE, f"Report {name} is settled")

    def wait_for(self, name: str, reason: str) -> Object:
        """Return a Report when its status says so; it must not end with another reason."""
        return eventually(lambda: self._with(name, reason), PATIENCE, f"Report {name} has the reason {reason}")

    def delete(self, name: str) -> None:
        """Delete a Report and wait until it is gone."""
        self.cluster.kubectl("delete", "report", name, f"--namespace={self.namespace}", "--ignore-not-found")

    def owned(self, kind: str, name: str) -> list[Object]:
        """Return the Jobs, pods or Secrets of a Report's runs."""
        return self.cluster.list(kind, self.namespace, f"report-operator.io/report={name}")

    def events(self, name: str) -> list[Object]:
        """Return the Events about a Report."""
        text = f"--field-selector=involvedObject.kind=Report,involvedObject.name={name}"
        found = self.cluster.kubectl("get", "events", f"--namespace={self.namespace}", text, "--output=json")
        items: list[Object] = json.loads(found)["items"]
        return items

    def event(self, name: str, reason: str) -> Object | None:
        """Return the one Event of this reason about a Report; None while there is none."""
        found = [event for event in self.events(name) if event["reason"] == reason]
        assert len(found) <= 1, "an Event tells of a transition, once"
        return found[0] if found else None

    def _settled(self, name: str) -> Object | None:
        found = self.get(name)
        if found["status"]["observedGeneration"] != found["metadata"]["generation"]:
            return None
        return found if "True" in (condition(found, "Ready"), condition(found, "Stalled")) else None

    def _with(self, name: str, reason: str) -> Object | None:
        found = self.get(name)
        status = found["status"]
        if status["observedGeneration"] != found["metadata"]["generation"]:
            return None
        ended = status.get("phase") in ("Succeeded", "Failed")
        assert not ended or status["reason"] == reason, f"{name} ended with {status['reason']}: {status['message']}"
        return found if status.get("reason") == reason else None


def report(name: str, spec: Mapping[str, Any]) -> Object:
    """Return the manifest of a Report."""
    return {
        "apiVersion": "report-operator.io/v1alpha1",
        "kind": "Report",
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def artifact(found: Object, name: str) -> Object:
    """Return the artifact of this file name."""
    [each] = [each for each in found["status"]["artifacts"] if each["name"] == name]
    return dict(each)


def download(found: Object, name: str) -> bytes:
    """Return a file's content, by its signed link."""
    answer = httpx.get(artifact(found, name)["downloadURL"])
    answer.raise_for_status()
    return answer.content


def pdf_text(content: bytes) -> str:
    """Return the text of a PDF, with single blanks."""
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def outcome(found: Object) -> tuple[str, str]:
    """Return phase and reason; the message is shown when a test compares them in vain."""
    status = found["status"]
    print(f"{found['metadata']['name']}: {status.get('phase')} {status.get('reason')}: {status.get('message')}")
    return status["phase"], status["reason"]
