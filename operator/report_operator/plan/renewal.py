"""When the links of a run are renewed: they end with the credentials that signed them, and a run may take longer.

The operator may read no Secret. So what it has to know of the one that it made is in annotations of the Job.
"""

from datetime import datetime, timedelta

from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION, REQUEST_ANNOTATION
from report_operator.api.run import Links, Request
from report_operator.plan import secret
from report_operator.plan.objects import Job

_BEFORE = timedelta(minutes=12)
"""So long before their end. boto3 has new credentials 15 minutes before the old ones end, if it is asked for any
(botocore.credentials, RefreshableCredentials), and the kubelet brings a Secret to a pod within two minutes."""


_LARGEST_REQUEST = 200_000
"""Bytes: all annotations of an object may have 256 KiB."""


def annotations(ordered: Request, links: Links) -> dict[str, str]:
    """Return what the Job remembers of its Secret; nothing where the links need not be renewed, or cannot be."""
    if not secret.are_cut_short(ordered.spec, links, ordered.created_at):
        return {}
    request = ordered.packed()
    if len(request) > _LARGEST_REQUEST:
        return {}
    return {LINKS_EXPIRE_ANNOTATION: links.expires_at.isoformat(), REQUEST_ANNOTATION: request}


def is_due(job: Job, now: datetime) -> bool:
    """Return whether the links of a run that goes on have to be renewed."""
    end = job.links_expire_at
    return end is not None and now >= end - _BEFORE
