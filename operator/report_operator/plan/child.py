"""Metadata of the objects that the operator makes for a Report."""

from typing import Any

from report_operator.api.metadata import (
    API_VERSION,
    MANAGED_BY_LABEL,
    MANAGER,
    REPORT_LABEL,
    REPORT_UID_LABEL,
    RUN_ID_LABEL,
)
from report_operator.plan.subject import Subject


def metadata(subject: Subject, name: str | None = None) -> dict[str, Any]:
    """Return the metadata of this generation's Job or Secret, which the garbage collector deletes with the Report.

    `name` is that of another object than the run's own.

    `blockOwnerDeletion` needs the permission to update reports/finalizers where the admission plugin
    OwnerReferencesPermissionEnforcement is on; it makes a foreground deletion of the Report wait for its Job.
    """
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Report",
        "name": subject.metadata.name,
        "uid": subject.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name or subject.job_name,
        "namespace": subject.metadata.namespace,
        "ownerReferences": [owner],
        "labels": labels(subject),
    }


def labels(subject: Subject) -> dict[str, str]:
    """Return the labels of everything that belongs to the run; a Report's name is a label value by the CRD's rule."""
    return {
        MANAGED_BY_LABEL: MANAGER,
        REPORT_LABEL: subject.metadata.name,
        REPORT_UID_LABEL: subject.metadata.uid,
        RUN_ID_LABEL: subject.run_id,
    }
