"""Carries out the actions of a decision."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pydantic import ValidationError

from report_operator.api.job import parse_quantity
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Outcome, Result
from report_operator.cluster.client import Cluster
from report_operator.control import trials
from report_operator.control.admission import Admission
from report_operator.control.jobs import JobMaker
from report_operator.control.ledgers import Ledgers
from report_operator.control.links import LinkMaker
from report_operator.control.redeliveries import Redeliverer
from report_operator.control.run_links import RunLinks
from report_operator.plan import artifacts, job, names, renewal, secret, uploads
from report_operator.plan.facts import (
    AbandonUploads,
    Action,
    DeleteJob,
    DeleteSecret,
    DiscardArtifacts,
    Facts,
    MakeTrial,
    ReadResult,
    RenewLinks,
    RetainArtifacts,
    Seal,
    SignLinks,
    StartRedelivery,
    StartRun,
    Stored,
    StoredFile,
)
from report_operator.plan.orphans import RETAINED_FILE
from report_operator.plan.subject import Subject
from report_operator.store.store import Store

_RESULT_LIMIT = 1024 * 1024
"""Bytes of a result that are read: a run is not trusted with the operator's memory."""


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
                return await self._start_in_turn(facts, facts.subject.job_name, self._start_run)
            case StartRedelivery(name):
                return await self._start_in_turn(facts, name, partial(self._start_redelivery, wanted=action))
            case MakeTrial() | ReadResult() | SignLinks():
                return await self._answer(action, facts)
            case DeleteJob(name):
                await self.cluster.delete_job(namespace, name)
                await self.cluster.delete_secret(namespace, name)
            case DeleteSecret(name):
                await self.cluster.delete_secret(namespace, name)
            case DiscardArtifacts(run_id) | AbandonUploads(run_id) | RetainArtifacts(run_id):
                await self._tidy(action, names.run_prefix(namespace, facts.subject.metadata.name, run_id))
            case RenewLinks(_, redelivery):
                await self._renew_links(facts, redelivery)
            case Seal(name):
                await self.cluster.expire_job(namespace, name, int(self.job_ttl.total_seconds()))
        return facts

    async def _answer(self, question: MakeTrial | ReadResult | SignLinks, facts: Facts) -> Facts:
        match question:
            case MakeTrial(manifest, before):
                return replace(facts, trial_problem=await trials.make(self.cluster, manifest, before))
            case ReadResult():
                return replace(facts, stored=await self._read_result(facts, question))
            case SignLinks():
                return replace(facts, new_links=await self.link_maker.sign_again(facts.subject, facts.rules))

    async def _tidy(self, action: DiscardArtifacts | AbandonUploads | RetainArtifacts, folder: str) -> None:
        match action:
            case DiscardArtifacts() if folder + LEDGER_FILE not in await self.store.sizes(folder):
                await self.store.delete(folder)
            case DiscardArtifacts() | AbandonUploads():
                await self.store.abandon_uploads(folder)
            case RetainArtifacts():
                await self.store.put(folder + RETAINED_FILE, b"")

    async def _start_in_turn(self, facts: Facts, name: str, start: Callable[[Facts], Awaitable[Facts]]) -> Facts:
        """Make a Job if it is its turn; when it starts one for Kueue is Kueue's to say."""
        if self._spec(facts).run.kueue_queue_name is None:
            turn = await self.admission.take(facts.subject, facts.now, name)
            if turn is not None:
                return replace(facts, turn=turn)
        started = await start(facts)
        if any(job.metadata.name == name for job in (*started.jobs, *started.redeliveries)):
            self.admission.keep(facts.subject.key)
        return started

    async def _start_run(self, facts: Facts) -> Facts:
        subject, spec = facts.subject, self._spec(facts)
        await self.store.ensure_bucket()
        links = await self._run_links.sign(subject, spec, facts.rules, facts.now)
        ordered = secret.request(subject, spec, facts.rules.policy, facts.now)
        of_job = job.manifest(subject, ordered, self.defaults)
        of_job["metadata"]["annotations"] = renewal.annotations(ordered, links)
        of_secret = secret.manifest(subject, ordered, links)
        made = await JobMaker(self.cluster).make(subject, of_secret, of_job)
        if not isinstance(made, str):
            return replace(facts, jobs=(*facts.jobs, made))
        if uploads.large_files(spec):
            await self.store.abandon_uploads(subject.prefix)  # The next try begins its own.
        return replace(facts, refusal=made)

    async def _start_redelivery(self, facts: Facts, wanted: StartRedelivery) -> Facts:
        spec = self._spec(facts)
        return await self._redeliverer.start(facts, wanted, spec)

    async def _read_result(self, facts: Facts, wanted: ReadResult) -> Stored:
        subject, spec = facts.subject, self._spec(facts)
        run_id = wanted.run_id or subject.run_id
        folder = names.run_prefix(*subject.key, run_id)
        result, problem = await self._result(folder, wanted.outcome or Outcome())
        if wanted.cut_off and result is not None and result.ledger is not None and result.run_id == run_id:
            result = await Ledgers(self.store).settle(spec, result, folder, wanted.cut_off)
        return Stored(result, problem, await self._stored_files(subject, folder, spec))

    async def _result(self, folder: str, outcome: Outcome) -> tuple[Result | None, str]:
        if outcome.result is not None:
            return outcome.result, ""
        content = await self.store.get(folder + RESULT_FILE, _RESULT_LIMIT)
        if content is None:
            return None, f"The run ended well, but neither its pod nor {RESULT_FILE} in the store tells what it made."
        if outcome.result_sha256 not in (None, hashlib.sha256(content).hexdigest()):
            return None, f"{RESULT_FILE} in the store is not the one that the run reported."
        try:
            return Result.model_validate_json(content), ""
        except ValidationError as error:
            return None, f"{RESULT_FILE} in the store cannot be read: {error.error_count()} errors."

    async def _stored_files(self, subject: Subject, folder: str, spec: ReportSpec) -> dict[str, StoredFile]:
        sizes = await self.store.sizes(folder)
        there = [name for name in artifacts.listed(spec) if folder + name in sizes]
        links = await self.link_maker.sign_listed(folder, subject.metadata.name, spec, there)
        keys = {name: folder + name for name in there}
        return {name: StoredFile(sizes[key], self.store.uri(key), links.get(name)) for name, key in keys.items()}

    async def _renew_links(self, facts: Facts, redelivery: StartRedelivery | None) -> None:
        job = facts.job if redelivery is None else facts.redelivery
        ordered = job.request if job is not None else None
        if job is None or ordered is None:
            return
        if redelivery is None:
            await self._run_links.renew(facts.subject, ordered, job, facts.rules, facts.now)
        else:
            await self._redeliverer.renew(facts, redelivery, ordered, job)

    @property
    def _redeliverer(self) -> Redeliverer:
        return Redeliverer(self.store, JobMaker(self.cluster), self.link_maker, self.defaults)

    @property
    def _run_links(self) -> RunLinks:
        scratch_size = int(parse_quantity(self.defaults.scratch_size))
        return RunLinks(JobMaker(self.cluster), self.store, self.link_maker, scratch_size)

    def _spec(self, facts: Facts) -> ReportSpec:
        """Return the spec as far as the platform team allows it."""
        if facts.subject.spec is None:
            raise ValueError("a run without a spec was asked for")
        return self.link_maker.under_policy(facts.subject.spec, facts.rules)
