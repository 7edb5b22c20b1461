"""Makes the access keys of the chart's own store, once."""

import asyncio
import secrets
from pathlib import Path

from report_operator.api.metadata import MANAGED_BY_LABEL, MANAGER
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import AlreadyExistsError
from report_operator.control import metrics

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_KEY_BYTES = 15
_SECRET_BYTES = 30


def create(secret: str, namespace: str | None) -> str:
    """Make the Secret with a random AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY unless it is there; tell which.

    It is only made, never read or replaced, so neither Git nor Helm nor the operator has to know what is in it.
    `namespace` is the pod's own when None. Raises ClusterError.
    """
    place = namespace or _OWN_NAMESPACE.read_text().strip()
    return asyncio.run(_create(secret, place))


async def _create(secret: str, namespace: str) -> str:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGER}},
        "stringData": {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(_KEY_BYTES),
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(_SECRET_BYTES),
        },
    }
    cluster = await Cluster.connect(connections=1, observe=metrics.observe_request)
    try:
        await cluster.create_secret(manifest)
    except AlreadyExistsError:
        return f"Secret {namespace}/{secret} is there already"
    finally:
        await cluster.close()
    return f"Secret {namespace}/{secret} is made"
