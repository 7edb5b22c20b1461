"""Makes the Job that sends again what a run has not delivered."""

from dataclasses import dataclass, replace
from datetime import datetime

from report_operator.api.redelivery import RedeliveryOrder
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, Links, Request
from report_operator.control.jobs import JobMaker
from report_operator.control.ledgers import Ledgers
from report_operator.control.links import LinkMaker
from report_operator.plan import names, redelivery, redelivery_order, relay, renewal, secret
from report_operator.plan.facts import Facts, StartRedelivery
from report_operator.plan.job import RunDefaults
from report_operator.plan.objects import Job
from report_operator.plan.subject import Subject
from report_operator.store.store import Store


@dataclass(frozen=True)
class Redeliverer:
    """Reads the ledger of a run and orders what is to be sent again."""

    store: Store
    jobs: JobMaker
    link_maker: LinkMaker
    defaults: RunDefaults

    async def start(self, facts: Facts, wanted: StartRedelivery, spec: ReportSpec) -> Facts:
        """Return the facts with the Job, or with what stands in its way; raises as `JobMaker.make`, StoreError."""
        subject, token = facts.subject, wanted.token
        if await self.store.sizes(names.redelivery_prefix(subject.prefix, token)):
            return replace(facts, nothing_to_send=redelivery.FOLLOWED)
        order = await self._order(subject, spec, wanted)
        if isinstance(order, str):
            return replace(facts, nothing_to_send=order)
        links = await self._links(facts, spec, order, token, facts.now)
        ordered = secret.request(subject, spec, facts.rules.policy, facts.now)
        of_secret = redelivery_order.secret_manifest(subject, secret.manifest(subject, ordered, links), order, token)
        of_job = redelivery_order.job_manifest(subject, ordered, self.defaults, token)
        of_job["metadata"]["annotations"] = renewal.annotations(ordered, links)
        made = await self.jobs.make(subject, of_secret, of_job)
        if isinstance(made, str):
            return replace(facts, refusal=made)
        return replace(facts, redeliveries=(*facts.redeliveries, made))

    async def renew(self, facts: Facts, wanted: StartRedelivery, ordered: Request, job: Job) -> None:
        """Give a redelivery links that work longer, if the credentials do by now. Raises StoreError, ClusterError.

        What it is about is read again, as the operator may read no Secret: the ledger stays as it is until its end.
        """
        subject, spec = facts.subject, ordered.spec
        order = await self._order(subject, spec, wanted)
        if isinstance(order, str):
            return  # It has just ended: there is nothing left to send again.
        links = await self._links(facts, spec, order, wanted.token, ordered.created_at)
        of_run = secret.manifest(subject, ordered, links)
        of_secret = redelivery_order.secret_manifest(subject, of_run, order, wanted.token)
        await self.jobs.renew(job, of_secret, ordered, links)

    async def _order(self, subject: Subject, spec: ReportSpec, wanted: StartRedelivery) -> RedeliveryOrder | str:
        """Return what is to be sent again, or why that cannot be told."""
        there = await self.store.sizes(subject.prefix)
        missing = [name for name in (*secret.files_read(spec), LEDGER_FILE) if subject.prefix + name not in there]
        if missing:
            return (
                f"The store does not hold {', '.join(missing)} of the run, without which nothing can be sent again."
                " Edit the spec to run again."
            )
        ledger = await Ledgers(self.store).read(subject.prefix, there)
        if isinstance(ledger, str):
            return ledger
        order = redelivery_order.order(spec, ledger, wanted.states)
        return order if order.again else f"{LEDGER_FILE} in the store names no delivery that is to be sent again."

    async def _links(
        self, facts: Facts, spec: ReportSpec, order: RedeliveryOrder, token: str, ordered_at: datetime
    ) -> Links:
        subject = facts.subject
        ttl, keys = secret.links_ttl(spec), {name: subject.prefix + name for name in redelivery_order.WRITTEN}
        signed = await self.store.sign_uploads(dict.fromkeys(keys.values()), ttl)
        own_folder = names.redelivery_prefix(subject.prefix, token)
        outputs = [output.file_name for output in spec.outputs]
        shown_for = secret.message_links_ttl(spec, ordered_at, facts.now)
        shown = await self.link_maker.sign_listed(subject.prefix, subject.metadata.name, spec, outputs, shown_for)
        reads = {name: subject.prefix + name for name in secret.files_read(spec)}
        found = await self.store.sign_reads(reads.values(), ttl)
        return Links(
            expires_at=signed.expires_at,
            authorities=signed.authorities,
            uploads={name: signed.by_key[key] for name, key in keys.items()},
            deliver_until=secret.deliver_until(spec, ordered_at),
            reads={name: found[key] for name, key in reads.items()},
            downloads={name: links.download_url for name, links in shown.items()},
            downloads_expire_at=min((links.expire_at for links in shown.values()), default=None),
            relay=relay.leave(facts.rules.relay, subject, spec, ordered_at + ttl),
            entries=await self.store.sign_ledger(own_folder, order.again, ttl),
        )
