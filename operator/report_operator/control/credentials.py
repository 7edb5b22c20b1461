"""Makes the secrets that parts of the chart share, once: they are only made, never read or replaced.

So neither Git nor Helm nor the operator has to know what is in them.
"""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path

from report_operator.api.metadata import MANAGED_BY_LABEL, MANAGER
from report_operator.cluster.client import Cluster
from report_operator.cluster.errors import AlreadyExistsError
from report_operator.control import metrics

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_KEY_BYTES = 15
_SECRET_BYTES = 30


def create(secret: str, namespace: str | None) -> str:
    """Make the Secret of the chart's own store, with random AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; tell whether.

    `namespace` is the pod's own when None. Raises ClusterError.
    """
    keys = {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(_KEY_BYTES),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(_SECRET_BYTES),
    }
    return asyncio.run(_create(secret, namespace or _OWN_NAMESPACE.read_text().strip(), keys))


def create_relay_key(secret: str, namespace: str | None) -> str:
    """Make the Secret of the mail relay, with a random `key`; tell whether. As `create`."""
    keys = {"key": secrets.token_urlsafe(_SECRET_BYTES)}
    return asyncio.run(_create(secret, namespace or _OWN_NAMESPACE.read_text().strip(), keys))


async def _create(secret: str, namespace: str, content: Mapping[str, str]) -> str:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGER}},
        "stringData": dict(content),
    }
    cluster = await Cluster.connect(connections=1, observe=metrics.observe_request)
    try:
        await cluster.create_secret(manifest)
    except AlreadyExistsError:
        return f"Secret {namespace}/{secret} is there already"
    finally:
        await cluster.close()
    return f"Secret {namespace}/{secret} is made"
