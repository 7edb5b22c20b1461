"""Names that follow from a Report's identity alone, so that every operator process arrives at the same ones."""

from hashlib import sha256

_JOB_NAME_STEM = 46
"""Leaves room for the digest, and for the six characters that the name of a pod has more than its Job's."""


def run_id(uid: str, generation: int) -> str:
    """Return the identity of the one run that a Report's generation has: `<uid>-<generation>`."""
    return f"{uid}-{generation}"


def job_name(report: str, uid: str, generation: int) -> str:
    """Return the name of the run's Job and Secret: a DNS label of at most 57 characters, the same every time."""
    digest = sha256(run_id(uid, generation).encode()).hexdigest()[:10]
    return f"{report.replace('.', '-')[:_JOB_NAME_STEM].rstrip('-')}-{digest}"


def run_prefix(namespace: str, report: str, run: str) -> str:
    """Return the folder of a run in the store, with a slash at its end."""
    return f"{namespace}/{report}/{run}/"
