"""A cluster and a store in memory, for histories that no real one can be made to play.

They are fakes: the real API server cannot be stopped between any two requests of one operator, and a real Job takes
seconds. What they do was taken from Kubernetes' documentation; tests/server and tests/e2e hold the real ones to it.
Every call first yields, so that a test decides what happens between any two calls.
"""

import copy
import itertools
import types
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from report_operator.api.deliveries import Deliveries, Delivery, DeliveryState, Entry
from report_operator.api.metadata import REDELIVER_ANNOTATION, REDELIVERY_LABEL, RUN_ID_LABEL
from report_operator.api.outputs import OutputFormat
from report_operator.api.redelivery import MESSAGES_FILE
from report_operator.api.run import (
    LEDGER_FILE,
    RESULT_FILE,
    EntryLinks,
    Outcome,
    Result,
    SignedRequest,
    StoredFile,
    Upload,
)
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from report_operator.control.admission import Admission
from report_operator.plan.run_queue import Limits
from report_operator.plan.subject import Subject
from report_operator.plan.uploads import Split
from report_operator.store.errors import StoreError
from report_operator.store.store import Link, SignedUploads, Store
from tests.support import objects

Json = dict[str, Any]
_LEDGER = StoredFile(name=LEDGER_FILE, format=OutputFormat.JSON, size=10, sha256=objects.SHA)


@types.coroutine
def turn() -> Generator[None, None, None]:
    """Let the test decide what happens next."""
    yield


