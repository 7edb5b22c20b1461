"""A connection to the API server: requests in, JSON or an error of ours out."""

import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTResponse

from report_operator import __version__
from report_operator.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

Json = dict[str, Any]
Observer = Callable[[str, str, int], None]
"""Is told the method, the resource and the HTTP status (0: no answer) of every request."""

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
WATCH_SECONDS = 600
"""Then the server ends a watch: one that a load balancer has dropped silently does not last for ever."""
SILENCE_SECONDS = 90
"""A watch on which nothing comes is dead: the server sends a bookmark each minute (KEP-956)."""
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=WATCH_SECONDS + 10, connect=10, sock_read=SILENCE_SECONDS)


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


class Connection:
    """A connection to one API server."""

    def __init__(self, api: ApiClient, observe: Observer) -> None:
        self._api = api
        self._observe = observe
        self._api.user_agent = f"report-operator/{__version__}"

    @classmethod
    async def open(cls, requests: int, observe: Observer) -> Self:
        """Connect as the pod's service account, or else as KUBECONFIG says.

        At most `requests` are on their way at once; `observe` is told of each. Raises UnavailableError when there is
        neither.
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
        settings.connection_pool_maxsize = requests + 1  # a watch holds one
        # With trust_env aiohttp looks for ~/.netrc in a thread for each request: a third of the operator's CPU time.
        settings.client_session_kwargs = {"trust_env": bool(getproxies())}
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

    async def request(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        """Return the JSON of a successful answer; raises ClusterError otherwise."""
        status = 0
        try:
            response = await self._send(method, _url(path, query), body, REQUEST_TIMEOUT)
            status = response.status
            content = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error
        finally:
            self._observe(method, _resource(path), status)
        if status >= HTTPStatus.BAD_REQUEST:
            raise _error(status, response.headers, content)
        answer: Json = json.loads(content)
        return answer

    async def watch(self, path: str, resource_version: str) -> AsyncGenerator[Json, None]:
        """Yield the watch events since a listing, bookmarks among them, until the server ends the stream.

        Raises ExpiredError when the server does not remember that listing any more, or another ClusterError.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            response = await self._send("GET", _url(path, query), None, _WATCH_TIMEOUT)
            async with response.response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _error(response.status, response.headers, await response.response.read())
                async for line in response.response.content:
                    event: Json = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _error_of(event["object"].get("code", 0), event["object"])
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    async def _send(self, method: str, url: str, body: Json | None, timeout: aiohttp.ClientTimeout) -> RESTResponse:  # noqa: ASYNC109
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        method, url, headers, _, _ = await self._api.param_serialize(
            method,
            url,
            header_params={"Accept": "application/json", "Content-Type": kind},
            auth_settings=["BearerToken"],
        )
        # The body is JSON already: the client would look for objects of its own in it, field by field.
        return await self._api.call_api(method, url, headers, body, _request_timeout=timeout)


def _url(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _resource(path: str) -> str:
    """Return the resource of an API path: `jobs` of `/apis/batch/v1/namespaces/x/jobs/y`."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    in_namespace = rest[2:] if rest[0] == "namespaces" and len(rest) > 2 else rest  # noqa: PLR2004
    return in_namespace[0] + ("/status" if in_namespace[-1] == "status" else "")


def _unreachable(error: Exception) -> UnavailableError:
    return UnavailableError(f"The API server cannot be reached: {str(error) or type(error).__name__}")


def _error(status: int, headers: Mapping[str, str], content: bytes) -> ClusterError:
    try:
        details = json.loads(content)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        details = {"message": content.decode(errors="replace")[:300]}
    return _error_of(status, details, headers.get("Retry-After", ""))


def _error_of(status: int, details: Json, retry_after: str = "") -> ClusterError:
    """Return the error that a Status object (metav1.Status) or an answer without one means."""
    text, reason = str(details.get("message") or f"HTTP {status}"), details.get("reason", "")
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(text)
    if status == HTTPStatus.GONE:
        return ExpiredError(text)
    if status == HTTPStatus.CONFLICT:
        return AlreadyExistsError(text) if reason == "AlreadyExists" else ConflictError(text)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS) or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = float(retry_after) if retry_after.isdigit() else None
        return UnavailableError(f"The API server says: {text}", wait)
    return RefusedError(text)
