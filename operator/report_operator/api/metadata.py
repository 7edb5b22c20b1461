"""Names that the operator puts on objects: group, version, labels."""

GROUP = "report-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
"""On every object that the operator makes, with `MANAGER` as value; its watches select by it."""
MANAGER = "report-operator"

REPORT_LABEL = f"{GROUP}/report"
"""Name of the Report that a Job, pod or Secret belongs to."""
REPORT_UID_LABEL = f"{GROUP}/report-uid"
"""UID of that Report."""
RUN_ID_LABEL = f"{GROUP}/run-id"
"""The run's id; the same in status, Events, logs and metrics."""

FIELD_MANAGER = "report-operator"
"""Field manager of every write of the operator."""
