"""The few calls to the API server that the operator makes."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Self
from urllib.parse import quote

from report_operator.api.metadata import FIELD_MANAGER, GROUP, MANAGED_BY_LABEL, MANAGER, VERSION
from report_operator.cluster.connection import Access, Connection, Json, Observer
from report_operator.cluster.errors import NotFoundError

PAGE = 500
"""Objects in one answer of a listing: bounds memory here and in the API server."""

_REPORTS = "reports"
_SCHEDULES = "scheduledreports"
_PLURALS = {"Report": _REPORTS, "ScheduledReport": _SCHEDULES}
_WRITE = {"fieldManager": FIELD_MANAGER}


class Cluster:
    """The API server, call by call. Objects go in and come out as the JSON of the API."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._request = connection.request

    @classmethod
    async def connect(cls, connections: int, observe: Observer) -> Self:
        """Connect as the pod's service account, or else as KUBECONFIG says; raises UnavailableError."""
        return cls(await Connection.open(connections, observe))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def access(self) -> Access:
        """Return how this connection is made, with the token that is valid now."""
        return await self._connection.access()

    async def report(self, namespace: str, name: str) -> Json:
        """Return a Report; raises NotFoundError."""
        return await self._request("GET", _ours(_REPORTS, namespace, name))

    async def report_pages(self) -> AsyncIterator[Json]:
        """Yield every Report of the cluster in lists (metav1.List), whose resourceVersion is what to watch from.

        Raises ExpiredError when it takes so long that the API server forgets where it was.
        """
        async for page in self._pages(_ours(_REPORTS), {}):
            yield page

    async def reports_uid(self) -> str:
        """Return what tells the Reports of this cluster from all others: the UID of their CustomResourceDefinition."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_REPORTS}.{GROUP}"
        uid: str = (await self._request("GET", path))["metadata"]["uid"]
        return uid

    def watch_reports(self, resource_version: str) -> AsyncGenerator[Json, None]:
        """Yield what has happened to Reports since a listing or an event, as `Connection.watch` does."""
        return self._connection.watch(_ours(_REPORTS), resource_version)

    async def create_report(self, manifest: Mapping[str, Any]) -> Json:
        """Return the Report made; raises AlreadyExistsError, RefusedError."""
        path = _ours(_REPORTS, manifest["metadata"]["namespace"])
        return await self._request("POST", path, dict(manifest), query=_WRITE)

    async def patch_report(self, namespace: str, name: str, patch: Json) -> None:
        """Change a Report (RFC 7386 merge patch). One that is gone already is fine; raises ConflictError."""
        await self._unless_gone("PATCH", _ours(_REPORTS, namespace, name), patch, query=_WRITE)

    async def delete_report(self, namespace: str, name: str, *, unchanged: Json | None = None) -> None:
        """Delete a Report; its Job goes with it. One that is gone already is fine.

        With `unchanged`, the Report as it was read, raises ConflictError when it is another or has changed since.
        """
        as_read = {key: unchanged["metadata"][key] for key in ("uid", "resourceVersion")} if unchanged else None
        body = {"preconditions": as_read} if as_read else None
        await self._unless_gone("DELETE", _ours(_REPORTS, namespace, name), body)

    async def scheduled_report(self, namespace: str, name: str) -> Json:
        """Return a ScheduledReport; raises NotFoundError."""
        return await self._request("GET", _ours(_SCHEDULES, namespace, name))

    async def scheduled_report_pages(self) -> AsyncIterator[Json]:
        """Yield every ScheduledReport of the cluster in lists (metav1.List)."""
        async for page in self._pages(_ours(_SCHEDULES), {}):
            yield page

    async def count_scheduled_reports(self) -> int:
        """Return how many ScheduledReports there are in the cluster."""
        page = await self._request("GET", _ours(_SCHEDULES), query={"limit": "1"})
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))

    async def write_status(self, manifest: Mapping[str, Any], status: Json) -> Json:
        """Replace the status of a Report or ScheduledReport as it was read; return the object with it.

        Raises ConflictError when it has changed since. Of the rest of the object the API server wants no more than what
        finds it: k8s.io/apiextensions-apiserver pkg/registry/customresource/status_strategy.go takes everything but the
        status from the stored object.
        """
        known = {key: manifest["metadata"][key] for key in ("namespace", "name", "uid", "resourceVersion")}
        body = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": known, "status": status}
        path = _ours(_PLURALS[manifest["kind"]], known["namespace"], known["name"])
        return await self._request("PUT", f"{path}/status", body, query=_WRITE)

    async def all_jobs(self) -> AsyncIterator[Json]:
        """Yield every Job of ours in the cluster, a page at a time; raises ExpiredError as `report_pages` does."""
        async for page in self._pages("/apis/batch/v1/jobs", {"labelSelector": f"{MANAGED_BY_LABEL}={MANAGER}"}):
            for item in page["items"]:
                yield item

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

    async def annotate_job(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a Job, or delete those that are None. One that is gone already is fine."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{quote(name)}"
        await self._unless_gone("PATCH", path, {"metadata": {"annotations": dict(annotations)}}, query=_WRITE)

    async def pods(self, namespace: str, selector: str) -> list[Json]:
        """Return the pods with these labels."""
        return await self._items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector})

    async def events_about(self, namespace: str, uid: str) -> list[Json]:
        """Return the Events about the object with this UID."""
        path = f"/api/v1/namespaces/{namespace}/events"
        return await self._items(path, {"fieldSelector": f"involvedObject.uid={uid}"})

    async def config_maps(self, namespace: str, label: str) -> list[Json]:
        """Return the ConfigMaps of a namespace that have this label, whatever its value."""
        return await self._items(f"/api/v1/namespaces/{namespace}/configmaps", {"labelSelector": label})

    async def create_event(self, manifest: Json) -> None:
        """Record an Event."""
        namespace = manifest["metadata"]["namespace"]
        await self._request("POST", f"/api/v1/namespaces/{namespace}/events", manifest, query=_WRITE)

    async def create_secret(self, manifest: Json) -> None:
        """Make a Secret; raises AlreadyExistsError, RefusedError."""
        namespace = manifest["metadata"]["namespace"]
        await self._request("POST", f"/api/v1/namespaces/{namespace}/secrets", manifest, query=_WRITE)

    async def replace_secret(self, manifest: Json) -> None:
        """Replace a Secret, whatever was in it; nothing of that is read. One that is gone already is fine."""
        path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/secrets"
        await self._unless_gone("PUT", f"{path}/{quote(manifest['metadata']['name'])}", manifest, query=_WRITE)

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret. One that is gone already is fine."""
        await self._unless_gone("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{quote(name)}")

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        after = ""
        while True:
            here = {"continue": after} if after else {}
            page = await self._request("GET", path, query={**query, "limit": str(PAGE), **here})
            yield page
            after = page["metadata"].get("continue", "")
            if not after:
                return

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


def _ours(plural: str, namespace: str = "", name: str = "") -> str:
    """Return the path of one of our objects, of all in a namespace, or of all in the cluster."""
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{place}/{plural}" + (f"/{quote(name)}" if name else "")
