"""When the links of a run are renewed: they end with the credentials that signed them, and a run may take longer.

The operator may read no Secret. So what it has to know of the one that it made is in annotations of the Job.
"""

from datetime import datetime, timedelta

from report_operator.api.metadata import LINKS_EXPIRE_ANNOTATION, ORDERED_ANNOTATION
from report_operator.api.report import ReportSpec
from report_operator.api.run import Links
from report_operator.plan import secret
from report_operator.plan.objects import Job

_BEFORE = timedelta(minutes=12)
"""So long before their end. boto3 has new credentials 15 minutes before the old ones end, if it is asked for any
(botocore.credentials, RefreshableCredentials), and the kubelet brings a Secret to a pod within two minutes."""


def annotations(spec: ReportSpec, links: Links, ordered_at: datetime) -> dict[str, str]:
    """Return what the Job remembers of the links in its Secret; nothing where they need not be renewed."""
    if not secret.are_cut_short(spec, links, ordered_at):
        return {}
    return {LINKS_EXPIRE_ANNOTATION: links.expires_at.isoformat(), ORDERED_ANNOTATION: ordered_at.isoformat()}


def is_due(job: Job, now: datetime) -> bool:
    """Return whether the links of a run that goes on have to be renewed."""
    end = job.links_expire_at
    return end is not None and now >= end - _BEFORE
