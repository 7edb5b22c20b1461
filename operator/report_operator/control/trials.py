"""Makes the Report of a test send."""

from collections.abc import Mapping
from typing import Any

from report_operator.api.metadata import MANAGED_BY_LABEL, MANAGER, TRIGGER_LABEL, Trigger
from report_operator.cluster.client import Cluster
from report_operator.cluster.connection import Json
from report_operator.cluster.errors import AlreadyExistsError, NotFoundError, RefusedError


async def make(cluster: Cluster, manifest: Mapping[str, Any], before: str | None) -> str:
    """Make the Report instead of the one `before`; return why it cannot be made, or an empty text.

    Doing it twice makes it once. Raises ClusterError.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    if before is not None and before != name:
        found = await _test(cluster, namespace, before)
        if found is not None:
            await cluster.delete_report(namespace, before, unchanged=found)
    try:
        await cluster.create_report(manifest)
    except AlreadyExistsError:
        if await _test(cluster, namespace, name) is None:
            return f"There is a Report {name} that is not this test's; delete it."
    except (RefusedError, NotFoundError) as error:
        return f"The API server refuses the Report of the test: {error}"
    return ""


async def _test(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """Return the Report of a test; None when it is gone, or something else."""
    try:
        found = await cluster.report(namespace, name)
    except NotFoundError:
        return None
    ours = {MANAGED_BY_LABEL: MANAGER, TRIGGER_LABEL: Trigger.TEST.value}.items()
    return found if ours <= found["metadata"].get("labels", {}).items() else None
