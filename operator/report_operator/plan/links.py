"""The signed links in the status of a Report: when they are renewed, and what the status says with and without them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from report_operator.api.download import Refresh
from report_operator.api.report import Artifact, ReportStatus

_EARLIEST = 0.6
_SPREAD = 0.2
_SOONEST = timedelta(seconds=10)
"""Between two tries, while the credentials sign nothing that lasts longer."""


@dataclass(frozen=True)
class SignedLinks:
    """The links to one file."""

    download_url: str
    """Saves it under its download name."""
    view_url: str
    """Shows it."""
    expire_at: datetime
    """When both stop working."""

    def to_fields(self) -> dict[str, Any]:
        """Return the fields of an Artifact."""
        return {"download_url": self.download_url, "view_url": self.view_url, "url_expires_at": self.expire_at}


_NONE: dict[str, Any] = {"download_url": None, "view_url": None, "url_expires_at": None}


def renewal_time(uid: str, signed_at: datetime, expire_at: datetime) -> datetime:
    """Return when links are renewed: after 60 to 80 % of their life, always at the same part of it for a Report.

    So ten thousand Reports that were made in one minute are not renewed in one.
    """
    share = int(sha256(uid.encode()).hexdigest()[:8], 16) / 2**32
    moment = signed_at + (_EARLIEST + _SPREAD * share) * (expire_at - signed_at)
    return moment.replace(microsecond=0)


def earliest_end(artifacts: Iterable[Artifact]) -> datetime | None:
    """Return when the first link stops working; None when there is none."""
    return min((each.url_expires_at for each in artifacts if each.url_expires_at is not None), default=None)


def renewal_of(
    uid: str, signed_at: datetime, artifacts: Iterable[Artifact], refresh: Refresh = Refresh.AUTO
) -> datetime | None:
    """Return when links that have just been signed are renewed; None when there are none, or nobody does by himself."""
    end = earliest_end(artifacts)
    return renewal_time(uid, signed_at, end) if end is not None and refresh is Refresh.AUTO else None


def try_again_at(uid: str, now: datetime, artifacts: Iterable[Artifact]) -> datetime:
    """Return when to try again after signing has given nothing that lasts longer: within what is left of the links."""
    end = earliest_end(artifacts)
    return max(renewal_time(uid, now, end) if end is not None else now, now + _SOONEST)


def with_links(
    status: ReportStatus, signed: Mapping[str, SignedLinks], uid: str, now: datetime, refresh: Refresh = Refresh.AUTO
) -> ReportStatus:
    """Return a status with links that have just been signed, by file name; as it is when they would not last longer.

    Temporary credentials that have not been replaced yet sign nothing that outlives them.
    """
    artifacts = [each.model_copy(update=signed[each.name].to_fields()) for each in status.artifacts]
    before, after = earliest_end(status.artifacts), earliest_end(artifacts)
    if before is not None and after is not None and after <= before:
        return status
    renew_at = renewal_of(uid, now, artifacts, refresh)
    return status.model_copy(update={"artifacts": artifacts, "links_renew_at": renew_at})


def without_links(status: ReportStatus) -> ReportStatus:
    """Return a status whose files are listed by URI only."""
    artifacts = [each.model_copy(update=_NONE) for each in status.artifacts]
    return status.model_copy(update={"artifacts": artifacts, "links_renew_at": None})
