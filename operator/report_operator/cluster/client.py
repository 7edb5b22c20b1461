"""The few calls to the API server that the operator makes."""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTResponse

from report_operator import __version__
from report_operator.api.metadata import FIELD_MANAGER, GROUP, VERSION
from report_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

Json = dict[str, Any]
Observer = Callable[[str, str, int], None]
"""Is told the method, the resource and the HTTP status (0: no answer) of every request."""

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
PAGE = 500
"""Objects in one answer of a listing: bounds memory here and in the API server."""

_WRITE = {"fieldManager": FIELD_MANAGER}


@dataclass(frozen=True)
class Access:
    """How to reach the API server, for another client."""

    server: str
    ca_path: str | None
    certificate_path: str | None
    key_path: str | None
    insecure: bool
    authorization: str | None
    """Value of the HTTP header, such as `Bearer …`."""


class Cluster:
    """A connection to one API server. Objects go in and come out as the JSON of the API."""

    def __init__(self, api: ApiClient, observe: Observer) -> None:
        self._api = api
        self._observe = observe
        self._api.user_agent = f"report-operator/{__version__}"

    @classmethod
    async def connect(cls, connections: int, observe: Observer) -> Self:
        """Connect as the pod's service account, or else as KUBECONFIG says.

        At most `connections` requests are on their way at once; `observe` is told of each. Raises UnavailableError when
        there is neither.
        """
        settings = Configuration()
        try:
            try:
                config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            except config.ConfigException:
                files = os.environ.get("KUBECONFIG")  # The client looks only once, when it is imported.
                await config.load_kube_config(files, client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise UnavailableError(f"no service account and no kubeconfig: {error}") from error
        settings.connection_pool_maxsize = connections
        return cls(ApiClient(settings), observe)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def access(self) -> Access:
        """Return how this connection is made, with the token that is valid now."""
        settings = self._api.configuration
        return Access(
            server=settings.host,
            ca_path=settings.ssl_ca_cert,
            certificate_path=settings.cert_file,
            key_path=settings.key_file,
            insecure=not settings.verify_ssl,
            authorization=await settings.get_api_key_with_prefix("BearerToken"),
        )

    async def report(self, namespace: str, name: str) -> Json:
        """Return a Report; raises NotFoundError."""
        return await self._request("GET", _reports(namespace, name))

    async def reports(self) -> AsyncIterator[Json]:
        """Yield every Report of the cluster, a page at a time."""
        after: str | None = ""
        while after is not None:
            query = {"limit": str(PAGE)} | ({"continue": after} if after else {})
            page = await self._request("GET", _reports(), query=query)
            for item in page["items"]:
                yield item
            after = page["metadata"].get("continue") or None

    async def write_status(self, manifest: Mapping[str, Any], status: Json) -> None:
        """Replace the status of the Report as it was read; raises ConflictError when it has changed since.

        Of the rest of the object the API server wants no more than what finds it: k8s.io/apiextensions-apiserver
        pkg/registry/customresource/status_strategy.go takes everything but the status from the stored object.
        """
        known = {key: manifest["metadata"][key] for key in ("namespace", "name", "uid", "resourceVersion")}
        body = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": known, "status": status}
        await self._request("PUT", f"{_reports(known['namespace'], known['name'])}/status", body, query=_WRITE)

    async def jobs(self, namespace: str, selector: str) -> list[Json]:
        """Return the Jobs with these labels."""
        return await self._items(f"/apis/batch/v1/namespaces/{namespace}/jobs", {"labelSelector": selector})

    async def job(self, namespace: str, name: str) -> Json:
        """Return a Job; raises NotFoundError."""
        return await self._request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs/{quote(name)}")

    async def create_job(self, manifest: Json) -> Json:
        """Return the Job made; raises AlreadyExistsError, RefusedError."""
        namespace = manifest["metadata"]["namespace"]
        return await self._request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", manifest, query=_WRITE)

    async def delete_job(self, namespace: str, name: str) -> None:
        """End a Job; it is gone when its pods are. One that is gone already is fine."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{quote(name)}"
        await self._unless_gone("DELETE", path, {"propagationPolicy": "Foreground"})

    async def expire_job(self, namespace: str, name: str, seconds: int) -> None:
        """Let a Job go so many seconds after its end. One that is gone already is fine."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{quote(name)}"
        await self._unless_gone("PATCH", path, {"spec": {"ttlSecondsAfterFinished": seconds}}, query=_WRITE)

    async def pods(self, namespace: str, selector: str) -> list[Json]:
        """Return the pods with these labels."""
        return await self._items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector})

    async def events_about(self, namespace: str, uid: str) -> list[Json]:
        """Return the Events about the object with this UID."""
        path = f"/api/v1/namespaces/{namespace}/events"
        return await self._items(path, {"fieldSelector": f"involvedObject.uid={uid}"})

    async def create_event(self, manifest: Json) -> None:
        """Record an Event."""
        namespace = manifest["metadata"]["namespace"]
        await self._request("POST", f"/api/v1/namespaces/{namespace}/events", manifest, query=_WRITE)

    async def create_secret(self, manifest: Json) -> None:
        """Make a Secret; raises AlreadyExistsError, RefusedError."""
        namespace = manifest["metadata"]["namespace"]
        await self._request("POST", f"/api/v1/namespaces/{namespace}/secrets", manifest, query=_WRITE)

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret. One that is gone already is fine."""
        await self._unless_gone("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{quote(name)}")

    async def _items(self, path: str, query: Mapping[str, str]) -> list[Json]:
        items: list[Json] = (await self._request("GET", path, query=query))["items"]
        return items

    async def _unless_gone(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> None:
        try:
            await self._request(method, path, body, query)
        except NotFoundError:
            return

    async def _request(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        """Return the JSON of a successful answer; raises ClusterError otherwise."""
        status = 0
        try:
            response = await self._send(method, f"{path}?{urlencode(query)}" if query else path, body)
            status = response.status
            content = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = str(error) or type(error).__name__
            raise UnavailableError(f"The API server cannot be reached: {said}") from error
        finally:
            self._observe(method, _resource(path), status)
        if status >= HTTPStatus.BAD_REQUEST:
            raise _error(status, response.headers, content)
        answer: Json = json.loads(content)
        return answer

    async def _send(self, method: str, url: str, body: Json | None) -> RESTResponse:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        prepared = await self._api.param_serialize(
            method,
            url,
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=body,
            auth_settings=["BearerToken"],
        )
        return await self._api.call_api(*prepared, _request_timeout=REQUEST_TIMEOUT)


def _resource(path: str) -> str:
    """Return the resource of an API path: `jobs` of `/apis/batch/v1/namespaces/x/jobs/y`."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    in_namespace = rest[2:] if rest[0] == "namespaces" and len(rest) > 2 else rest  # noqa: PLR2004
    return in_namespace[0] + ("/status" if in_namespace[-1] == "status" else "")


def _reports(namespace: str | None = None, name: str | None = None) -> str:
    base = f"/apis/{GROUP}/{VERSION}"
    if namespace is None or name is None:
        return f"{base}/reports"
    return f"{base}/namespaces/{namespace}/reports/{quote(name)}"


def _error(status: int, headers: Mapping[str, str], content: bytes) -> ClusterError:
    try:
        details = json.loads(content)
        text, reason = str(details.get("message", "")), details.get("reason", "")
    except (ValueError, AttributeError):
        text, reason = content.decode(errors="replace")[:300], ""
    text = text or f"HTTP {status}"
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(text)
    if status == HTTPStatus.CONFLICT:
        return AlreadyExistsError(text) if reason == "AlreadyExists" else ConflictError(text)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS) or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = headers.get("Retry-After", "")
        return UnavailableError(f"The API server says: {text}", float(wait) if wait.isdigit() else None)
    return RefusedError(text)
