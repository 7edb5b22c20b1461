"""The API server as these benchmarks use it: many requests at once, and watches that note when something was new."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp

from tests.support.apiserver import ApiServer
from tools.bench.page import say

Json = dict[str, Any]
Item = TypeVar("Item")

_AT_ONCE = 32
_PAGE = 500
_SIGN_SECONDS = 5.0
_STANDSTILL_SECONDS = 120.0
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Arrival:
    """When an object was new. Times are seconds since the epoch, of one clock: all of this runs on one machine."""

    seen: float
    """When its watch event was here, in fractions of a second: never before it was made."""
    noted: float
    """Its metadata.creationTimestamp: the API server writes whole seconds, rounded down."""


class Client:
    """Speaks as the administrator, whom the API server's fair queuing does not hold back."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, server: ApiServer) -> AsyncIterator["Client"]:
        """Connect to an API server of these benchmarks."""
        headers = {"Authorization": f"Bearer {server.token}"}
        connector = aiohttp.TCPConnector(ssl=False, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            server.url, headers=headers, connector=connector, timeout=timeout, read_bufsize=_LONGEST_LINE
        ) as session:
            yield cls(session)

    async def send(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] = MappingProxyType({})
    ) -> Json:
        """Return the answer. Raises aiohttp.ClientResponseError with what the API server says."""
        async with self._session.request(method, path, json=body, params=query) as answer:
            content: Json = await answer.json()
            if not answer.ok:
                raise aiohttp.ClientResponseError(
                    answer.request_info, answer.history, status=answer.status, message=content.get("message", "")
                )
            return content

    async def list(self, path: str) -> AsyncIterator[Json]:
        """Yield the objects of a collection, page by page."""
        after: str | None = ""
        while after is not None:
            query = {"limit": str(_PAGE)} | ({"continue": after} if after else {})
            page = await self.send("GET", path, query=query)
            for item in page["items"]:
                yield item
            after = page["metadata"].get("continue") or None

    @contextlib.asynccontextmanager
    async def arrivals(self, path: str) -> AsyncIterator[dict[str, Arrival]]:
        """Watch a collection; the dictionary fills with the objects that are new from now on, by name."""
        found: dict[str, Arrival] = {}
        version = (await self.send("GET", path, query={"limit": "1"}))["metadata"]["resourceVersion"]
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._watch(path, version, found))
            yield found
            reader.cancel()

    async def _watch(self, path: str, version: str, found: dict[str, Arrival]) -> None:
        headers = {"Accept": _METADATA_ONLY}
        while True:  # An API server that is short of time ends watches that it cannot keep up with.
            query = {"watch": "true", "resourceVersion": version}
            async with self._session.get(path, params=query, headers=headers, raise_for_status=True) as stream:
                version = await _read(stream.content, version, found)


async def _read(lines: aiohttp.StreamReader, version: str, found: dict[str, Arrival]) -> str:
    """Note what is new until the stream ends; return the version to go on from."""
    with contextlib.suppress(aiohttp.ClientPayloadError):
        async for line in lines:
            now = time.time()
            if line.startswith(b'{"type":"ADDED"'):  # The others, which are most, are not worth the processor's time.
                metadata = json.loads(line)["object"]["metadata"]
                noted = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
                found.setdefault(metadata["name"], Arrival(now, noted))
                version = metadata["resourceVersion"]
            elif line.startswith(b'{"type":"ERROR"'):
                raise RuntimeError(line.decode())
    return version


async def each(what: str, items: Sequence[Item], work: Callable[[Item], Awaitable[object]]) -> None:
    """Do the work for all items, a bounded number of them at once; tell how far it is."""
    left = iter(items)
    done = 0

    async def take() -> None:
        nonlocal done
        for item in left:
            await work(item)
            done += 1

    async def tell() -> None:
        while True:
            await asyncio.sleep(_SIGN_SECONDS)
            say(f"{what}: {done:,} of {len(items):,}")

    teller = asyncio.create_task(tell())
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(take())
    finally:
        teller.cancel()
    say(f"{what}: all {len(items):,}")


async def until(what: str, count: Callable[[], Awaitable[int]], wanted: int, seconds: float, pause: float) -> bool:
    """Wait until the count is as wanted; tell how far it is.

    Return whether it came to that, within so many seconds and without a standstill of two minutes.
    """
    now, moved = 0, time.monotonic()
    end, told = moved + seconds, moved
    while (new := await count()) < wanted:
        passed = time.monotonic()
        now, moved = new, moved if new == now else passed
        if passed > end or passed - moved > _STANDSTILL_SECONDS:
            return False
        if passed - told > _SIGN_SECONDS:
            told = passed
            say(f"{what}: {new:,} of {wanted:,}")
        await asyncio.sleep(pause)
    return True
