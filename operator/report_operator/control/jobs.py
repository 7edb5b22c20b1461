"""Makes a Job and the Secret that its pod reads."""

from dataclasses import dataclass

from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION
from report_operator.api.run import Links, Request
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    RefusedError,
)
from report_operator.cluster.facts import find_job
from report_operator.plan import renewal
from report_operator.plan.objects import Job
from report_operator.plan.subject import Subject


class AlreadyStartedError(ConflictError):
    """The Job that was to be made is there already: of another operator, or of this one before it was killed."""


@dataclass(frozen=True)
class JobMaker:
    """Makes the Jobs of Reports. The Secret has the Job's name and is made first: no pod waits for it."""

    cluster: Cluster

    async def make(self, subject: Subject, secret: Json, job: Json) -> Job | str:
        """Return the Job made, or why there is none; raises AlreadyStartedError when it is there, ClusterError."""
        name = job["metadata"]["name"]
        try:
            await self._create_secret(secret)
            return Job.model_validate(await self.cluster.create_job(job))
        except (AlreadyExistsError, RefusedError) as error:
            return await self._refusal(subject, name, error)

    async def renew(self, job: Job, secret: Json, ordered: Request, links: Links) -> None:
        """Give a Job a Secret with links that work longer, if these do; raises ClusterError."""
        if job.links_expire_at is not None and links.expires_at <= job.links_expire_at:
            return
        await self.cluster.replace_secret(secret)
        end = renewal.annotations(ordered, links).get(LINKS_EXPIRE_ANNOTATION)
        await self.cluster.annotate_job(job.metadata.namespace, job.metadata.name, {LINKS_EXPIRE_ANNOTATION: end})

    async def _create_secret(self, manifest: Json) -> None:
        """Make the Secret anew, unless there is a Job, whose pod may be about to use the one that is there."""
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            await self.cluster.create_secret(manifest)
        except AlreadyExistsError:
            if await find_job(self.cluster, namespace, name) is not None:
                raise
            await self.cluster.delete_secret(namespace, name)
            await self.cluster.create_secret(manifest)

    async def _refusal(self, subject: Subject, name: str, error: ClusterError) -> str:
        """Return why there is no Job; raises AlreadyStartedError when there is one."""
        namespace = subject.metadata.namespace
        found = await find_job(self.cluster, namespace, name)
        if found is not None and not found.metadata.is_owned_by(subject.metadata.uid):
            return f"there is a Job {name} that is not this Report's; delete it."
        if found is None or found.is_sealed:
            await self.cluster.delete_secret(namespace, name)
        if found is not None or isinstance(error, AlreadyExistsError):
            raise AlreadyStartedError(f"there is a Job {name} already") from error
        return str(error)
