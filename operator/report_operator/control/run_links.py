"""Makes what a run reaches the store with, and makes it anew while the run goes on."""

from dataclasses import dataclass
from datetime import datetime

from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, Links, Request
from report_operator.control.jobs import JobMaker
from report_operator.control.links import LinkMaker
from report_operator.plan import artifacts, relay, secret, uploads
from report_operator.plan.objects import Job
from report_operator.plan.policy import Rules
from report_operator.plan.subject import Subject
from report_operator.store.store import Store


@dataclass(frozen=True)
class RunLinks:
    """Signs for runs."""

    jobs: JobMaker
    store: Store
    link_maker: LinkMaker
    scratch_size: int
    """Bytes that a run can write at most."""

    async def sign(
        self, subject: Subject, spec: ReportSpec, rules: Rules, ordered_at: datetime, renewed_at: datetime | None = None
    ) -> Links:
        """Return the links of a run that was ordered then; `renewed_at` when it has some already. Raises StoreError."""
        ttl, splits = secret.links_ttl(spec), uploads.splits(spec, self.scratch_size)
        keys = {name: subject.prefix + name for name in secret.planned_files(spec)}
        files = {key: splits.get(name) for name, key in keys.items()}
        signed = await self.store.sign_uploads(files, ttl, again=renewed_at is not None)
        made = Links(
            expires_at=signed.expires_at,
            authorities=signed.authorities,
            uploads={name: signed.by_key[key] for name, key in keys.items()},
        )
        if not spec.destinations:
            return made
        shown = await self.link_maker.sign_listed(
            subject.prefix,
            subject.metadata.name,
            spec,
            [name for name in artifacts.listed(spec) if name != LEDGER_FILE],
            secret.message_links_ttl(spec, ordered_at, renewed_at or ordered_at),
        )
        reads = {name: subject.prefix + name for name in secret.files_read(spec)}
        found = await self.store.sign_reads(reads.values(), ttl)
        update = {
            "reads": {name: found[key] for name, key in reads.items()},
            "deliver_until": secret.deliver_until(spec, ordered_at),
            "downloads": {name: links.download_url for name, links in shown.items()},
            "downloads_expire_at": min((links.expire_at for links in shown.values()), default=None),
            "relay": relay.leave(rules.relay, subject, spec, ordered_at + ttl),
            "entries": await self.store.sign_ledger(subject.prefix, secret.planned_entries(spec), ttl),
        }
        return made.model_copy(update=update)

    async def renew(self, subject: Subject, ordered: Request, job: Job, rules: Rules, now: datetime) -> None:
        """Give a run links that work longer, if the credentials do by now. Raises StoreError, ClusterError."""
        links = await self.sign(subject, ordered.spec, rules, ordered.created_at, now)
        await self.jobs.renew(job, secret.manifest(subject, ordered, links), ordered, links)
