"""Carries out the actions of a decision."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from report_operator.api.download import LinkPolicy
from report_operator.api.fields import parse_duration
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Links, Outcome, Result
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
    RefusedError,
)
from report_operator.control.admission import Admission
from report_operator.control.links import LinkMaker
from report_operator.plan import artifacts, job, names, secret
from report_operator.plan.facts import (
    Action,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    ReadResult,
    RetainArtifacts,
    Seal,
    StartRun,
    Stored,
    StoredFile,
)
from report_operator.plan.links import SignedLinks
from report_operator.plan.objects import Job
from report_operator.plan.orphans import RETAINED_FILE
from report_operator.plan.subject import Subject
from report_operator.store.store import Store

_RESULT_LIMIT = 1024 * 1024
"""Bytes of a result that are read: a run is not trusted with the operator's memory."""


class AlreadyStartedError(ConflictError):
    """The run that was to be started has a Job already: of another operator, or of this one before it was killed."""


@dataclass(frozen=True)
class Actor:
    """Does what decisions ask for."""

    cluster: Cluster
    store: Store
    defaults: job.RunDefaults
    job_ttl: timedelta
    admission: Admission
    link_maker: LinkMaker

    async def perform(self, action: Action, facts: Facts) -> Facts:
        """Carry out an action that may be repeated, and return the facts with its answer.

        Raises ClusterError or StoreError; AlreadyStartedError when the facts are to be gathered anew.
        """
        namespace = facts.subject.metadata.namespace
        match action:
            case StartRun():
                return await self._start_in_turn(facts)
            case ReadResult(outcome):
                return replace(facts, stored=await self._read_result(facts.subject, outcome))
            case DeleteJob(name):
                await self.cluster.delete_job(namespace, name)
                await self.cluster.delete_secret(namespace, name)
            case DeleteSecret(name):
                await self.cluster.delete_secret(namespace, name)
            case DiscardArtifacts(run_id):
                await self.store.delete(names.run_prefix(namespace, facts.subject.metadata.name, run_id))
            case RetainArtifacts(run_id):
                folder = names.run_prefix(namespace, facts.subject.metadata.name, run_id)
                await self.store.put(folder + RETAINED_FILE, b"")
            case Seal(name):
                await self.cluster.expire_job(namespace, name, int(self.job_ttl.total_seconds()))
        return facts

    async def _start_in_turn(self, facts: Facts) -> Facts:
        """Start the run if it is its turn; when it starts a run for Kueue is Kueue's to say."""
        if self._spec(facts.subject).run.kueue_queue_name is None:
            turn = await self.admission.take(facts.subject, facts.now)
            if turn is not None:
                return replace(facts, turn=turn)
        started = await self._start_run(facts)
        if started.job is not None:
            self.admission.keep(facts.subject.key)
        return started

    async def _start_run(self, facts: Facts) -> Facts:
        subject, spec = facts.subject, self._spec(facts.subject)
        await self.store.ensure_bucket()
        links = await self._sign_links(subject, spec, facts.now)
        try:
            await self._create_secret(subject, secret.manifest(subject, spec, facts.rules.policy, links, facts.now))
            created = await self.cluster.create_job(job.manifest(subject, spec, self.defaults))
        except (AlreadyExistsError, RefusedError) as error:
            return replace(facts, refusal=await self._refusal(subject, error))
        return replace(facts, jobs=(*facts.jobs, Job.model_validate(created)))

    async def _create_secret(self, subject: Subject, manifest: Json) -> None:
        """Make the run's Secret anew, unless there is a Job, whose pod may be about to use the one that is there."""
        try:
            await self.cluster.create_secret(manifest)
        except AlreadyExistsError:
            if await self._job(subject) is not None:
                raise
            await self.cluster.delete_secret(subject.metadata.namespace, subject.job_name)
            await self.cluster.create_secret(manifest)

    async def _refusal(self, subject: Subject, error: ClusterError) -> str:
        """Return why there is no Job; raises AlreadyStartedError when there is one."""
        found = await self._job(subject)
        if found is not None and not found.metadata.is_owned_by(subject.metadata.uid):
            return f"there is a Job {subject.job_name} that is not this Report's; delete it."
        if found is None or found.is_sealed:
            await self.cluster.delete_secret(subject.metadata.namespace, subject.job_name)
        if found is not None or isinstance(error, AlreadyExistsError):
            raise AlreadyStartedError(f"there is a Job {subject.job_name} already") from error
        return str(error)

    async def _job(self, subject: Subject) -> Job | None:
        try:
            return Job.model_validate(await self.cluster.job(subject.metadata.namespace, subject.job_name))
        except NotFoundError:
            return None

    async def _sign_links(self, subject: Subject, spec: ReportSpec, now: datetime) -> Links:
        ttl = secret.links_ttl(spec)
        keys = {name: subject.prefix + name for name in secret.planned_files(spec)}
        signed = await self.store.sign_uploads(dict.fromkeys(keys.values()), ttl)
        uploads = Links(expires_at=signed.expires_at, uploads={name: signed.by_key[key] for name, key in keys.items()})
        if not spec.destinations:
            return uploads
        files = [name for name in artifacts.listed(spec) if name != LEDGER_FILE]
        shown = await self._sign_files(subject, spec, files)
        update = {
            "deliver_until": secret.deliver_until(spec, now),
            "downloads": {name: links.download_url for name, links in shown.items()},
            "downloads_expire_at": min((links.expire_at for links in shown.values()), default=None),
            "entries": await self.store.sign_ledger(subject.prefix, secret.planned_entries(spec), ttl),
        }
        return uploads.model_copy(update=update)

    async def _sign_files(self, subject: Subject, spec: ReportSpec, files: Iterable[str]) -> dict[str, SignedLinks]:
        """Return the links to files for readers, by name; none where they are disabled."""
        if spec.download.links is LinkPolicy.DISABLED:
            return {}
        listed, ttl = artifacts.listed(spec), parse_duration(spec.download.url_ttl)
        types = {name: listed[name].media_type for name in files}
        return await self.link_maker.sign(subject.prefix, subject.metadata.name, types, ttl)

    async def _read_result(self, subject: Subject, outcome: Outcome | None) -> Stored:
        result, problem = await self._result(subject, outcome or Outcome())
        return Stored(result, problem, await self._stored_files(subject, self._spec(subject)))

    async def _result(self, subject: Subject, outcome: Outcome) -> tuple[Result | None, str]:
        if outcome.result is not None:
            return outcome.result, ""
        content = await self.store.get(subject.prefix + RESULT_FILE, _RESULT_LIMIT)
        if content is None:
            return None, f"The run ended well, but neither its pod nor {RESULT_FILE} in the store tells what it made."
        if outcome.result_sha256 not in (None, hashlib.sha256(content).hexdigest()):
            return None, f"{RESULT_FILE} in the store is not the one that the run reported."
        try:
            return Result.model_validate_json(content), ""
        except ValidationError as error:
            return None, f"{RESULT_FILE} in the store cannot be read: {error.error_count()} errors."

    async def _stored_files(self, subject: Subject, spec: ReportSpec) -> dict[str, StoredFile]:
        sizes = await self.store.sizes(subject.prefix)
        there = [name for name in artifacts.listed(spec) if subject.prefix + name in sizes]
        links = await self._sign_files(subject, spec, there)
        keys = {name: subject.prefix + name for name in there}
        return {name: StoredFile(sizes[key], self.store.uri(key), links.get(name)) for name, key in keys.items()}

    def _spec(self, subject: Subject) -> ReportSpec:
        """Return the spec as far as the platform team allows it."""
        if subject.spec is None:
            raise ValueError("a run without a spec was asked for")
        return self.link_maker.under_policy(subject.spec)
