"""Reports, Jobs, pods and Events as an API server writes them, for tests of decisions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from report_operator.api.conditions import Reason, Stage
from report_operator.api.policy import Policy
from report_operator.api.run import Failure, Outcome, Request, Result, StoredFile
from report_operator.plan import child, secret
from report_operator.plan import facts as plan_facts
from report_operator.plan.facts import Facts
from report_operator.plan.links import SignedLinks
from report_operator.plan.objects import Event, Job, Pod
from report_operator.plan.subject import Subject

Json = dict[str, Any]

NOW = datetime(2026, 5, 4, 6, 0, 30, tzinfo=UTC)
UID = "0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10"
SPEC: Json = {
    "sources": [{"name": "sales", "inline": {"rows": [{"a": 1}]}}],
    "outputs": [{"format": "pdf"}, {"format": "csv", "table": "sales"}],
}
SHA = "c" * 64


def text(time: datetime) -> str:
    """Return a time as the API writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def report(
    generation: int = 1, spec: Mapping[str, Any] = SPEC, status: Mapping[str, Any] | None = None, **metadata: Any
) -> Json:
    """Return a Report."""
    base = {
        "name": "weekly",
        "namespace": "team-a",
        "uid": UID,
        "generation": generation,
        "resourceVersion": "7",
        "creationTimestamp": text(NOW - timedelta(minutes=1)),
    }
    manifest = {"apiVersion": "report-operator.io/v1alpha1", "kind": "Report", "metadata": base | metadata}
    return manifest | {"spec": dict(spec)} | ({"status": dict(status)} if status is not None else {})


def ordered(subject: Subject, at: datetime = NOW) -> Request:
    """Return what the run of a Report has to do that is ordered then."""
    assert subject.spec is not None, subject.problem
    return secret.request(subject, subject.spec, Policy(), at)


def condition(kind: str, reason: str = "", message: str = "") -> Json:
    """Return a condition that holds."""
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def job(
    subject: Subject,
    *conditions: Json,
    failed: int = 0,
    ttl: int | None = None,
    age: timedelta = timedelta(seconds=20),
    deleted: bool = False,
) -> Job:
    """Return the Job of the subject's generation."""
    metadata = child.metadata(subject) | {
        "uid": f"job-of-{subject.run_id}",
        "creationTimestamp": text(NOW - age),
        **({"deletionTimestamp": text(NOW)} if deleted else {}),
    }
    spec = {"activeDeadlineSeconds": 1800} | ({"ttlSecondsAfterFinished": ttl} if ttl is not None else {})
    status = {"failed": failed, "startTime": text(NOW - age), "conditions": list(conditions)}
    return Job.model_validate({"metadata": metadata, "spec": spec, "status": status})


def running() -> Json:
    """Return the state of a container that runs."""
    return {"running": {"startedAt": text(NOW)}}


def waiting(reason: str = "PodInitializing", message: str = "") -> Json:
    """Return the state of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int = 0, message: str = "", reason: str = "") -> Json:
    """Return the state of a container that has ended."""
    said = reason or ("Completed" if code == 0 else "Error")
    return {"terminated": {"exitCode": code, "reason": said, "message": message}}


def pod(
    owner: Job,
    *states: Json,
    phase: str = "Running",
    age: timedelta = timedelta(seconds=10),
    name: str = "weekly-0",
    limits: Mapping[str, str] | None = None,
    volumes: Sequence[Json] = (),
    conditions: Sequence[Json] = (),
    **status: Any,
) -> Pod:
    """Return a pod of a Job; `states` are of fetch, render and publish, as far as the kubelet has reported them."""
    containers = [{"name": stage.value, "resources": {"limits": dict(limits or {})}} for stage in Stage]
    reported = [
        {"name": stage.value, "image": "example/report-operator:1", "state": state}
        for stage, state in zip(Stage, states, strict=False)
    ]
    return Pod.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": owner.metadata.namespace,
                "uid": f"uid-of-{name}",
                "labels": owner.metadata.labels,
                "creationTimestamp": text(NOW - age),
                "ownerReferences": [{"kind": "Job", "name": owner.metadata.name, "uid": owner.metadata.uid}],
            },
            "spec": {"initContainers": containers[:2], "containers": containers[2:], "volumes": list(volumes)},
            "status": {
                "phase": phase,
                "conditions": list(conditions),
                "initContainerStatuses": reported[:2],
                "containerStatuses": reported[2:],
                **status,
            },
        }
    )


def event(reason: str, message: str, age: timedelta = timedelta()) -> Event:
    """Return an Event about a pod or Job."""
    when = text(NOW - age)
    metadata = {"name": f"{reason}-{when}", "creationTimestamp": when}
    return Event.model_validate({"metadata": metadata, "reason": reason, "message": message, "lastTimestamp": when})


def failure_message(reason: Reason, message: str, stage: Stage) -> str:
    """Return the termination message of a stage that fails."""
    return Outcome(failure=Failure(reason=reason, message=message, stage=stage)).model_dump_json(by_alias=True)


def result(subject: Subject, **fields: Any) -> Result:
    """Return what a run that made everything says."""
    files = [
        StoredFile(name=output.file_name, format=output.format, size=100, sha256=SHA)
        for output in (subject.spec.outputs if subject.spec else [])
    ]
    return Result(**({"run_id": subject.run_id, "files": files} | fields))


def stored(of: Result | None, problem: str = "", sizes: Mapping[str, int] = MappingProxyType({})) -> plan_facts.Stored:
    """Return what the store holds: every file of the result, unless `sizes` says otherwise (0: not there)."""
    names = {file.name: file.size for file in of.files} if of else {}
    there = {name: size for name, size in (names | dict(sizes)).items() if size}
    files = {name: stored_file(name, size) for name, size in there.items()}
    return plan_facts.Stored(of, problem, files)


def stored_file(name: str, size: int = 100) -> plan_facts.StoredFile:
    """Return a file in the store."""
    return plan_facts.StoredFile(
        size=size,
        uri=f"s3://reports/{name}",
        links=SignedLinks(
            download_url=f"https://store.example/{name}?download",
            view_url=f"https://store.example/{name}?view",
            expire_at=NOW + timedelta(hours=24),
        ),
    )


def facts(manifest: Json, now: datetime = NOW, **fields: Any) -> Facts:
    """Return facts about a Report."""
    return Facts(now=now, subject=Subject.from_manifest(manifest), **fields)


def document(size: int) -> Json:
    """Return a JSON document of so many bytes."""
    empty = len(b'{"x":""}')
    return {"x": "y" * (size - empty)}
