"""What is counted of runs, as Prometheus reads it."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from report_operator.api.conditions import Phase, Reason
from report_operator.api.deliveries import Delivery, DeliveryState
from report_operator.api.report import ReportStatus
from report_operator.control import health, metrics
from tests.support.ports import free_ports

BEGUN = datetime(2026, 5, 4, 6, tzinfo=UTC)
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


async def page(accept: str) -> str:
    """Return what the operator shows."""
    port = free_ports(1)[0]
    runner = await health.serve(health.Health(str, str, lambda: None), "127.0.0.1", port)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as answer,
        ):
            return await answer.text()
    finally:
        await runner.cleanup()


@pytest.mark.requirement("E5")
async def test_runs_and_deliveries_have_the_run_id_as_exemplar() -> None:
    sent = Delivery(name="mail", state=DeliveryState.FAILED, sent=3, failed=1)
    ended = ReportStatus(
        phase=Phase.FAILED,
        reason=Reason.DELIVERY_FAILED,
        run_id="0b8e-7",
        start_time=BEGUN,
        completion_time=BEGUN + timedelta(seconds=7),
        deliveries=[sent],
    )
    metrics.observe_status(ReportStatus(), ended)
    metrics.observe_status(ended, ended)
    metrics.observe_status(ended, ended.model_copy(update={"phase": Phase.SUCCEEDED}))  # A redelivery is no run.
    metrics.observe_status(ReportStatus(), ended.model_copy(update={"same_as": "weekly"}))  # Nor is another's run.
    lines = (await page(OPEN_METRICS)).splitlines()
    shown = [line for line in lines if '# {run_id="0b8e-7"}' in line]
    assert [line.partition("{")[0] for line in shown] == [
        "report_operator_runs_total",
        "report_operator_run_seconds_bucket",
        "report_operator_deliveries_total",
        "report_operator_deliveries_total",
    ]
    assert 'le="10.0",phase="Failed"' in shown[1]
    assert ' # {run_id="0b8e-7"} 3.0' in next(line for line in shown if 'state="Sent"' in line)
    assert "run_id" not in await page("text/plain")
