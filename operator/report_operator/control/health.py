"""The operator's HTTP server: /healthz, /readyz and /metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from report_operator.control import metrics

STUCK_SECONDS = 300.0
"""A look is given up long before this: one that lasts longer shows that the process is stuck.

Waiting keys show nothing of the kind: they are many after a start, and none in an outage, which leaves them to timers.
"""

_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Health:
    """What the probes ask. Each returns what is wrong, or an empty text."""

    alive: Callable[[], str]
    """Whether the process works; restarting it helps where it does not. Never about the API server or the store."""
    ready: Callable[[], str]
    """Whether all Reports that there were at the start have been seen, and all watches run."""
    collect: Callable[[], None]
    """Brings the gauges up to date."""


async def serve(health: Health, host: str | None, port: int) -> web.AppRunner:
    """Start the server; the caller cleans the runner up."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.ready())

    async def metrics_page(request: web.Request) -> web.Response:
        health.collect()
        encode, kind = choose_encoder(request.headers.get("Accept", ""))  # Only OpenMetrics has exemplars.
        return web.Response(body=encode(metrics.REGISTRY), headers={"Content-Type": kind})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics_page)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(problem: str) -> web.Response:
    return web.Response(text=problem or "ok", status=503 if problem else 200)
