"""What a Report needs whose run has ended and that is not kept for ever: facts and the time in, step out.

Only the status is ever changed: neither a run nor a new generation comes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Self

from report_operator.api.conditions import Phase
from report_operator.api.download import LinkPolicy, Refresh
from report_operator.plan import retention, trial
from report_operator.plan.reading import is_sent_again
from report_operator.plan.schedule.child import maker_of

AT_ONCE = datetime.min.replace(tzinfo=UTC)
LOOK_AGAIN = timedelta(hours=1)
"""At a Report that is kept in spite of its age, until newer ones have succeeded."""
_ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


def is_made_by_us(manifest: Mapping[str, Any]) -> bool:
    """Return whether the operator has made a Report, which goes with its files then; those of users stay."""
    return maker_of(manifest) is not None or trial.is_test(manifest)


class Step(Enum):
    """What to do now."""

    WAIT = auto()
    """Nothing."""
    SIGN = auto()
    """Put new links into the status."""
    UNLINK = auto()
    """Take the links out of the status."""
    EXPIRE = auto()
    """Delete the files; then the Report if we have made it, or else mark it as Expired."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is of interest in a Report with files, or in one of ours without."""

    has_links: bool
    wants_links: bool
    renews_links: bool
    """Whether links are made without being asked for."""
    renew_at: datetime | None
    """When its links are to be renewed; None when that is not known."""
    expires_at: datetime | None
    """When its files have been kept for their time, or would have been; None for never."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any], *, links_allowed: bool) -> Self | None:
        """Read a Report as it came from the API server; None when nothing is to be done for it.

        That is so when a run or redelivery is ahead, and without files, unless it is ours and has to go all the same:
        nobody else deletes what was backfilled, or has lost its ScheduledReport. It is read without the models: every
        Report of the cluster comes by here at every listing.
        """
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        files = status.get("artifacts") or ()
        is_settled = status.get("observedGeneration") == metadata["generation"] and status.get("phase") in _ENDED
        if not is_settled or is_sent_again(manifest) or "deletionTimestamp" in metadata:
            return None
        expires_at = _time(status.get("expiresAt")) if files else _expiry_without_files(manifest)
        if not files and expires_at is None:
            return None
        download = manifest["spec"].get("download") or {}
        return cls(
            has_links=any("downloadURL" in file for file in files),
            wants_links=bool(files) and links_allowed and download.get("links") != LinkPolicy.DISABLED,
            renews_links=download.get("refresh") in (None, Refresh.AUTO),
            renew_at=_time(status.get("linksRenewAt")),
            expires_at=expires_at,
        )

    def has_expired(self, now: datetime) -> bool:
        """Return whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def step(self, now: datetime, *, is_last_good: bool = False) -> Step:
        """Return what to do now; `is_last_good` says that its ScheduledReport keeps it whatever its age."""
        if self.has_expired(now) and not is_last_good:
            return Step.EXPIRE
        due = self._links_due_at
        if due is None or due > now:
            return Step.WAIT
        return Step.SIGN if self.wants_links else Step.UNLINK

    def due_at(self, now: datetime, *, is_last_good: bool = False) -> datetime | None:
        """Return when something is to be done; None for never.

        One that is kept in spite of its age is looked at now and again: nobody tells when it is not the last any more.
        """
        again = now + LOOK_AGAIN if is_last_good and self.has_expired(now) else self.expires_at
        return min((each for each in (again, self._links_due_at) if each is not None), default=None)

    @property
    def _links_due_at(self) -> datetime | None:
        if self.has_links and not self.wants_links:
            return AT_ONCE
        if not self.wants_links or not self.renews_links:
            return None
        return (self.renew_at or AT_ONCE) if self.has_links else AT_ONCE


def _expiry_without_files(manifest: Mapping[str, Any]) -> datetime | None:
    """Return when a Report without files goes; None for never. One that was refused has no other time than its own."""
    if not is_made_by_us(manifest):
        return None
    ttl = retention.lifetime(manifest["spec"], None)
    ended = manifest["status"].get("completionTime") or manifest["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(ended) + ttl if ttl is not None else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
