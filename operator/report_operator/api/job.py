"""What a Report says about its run's Job: time, attempts, resources, and where the pod may run."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from report_operator.api.fields import INT32, LIST_ATOMIC, Duration, Model, ObjectName, SchemaExtra, between

_LabelValue = Annotated[str, Field(max_length=63)]
_Quantity = Annotated[
    str,
    BeforeValidator(str),
    Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"),
    SchemaExtra({"type": None, "x-kubernetes-int-or-string": True}),
]
_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {unit: Decimal(1000) ** n for n, unit in enumerate(("k", "M", "G", "T"), start=1)}
_UNITS |= {unit: Decimal(1024) ** n for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)}
_QUEUE = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity such as 500m or 2Gi stands for; the text has passed the pattern."""
    digits = text.rstrip("mkKMGTi")
    return Decimal(digits) * _UNITS[text.removeprefix(digits)]


class Resources(Model):
    """Compute resources of each of the run's containers."""

    requests: Annotated[dict[str, _Quantity], Field(max_length=8)] = {}
    """Requested quantities by resource name."""
    limits: Annotated[dict[str, _Quantity], Field(max_length=8)] = {}
    """Limits by resource name."""


class Toleration(Model):
    """As in a PodSpec."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint key; all when not set (operator Exists)."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How value is compared."""
    value: _LabelValue | None = None
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect; all when not set."""


class Run(Model):
    """How the run's Job is made."""

    timeout: Annotated[Duration, between("1m", "24h")] = "30m"
    """The run is ended and failed after this time, attempts and waits included: 1m to 24h."""
    retries: Annotated[int, Field(ge=0, le=10), INT32] = 2
    """Attempts after the first, 0 to 10, for passing causes only (an unreachable source, a lost pod)."""
    resources: Resources | None = None
    """Resources of each container; the platform's default when not set."""
    node_selector: Annotated[dict[str, _LabelValue], Field(max_length=20)] = {}
    """Labels that the node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=20), LIST_ATOMIC] = []
    """Taints that the pod tolerates."""
    service_account_name: ObjectName | None = None
    """Service account of the pod, for image pull secrets and policies. Its token is never mounted."""
    kueue_queue_name: Annotated[str, Field(min_length=1, max_length=63, pattern=_QUEUE)] | None = None
    """Kueue's LocalQueue in the Report's namespace that the Job waits in. The platform's limits on runs, then, do not
    apply."""
