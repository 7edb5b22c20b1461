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
from report_operator.plan import names
from report_operator.plan.subject import Subject


def metadata(subject: Subject) -> dict[str, Any]:
    """Return the metadata of this generation's Job or Secret, which the garbage collector deletes with the Report.

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
        "name": subject.job_name,
        "namespace": subject.metadata.namespace,
        "ownerReferences": [owner],
        **marks(subject),
    }


def marks(subject: Subject) -> dict[str, Any]:
    """Return labels, and as annotation the Report's whole name: a label value may be too short for it."""
    return {
        "labels": {
            MANAGED_BY_LABEL: MANAGER,
            REPORT_LABEL: names.label_value(subject.metadata.name),
            REPORT_UID_LABEL: subject.metadata.uid,
            RUN_ID_LABEL: subject.run_id,
        },
        "annotations": {REPORT_LABEL: subject.metadata.name},
    }
