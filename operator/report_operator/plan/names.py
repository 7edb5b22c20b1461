"""Names that follow from a Report's identity alone, so that every operator process arrives at the same ones."""

import re
from hashlib import sha256
from typing import NamedTuple

_JOB_NAME_STEM = 46
"""Leaves room for the digest, and for the six characters that the name of a pod has more than its Job's."""


def run_id(uid: str, generation: int) -> str:
    """Return the identity of the one run that a Report's generation has: `<uid>-<generation>`."""
    return f"{uid}-{generation}"


def job_name(report: str, uid: str, generation: int) -> str:
    """Return the name of the run's Job and Secret: a DNS label of at most 57 characters, the same every time."""
    digest = sha256(run_id(uid, generation).encode()).hexdigest()[:10]
    return f"{report.replace('.', '-')[:_JOB_NAME_STEM].rstrip('-')}-{digest}"


def redelivery_id(token: str) -> str:
    """Return ten hexadecimal digits that tell the redeliveries of a run apart: the same for the same request."""
    return sha256(token.encode()).hexdigest()[:10]


def redelivery_name(report: str, run: str, token: str) -> str:
    """Return the name of the Job and Secret of a redelivery, as `job_name`."""
    digest = sha256(f"{run}/{redelivery_id(token)}".encode()).hexdigest()[:10]
    return f"{report.replace('.', '-')[:_JOB_NAME_STEM].rstrip('-')}-{digest}"


def redelivery_prefix(folder: str, token: str) -> str:
    """Return the folder of a redelivery's own ledger, in that of its run."""
    return f"{folder}redelivery-{redelivery_id(token)}/"


def trial_name(report: str, uid: str, token: str) -> str:
    """Return the name of the Report of a test send: at most 63 characters, the same for the same request."""
    digest = sha256(f"{uid}/test/{token}".encode()).hexdigest()[:10]
    return f"{report[:_JOB_NAME_STEM].rstrip('-.')}-test-{digest}"


class StoredRun(NamedTuple):
    """The run that an object in the store belongs to, by its key."""

    folder: str
    """As `run_prefix`."""
    uid: str
    generation: int

    @property
    def run_id(self) -> str:
        """Return the identity of the run."""
        return run_id(self.uid, self.generation)


_KEY = re.compile(
    r"(?P<folder>[a-z0-9-]{1,63}/[a-z0-9.-]{1,63}/(?P<uid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"-(?P<generation>[1-9][0-9]{0,9})/)[^/].*"
)
"""`<namespace>/<report>/<uid>-<generation>/<file>`."""


def run_of(key: str) -> StoredRun | None:
    """Return the run that an object in the store belongs to; None for what is not of our making."""
    found = _KEY.fullmatch(key)
    return StoredRun(found["folder"], found["uid"], int(found["generation"])) if found else None


def runs_prefix(namespace: str, report: str, uid: str) -> str:
    """Return what the folders of all runs of a Report begin with."""
    return f"{namespace}/{report}/{uid}-"


def run_prefix(namespace: str, report: str, run: str) -> str:
    """Return the folder of a run in the store, with a slash at its end."""
    return f"{namespace}/{report}/{run}/"
