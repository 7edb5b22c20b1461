"""A namespace of the API server with somebody who plays kubelet and Job controller in it.

There is neither in these tests: they write the status of Jobs and pods through the API, so that a test decides when
what happens. The pods are made from the Job's own template, and admission holds them to the restricted Pod Security
Standard. tests/e2e has the real ones.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from report_operator.api.outputs import OutputFormat
from report_operator.api.run import RESULT_FILE, Links, Outcome, Result, StoredFile
from tests.support import objects
from tests.support.cluster import eventually

Json = dict[str, Any]
PATIENCE = 20.0
_OURS = "/apis/report-operator.io/v1alpha1"
_GROUPS = {"reports": _OURS, "scheduledreports": _OURS, "jobs": "/apis/batch/v1"}


@dataclass(frozen=True)
class Team:
    """The namespace, seen by its administrator."""

    api: httpx.Client
    namespace: str

    @classmethod
    def make(cls, api: httpx.Client, namespace: str) -> "Team":
        """Make a namespace that enforces the restricted Pod Security Standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        api.post("/api/v1/namespaces", json={"metadata": {"name": namespace, "labels": labels}}).raise_for_status()
        team = cls(api, namespace)
        team.post("serviceaccounts", {"metadata": {"name": "default"}})
        return team

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of a kind or object."""
        return f"{_GROUPS.get(kind, '/api/v1')}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def post(self, kind: str, manifest: Json) -> Json:
        """Create an object."""
        return _good(self.api.post(self.path(kind), json=manifest))

    def get(self, kind: str, name: str) -> Json:
        """Return an object."""
        return _good(self.api.get(self.path(kind, name)))

    def list(self, kind: str, selector: str = "") -> "Sequence[Json]":
        """Return objects."""
        found: list[Json] = _good(self.api.get(self.path(kind), params={"labelSelector": selector}))["items"]
        return found

    def patch(self, kind: str, name: str, change: Json) -> Json:
        """Change an object (JSON merge patch); a name may end in a subresource."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return _good(self.api.patch(self.path(kind, name), content=json.dumps(change), headers=headers))

    def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        _good(self.api.delete(self.path(kind, name), params={"propagationPolicy": "Background"}))

    def create(self, name: str, **spec: Any) -> Json:
        """Create a Report."""
        meta = {"apiVersion": "report-operator.io/v1alpha1", "kind": "Report", "metadata": {"name": name}}
        return self.post("reports", meta | {"spec": objects.SPEC | spec})

    def status(self, report: str) -> Json:
        """Return the status of a Report."""
        found: Json = self.get("reports", report).get("status", {})
        return found

    def wait(self, report: str, reason: str, generation: int | None = None) -> Json:
        """Return the status of a Report once it has this reason."""

        def look() -> Json | None:
            status = self.status(report)
            right = generation is None or status.get("observedGeneration") == generation
            return status if right and status.get("reason") == reason else None

        return eventually(look, PATIENCE, f"{report}: {reason}; it is {self.status(report).get('reason')}")

    def told(self, *reasons: str) -> "Sequence[Json]":
        """Return the Events of the namespace, by reason, once they are of these; they come after the status."""

        def look() -> "Sequence[Json] | None":
            found = sorted(self.list("events"), key=lambda event: str(event["reason"]))
            return found if [event["reason"] for event in found] == sorted(reasons) else None

        return eventually(look, PATIENCE, f"Events: {', '.join(reasons)}")

    def job_of(self, report: str) -> Json:
        """Return the Job that a Report's status names."""
        job_name = eventually(lambda: self.status(report).get("jobName"), PATIENCE, f"Job of {report}")
        return self.get("jobs", job_name)

    def start_pod(self, job: Json, suffix: str = "0") -> str:
        """Make a pod of a Job, as the Job controller does; return its name."""
        meta = job["metadata"]
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        template = job["spec"]["template"]
        metadata = {
            "name": f"{meta['name']}-{suffix}",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        }
        name: str = self.post("pods", {"metadata": metadata, "spec": template["spec"]})["metadata"]["name"]
        return name

    def show(self, pod: str, *states: Json, phase: str = "Running", **status: Any) -> None:
        """Write what the kubelet sees of a pod's containers, in the order of the stages."""
        named = [
            {
                "name": name,
                "state": state,
                "image": "example/report-operator:1",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
            }
            for name, state in zip(("fetch", "render", "publish"), states, strict=False)
        ]
        content = {
            "phase": phase,
            "initContainerStatuses": named[:2],
            "containerStatuses": named[2:],
            **status,
        }
        self.patch("pods", f"{pod}/status", {"status": content})

    def end_job(self, job: str, kind: str, reason: str = "", failed: int = 0) -> None:
        """Write how a Job ended, as the Job controller does."""
        now = objects.text(datetime.now(UTC))
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        conditions = [
            {"type": each, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now}
            for each in (first, kind)
        ]
        times = {"startTime": now} | ({"completionTime": now} if kind == "Complete" else {})
        counts = {"succeeded": 1} if kind == "Complete" else {"failed": failed}
        self.patch("jobs", f"{job}/status", {"status": {"conditions": conditions, **times, **counts}})

    def upload(self, job: Json, content: bytes = b"content", **fields: Any) -> Result:
        """Upload a file for each link in the run's Secret, as publish does; return the result."""
        secret = self.get("secrets", job["metadata"]["name"])["data"]
        links = Links.unpacked(base64.b64decode(secret["links.json.gz"])).uploads
        run_id = job["metadata"]["labels"]["report-operator.io/run-id"]
        digest = hashlib.sha256(content).hexdigest()
        files = [
            StoredFile(name=name, format=OutputFormat(name.rpartition(".")[2]), size=len(content), sha256=digest)
            for name in links
            if name != RESULT_FILE
        ]
        result = Result(run_id=run_id, files=files, **fields)
        for name, upload in links.items():
            body = result.model_dump_json(by_alias=True).encode() if name == RESULT_FILE else content
            httpx.put(upload.whole.url, content=body).raise_for_status()
        return result

    def finish(self, report: str) -> None:
        """Play a whole run that ends well."""
        job = self.job_of(report)
        pod = self.start_pod(job)
        message = Outcome(result=self.upload(job)).model_dump_json(by_alias=True, exclude_none=True)
        done = objects.ended()
        self.show(pod, done, done, objects.ended(0, message), phase="Succeeded")
        self.end_job(job["metadata"]["name"], "Complete")


def _good(answer: httpx.Response) -> Json:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
    found: Json = answer.json()
    return found
