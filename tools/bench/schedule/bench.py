"""What the measurements have in common: an API server, a store, namespaces, and the operator to start on them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.server.process import Operator, operator, service_account
from tests.support import seaweedfs
from tests.support.seaweedfs import SeaweedFS
from tools.bench.page import say
from tools.bench.schedule.client import Client, each, until
from tools.bench.schedule.control_plane import control_plane
from tools.bench.schedule.objects import FinishedReports, Json

_OURS = "/apis/report-operator.io/v1alpha1/namespaces/bench"
_BATCH = "/apis/batch/v1/namespaces"
SCHEDULES = f"{_OURS}/scheduledreports"
REPORTS = f"{_OURS}/reports"
JOBS = f"{_BATCH}/bench/jobs"
SECRETS = "/api/v1/namespaces/bench/secrets"
CRON_JOBS = f"{_BATCH}/bench-cronjobs/cronjobs"
JOBS_OF_CRON_JOBS = f"{_BATCH}/bench-cronjobs/jobs"
_PATIENCE_SECONDS = 900.0
_END_OF_LOG = 4000
_WITHOUT_LIMITS = {"REPORT_OPERATOR_RUN_LIMIT_TOTAL": "0", "REPORT_OPERATOR_RUN_LIMIT_PER_NAMESPACE": "0"}
_BUSY_SECONDS = 60.0
"""An operator with much to do answers late."""


@dataclass(frozen=True)
class Bench:
    """Everything that runs while something is measured."""

    client: Client
    store: SeaweedFS
    access: Path
    """kubeconfig of the operator's service account, with the rights that the chart gives it."""
    folder: Path

    @classmethod
    @contextlib.asynccontextmanager
    async def set_up(cls) -> AsyncIterator["Bench"]:
        """Start all but the operator; end it afterwards."""
        say("starting etcd, kube-apiserver, kube-controller-manager and the store")
        with TemporaryDirectory(prefix="report-operator-bench-") as name:
            folder = Path(name)
            (folder / "store").mkdir()
            with seaweedfs.running(folder / "store") as store, control_plane(folder) as server:
                access = service_account(server, folder)
                async with Client.connect(server) as client:
                    for namespace in ("bench", "bench-cronjobs"):
                        await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
                    yield cls(client, store, access, folder)

    @contextlib.contextmanager
    def operator(self) -> Iterator[Operator]:
        """Start the operator without limits on runs; kill it afterwards."""
        with operator(self.access, self.store, self.folder / "operator.log", **_WITHOUT_LIMITS) as running:
            running.http.timeout = _BUSY_SECONDS
            yield running

    async def make(self, what: str, path: str, manifests: list[Json]) -> None:
        """Create objects, many at once."""
        await each(f"{what} made", manifests, lambda manifest: self.client.send("POST", path, manifest))

    async def expect(self, what: str, count: Callable[[], Awaitable[int]], wanted: int, pause: float) -> None:
        """Wait until the operator has done something so often. Raises TimeoutError with the end of its log."""
        if not await until(what, count, wanted, _PATIENCE_SECONDS, pause):
            said = (self.folder / "operator.log").read_text()[-_END_OF_LOG:]
            raise TimeoutError(f"{what}: only {await count():,} of {wanted:,}; the operator's log ends with\n{said}")

    async def finish(self, manifest: Json, finished: FinishedReports, age: float) -> None:
        """Make a Report and let it have succeeded; `age` as in `FinishedReports.status`."""
        report = await self.client.send("POST", REPORTS, manifest)
        report["status"] = finished.status(report, age)
        await self.client.send("PUT", f"{REPORTS}/{report['metadata']['name']}/status", report)

    async def ready(self, operator: Operator) -> float:
        """Wait until the operator is ready; return the time, in seconds since the epoch. Raises TimeoutError."""
        until_time = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until_time:
            # In a thread: a slow answer is not to hold up the watches of this event loop.
            if await asyncio.to_thread(operator.is_ready):
                return time.time()
            await asyncio.sleep(0.1)
        raise TimeoutError(f"the operator is not ready after {_PATIENCE_SECONDS:.0f} s")

    async def accepted(self, count: int) -> None:
        """Wait until the operator has written the status of so many ScheduledReports. Raises TimeoutError."""

        async def now() -> int:
            return len([o async for o in self.client.list(SCHEDULES) if "nextRunTime" in o.get("status", {})])

        await self.expect("ScheduledReports accepted", now, count, pause=3)
