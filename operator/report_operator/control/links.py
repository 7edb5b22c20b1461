"""Makes the signed links to a Report's files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from report_operator.api.download import LinkPolicy
from report_operator.api.fields import parse_duration
from report_operator.api.outputs import download_name
from report_operator.api.report import ReportSpec
from report_operator.plan import artifacts, names
from report_operator.plan.links import SignedLinks
from report_operator.plan.policy import Rules
from report_operator.plan.subject import Subject
from report_operator.store.store import Store

SHORTEST_TTL = timedelta(minutes=1)
"""Of `spec.download.urlTTL`: who lets links work for less lets no Report have any."""


@dataclass(frozen=True)
class LinkMaker:
    """Signs, where signing is allowed."""

    store: Store
    allowed: bool
    """Whether the platform team allows links at all."""

    def under_policy(self, spec: ReportSpec, rules: Rules) -> ReportSpec:
        """Return a spec that asks for links only where they are allowed, and for as long as they may work by now."""
        ttl = min(spec.download.url_ttl, rules.policy.max_link_ttl, key=parse_duration)
        is_allowed = self.allowed and parse_duration(ttl) >= SHORTEST_TTL
        links = spec.download.links if is_allowed else LinkPolicy.DISABLED
        download = spec.download.model_copy(update={"url_ttl": ttl, "links": links})
        return spec.model_copy(update={"download": download})

    async def sign(self, folder: str, report: str, types: Mapping[str, str], ttl: timedelta) -> dict[str, SignedLinks]:
        """Return links to files in a folder of the store, by file name; `types` are their media types.

        Raises StoreError.
        """
        return {name: await self._sign(folder + name, download_name(report, name), types[name], ttl) for name in types}

    async def sign_listed(
        self, folder: str, report: str, spec: ReportSpec, files: Iterable[str], ttl: timedelta | None = None
    ) -> dict[str, SignedLinks]:
        """Return links to some of a run's artifacts, by name; none where they are disabled. Raises StoreError.

        They work for the spec's time where `ttl` is not given.
        """
        if spec.download.links is LinkPolicy.DISABLED:
            return {}
        listed = artifacts.listed(spec)
        types = {name: listed[name].media_type for name in files}
        return await self.sign(folder, report, types, ttl or parse_duration(spec.download.url_ttl))

    async def sign_again(self, subject: Subject, rules: Rules) -> dict[str, SignedLinks]:
        """Return new links to the files that a Report lists, by name; none where they are disabled. Raises StoreError.

        There are none either of what this version cannot read.
        """
        spec, status = subject.spec, subject.status
        if spec is None or status.run_id is None:
            return {}
        download = self.under_policy(spec, rules).download
        if download.links is LinkPolicy.DISABLED:
            return {}
        namespace, name = subject.key
        folder = names.run_prefix(namespace, status.same_as or name, status.run_id)
        types = {each.name: each.media_type for each in status.artifacts}
        return await self.sign(folder, name, types, parse_duration(download.url_ttl))

    async def _sign(self, key: str, shown: str, media_type: str, ttl: timedelta) -> SignedLinks:
        download = await self.store.sign_download(key, "attachment", shown, media_type, ttl)
        view = await self.store.sign_download(key, "inline", shown, media_type, ttl)
        return SignedLinks(download.url, view.url, min(download.expires_at, view.expires_at))
