"""What has a cloud's admission webhook give its token to the container that sends, and to no other."""

from report_operator.api.conditions import Stage
from report_operator.api.report import ReportSpec

_WITHOUT = (Stage.FETCH, Stage.RENDER)


def labels(spec: ReportSpec) -> dict[str, str]:
    """Return the labels of a run's pod: Azure's webhook looks at no pod without its own."""
    as_pod = any(destination.azure is not None and destination.azure.as_pod for destination in spec.destinations)
    return {"azure.workload.identity/use": "true"} if as_pod else {}


def annotations(spec: ReportSpec) -> dict[str, str]:
    """Return the annotations of a run's pod.

    Without them the webhooks of AWS and Azure mount their token into every container, also into the one that fills in
    templates, which has no secret. GKE has tokens behind an address that every container can ask.
    """
    if spec.run.service_account_name is None:
        return {}
    return {
        "azure.workload.identity/skip-containers": ";".join(_WITHOUT),
        "eks.amazonaws.com/skip-containers": ",".join(_WITHOUT),
    }