@dataclass
class World:
    """What is true, whoever looks."""

    report: Json
    now: datetime = objects.NOW
    jobs: dict[str, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    stored: dict[str, int] = field(default_factory=dict)
    store_up: bool = True
    made: list[str] = field(default_factory=list)
    """Run ids of all Jobs that were ever made."""
    redelivered: list[str] = field(default_factory=list)
    """Names of all Jobs that were ever made to send again."""
    events: list[Json] = field(default_factory=list)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def edit(self) -> None:
        """Change the spec, as a user."""
        self.report["metadata"]["generation"] += 1
        self.touch()

    def cancel(self, cancel: bool) -> None:
        """Set `spec.cancel`, as a user; what has not changed is no edit."""
        if self.report["spec"].get("cancel", False) is not cancel:
            self.report["spec"] = self.report["spec"] | {"cancel": cancel}
            self.edit()

    def ask_again(self, token: str) -> None:
        """Ask for a redelivery, as a user."""
        self.report["metadata"].setdefault("annotations", {})[REDELIVER_ANNOTATION] = token
        self.touch()

    def touch(self) -> None:
        """Give the Report a new resourceVersion."""
        self.report["metadata"]["resourceVersion"] = str(next(self._count) + 100)

    def unfinished(self) -> list[str]:
        """Return the run ids of Jobs that can have a pod."""
        return [
            job["metadata"]["labels"][RUN_ID_LABEL] for job in self.jobs.values() if not job["status"]["conditions"]
        ]

    def advance(self, name: str, outcome: str) -> None:
        """Let kubelet and Job controller bring a Job to its end, or delete it when it is being deleted."""
        job = self.jobs[name]
        if "deletionTimestamp" in job["metadata"]:
            del self.jobs[name]
            self.pods.pop(name, None)
        elif job["status"]["conditions"]:
            if "ttlSecondsAfterFinished" in job["spec"]:
                del self.jobs[name]
                self.pods.pop(name, None)
        elif name not in self.pods:
            self.pods[name] = self._pod(job, objects.running(), objects.waiting(), objects.waiting())
        elif outcome == "good":
            self._upload(job)
            done = objects.ended(0, self._outcome(job))
            self.pods[name] = self._pod(job, objects.ended(), objects.ended(), done)
            job["status"]["conditions"] = [objects.condition("Complete")]
        else:
            self._upload(job, half=True)
            self.pods[name] = self._pod(job, objects.ended(64), phase="Failed")
            job["status"]["conditions"] = [objects.condition("Failed", "PodFailurePolicy")]

    def delete_job(self, name: str) -> None:
        """Delete a Job, as a user."""
        del self.jobs[name]
        self.pods.pop(name, None)

    def _subject(self, job: Json) -> Subject:
        generation = int(job["metadata"]["labels"][RUN_ID_LABEL].rpartition("-")[2])
        return Subject.from_manifest(objects.report(generation, self.report["spec"]))

    def _upload(self, job: Json, *, half: bool = False) -> None:
        subject = self._subject(job)
        if subject.spec is not None and subject.spec.destinations and not half:
            self.stored |= {subject.prefix + name: _LEDGER.size for name in (LEDGER_FILE, MESSAGES_FILE, RESULT_FILE)}
        for file in objects.result(subject).files[: 1 if half else None]:
            self.stored[subject.prefix + file.name] = file.size

    def _outcome(self, job: Json) -> str:
        """Return what the last stage says: a run has delivered nothing, a redelivery everything."""
        subject = self._subject(job)
        state = DeliveryState.SENT if REDELIVERY_LABEL in job["metadata"]["labels"] else DeliveryState.FAILED
        names = [destination.name for destination in subject.spec.destinations] if subject.spec is not None else []
        sent = [Delivery(name=name, state=state, last_error="gone", **{state.lower(): 1}) for name in names]
        of = objects.result(subject, **({"deliveries": sent, "ledger": _LEDGER} if sent else {}))
        return Outcome(result=of).model_dump_json(by_alias=True, exclude_none=True)

    def _pod(self, job: Json, *states: Json, phase: str = "Running") -> Json:
        metadata = {
            "name": f"{job['metadata']['name']}-x",
            "uid": f"pod-of-{job['metadata']['uid']}",
            "labels": job["metadata"]["labels"],
            "namespace": job["metadata"]["namespace"],
            "creationTimestamp": objects.text(self.now),
            "ownerReferences": [{"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}],
        }
        again = REDELIVERY_LABEL in job["metadata"]["labels"]
        stages = (*(("", "") if again else ("fetch", "render")), "redeliver" if again else "publish")
        named = [{"name": name, "state": state} for name, state in zip(stages, states, strict=False)]
        status = {"phase": phase, "initContainerStatuses": named[:2], "containerStatuses": named[2:]}
        return {"metadata": metadata, "status": status}


class SimulatedCluster:
    """The calls of report_operator.cluster.client.Cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def report(self, _namespace: str, _name: str) -> Json:
        await turn()
        return copy.deepcopy(self._world.report)

    async def reports(self) -> AsyncIterator[Json]:
        await turn()
        yield copy.deepcopy(self._world.report)

    async def write_status(self, manifest: Json, status: Json) -> Json:
        await turn()
        report = self._world.report
        if manifest["metadata"]["resourceVersion"] != report["metadata"]["resourceVersion"]:
            raise ConflictError("the Report has changed")
        report["status"] = copy.deepcopy(status)
        self._world.touch()
        return copy.deepcopy(report)

    async def jobs(self, _namespace: str, _selector: str) -> list[Json]:
        await turn()
        return copy.deepcopy(list(self._world.jobs.values()))

    async def all_jobs(self) -> AsyncIterator[Json]:
        await turn()
        for manifest in copy.deepcopy(list(self._world.jobs.values())):
            yield manifest

    async def job(self, _namespace: str, name: str) -> Json:
        await turn()
        if name not in self._world.jobs:
            raise NotFoundError(name)
        return copy.deepcopy(self._world.jobs[name])

    async def create_job(self, manifest: Json) -> Json:
        await turn()
        name = manifest["metadata"]["name"]
        if name in self._world.jobs:
            raise AlreadyExistsError(name)
        metadata = manifest["metadata"] | {
            "uid": f"job-of-{name}-{len(self._world.made)}",
            "creationTimestamp": objects.text(self._world.now),
        }
        if REDELIVERY_LABEL in metadata["labels"]:
            self._world.redelivered.append(name)
        else:
            self._world.made.append(metadata["labels"][RUN_ID_LABEL])
        self._world.jobs[name] = {"metadata": metadata, "spec": dict(manifest["spec"]), "status": {"conditions": []}}
        return copy.deepcopy(self._world.jobs[name])

    async def delete_job(self, _namespace: str, name: str) -> None:
        await turn()
        if name in self._world.jobs:
            self._world.jobs[name]["metadata"]["deletionTimestamp"] = objects.text(self._world.now)

    async def expire_job(self, _namespace: str, name: str, seconds: int) -> None:
        await turn()
        if name in self._world.jobs:
            self._world.jobs[name]["spec"]["ttlSecondsAfterFinished"] = seconds

    async def pods(self, _namespace: str, selector: str) -> list[Json]:
        await turn()
        run_id = selector.partition("=")[2]
        return [
            copy.deepcopy(pod) for pod in self._world.pods.values() if pod["metadata"]["labels"][RUN_ID_LABEL] == run_id
        ]

    async def events_about(self, _namespace: str, _uid: str) -> list[Json]:
        await turn()
        return []

    async def create_event(self, manifest: Json) -> None:
        await turn()
        self._world.events.append(manifest)

    async def create_secret(self, manifest: Json) -> None:
        await turn()
        if manifest["metadata"]["name"] in self._world.secrets:
            raise AlreadyExistsError(manifest["metadata"]["name"])
        self._world.secrets.add(manifest["metadata"]["name"])

    async def delete_secret(self, _namespace: str, name: str) -> None:
        await turn()
        self._world.secrets.discard(name)


class SimulatedStore:
    """The calls of report_operator.store.store.Store."""

    def __init__(self, world: World) -> None:
        self._world = world

    def uri(self, key: str) -> str:
        return f"s3://reports/{key}"

    async def ensure_bucket(self) -> None:
        await self._reach()

    async def sign_uploads(
        self, files: Mapping[str, Split | None], ttl: timedelta, *, again: bool = False
    ) -> SignedUploads:
        uploads = {key: Upload(whole=SignedRequest(url=f"https://store/{key}")) for key in files}
        return SignedUploads(uploads, self._world.now + ttl)

    async def sign_download(self, key: str, _kind: str, _name: str, _type: str, ttl: timedelta) -> Link:
        return Link(f"https://store/{key}", self._world.now + ttl)

    async def sign_reads(self, keys: Iterable[str], _ttl: timedelta) -> dict[str, str]:
        return {key: f"https://store/{key}" for key in keys}

    async def sign_ledger(self, folder: str, ids: Iterable[str], _ttl: timedelta) -> dict[str, EntryLinks]:
        request = SignedRequest(url=f"https://store/{folder}")
        links = {"claimed": request.url, "release": request.url, "recorded": request.url}
        return {id_: EntryLinks(claim=request, record=request, **links) for id_ in ids}

    async def sizes(self, folder: str) -> dict[str, int]:
        await self._reach()
        return {key: size for key, size in self._world.stored.items() if key.startswith(folder)}

    async def get(self, key: str, _limit: int) -> bytes | None:
        await self._reach()
        if key not in self._world.stored:
            return None
        if key.endswith(LEDGER_FILE):
            entry = Entry(destination="hook", state=DeliveryState.FAILED)
            return Deliveries(run_id="", entries=[entry]).model_dump_json(by_alias=True).encode()
        folder = key.removesuffix(RESULT_FILE)
        if folder + LEDGER_FILE not in self._world.stored:
            return Result(run_id="", files=list[StoredFile]()).model_dump_json().encode()
        failed = Delivery(name="hook", state=DeliveryState.FAILED, failed=1, last_error="gone")
        run_id = folder.split("/")[-2]
        of = Result(run_id=run_id, files=list[StoredFile](), deliveries=[failed], ledger=_LEDGER)
        return of.model_dump_json(by_alias=True, exclude_none=True).encode()

    async def put(self, key: str, content: bytes) -> None:
        await self._reach()
        self._world.stored[key] = len(content)

    async def delete(self, folder: str) -> None:
        await self._reach()
        for key in [key for key in self._world.stored if key.startswith(folder)]:
            del self._world.stored[key]

    async def abandon_uploads(self, _folder: str) -> None:
        await self._reach()

    async def _reach(self) -> None:
        await turn()
        if not self._world.store_up:
            raise StoreError("The store is down.")


def as_cluster(world: World) -> Cluster:
    """Return the simulated cluster as the real one's type."""
    return cast("Cluster", SimulatedCluster(world))


def as_store(world: World) -> Store:
    """Return the simulated store as the real one's type."""
    return cast("Store", SimulatedStore(world))


def admission(world: World, limits: Limits) -> Admission:
    """Return an admission that has listed the Jobs. It wakes nobody: the tests look anyway."""
    made = Admission(limits, wake=lambda _: None)
    list_jobs(world, made)
    return made


def list_jobs(world: World, of: Admission) -> None:
    """Have an admission list the Jobs."""
    listing = of.list(SimulatedCluster(world).all_jobs())
    while not step(listing):
        pass


def step(work: Coroutine[Any, Any, Any]) -> bool:
    """Run until the next call; return whether that was the end."""
    try:
        work.send(None)
    except StopIteration:
        return True
    return False
