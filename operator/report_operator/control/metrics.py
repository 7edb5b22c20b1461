"""What the operator counts, in Prometheus' words. Names are API: they are added, never renamed."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from report_operator.api.conditions import ENDED
from report_operator.api.report import ReportStatus

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

LOOKS = Counter(
    "report_operator_reconciles",
    "Looks at objects, by kind and how they ended: ok, conflict, unavailable, error.",
    ["kind", "result"],
    registry=REGISTRY,
)
LOOK_SECONDS = Histogram(
    "report_operator_reconcile_seconds", "Duration of a look at an object.", ["kind"], registry=REGISTRY
)
QUEUE_LENGTH = Gauge("report_operator_queue_length", "Objects that wait for a worker.", ["kind"], registry=REGISTRY)
QUEUE_WAIT = Gauge(
    "report_operator_queue_wait_seconds",
    "How long the oldest object has waited for a worker.",
    ["kind"],
    registry=REGISTRY,
)
API_REQUESTS = Counter(
    "report_operator_api_requests",
    "Requests to the API server, without watches, by HTTP method, resource and status (0: no answer).",
    ["method", "resource", "status"],
    registry=REGISTRY,
)
RUNS_WAITING = Gauge("report_operator_runs_waiting", "Runs that wait for their turn.", registry=REGISTRY)
RUNS_WORKING = Gauge("report_operator_runs_working", "Runs that hold a place in the queue.", registry=REGISTRY)
POLICIES_BROKEN = Gauge(
    "report_operator_policies_broken",
    "Namespaces that may run nothing, because their policy cannot be read.",
    registry=REGISTRY,
)
RUNS = Counter("report_operator_runs", "Ended runs by phase and reason.", ["phase", "reason"], registry=REGISTRY)
RUN_SECONDS = Histogram(
    "report_operator_run_seconds",
    "From the making of a run's Job to its final status.",
    ["phase"],
    buckets=(2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400),
    registry=REGISTRY,
)

DELIVERIES = Counter(
    "report_operator_deliveries",
    "Deliveries of ended runs by how they ended: Sent, Failed, Unknown, Pending.",
    ["state"],
    registry=REGISTRY,
)


def observe_status(old: ReportStatus, new: ReportStatus) -> None:
    """Count a run that has just ended; the run id is the exemplar, where OpenMetrics is asked for."""
    ended = new.phase in ENDED and new.reason is not None
    is_known = new.run_id is not None and new.run_id == old.run_id and old.phase in ENDED  # A redelivery is no run.
    if not ended or is_known or new.same_as is not None or (old.phase is new.phase and old.run_id == new.run_id):
        return
    phase, exemplar = str(new.phase), {"run_id": new.run_id} if new.run_id else None
    RUNS.labels(phase=phase, reason=str(new.reason)).inc(exemplar=exemplar)
    if new.start_time is not None and new.completion_time is not None:
        seconds = (new.completion_time - new.start_time).total_seconds()
        RUN_SECONDS.labels(phase=phase).observe(seconds, exemplar=exemplar)
    for each in new.deliveries:
        counts = {"Sent": each.sent, "Failed": each.failed, "Unknown": each.unknown, "Pending": each.pending}
        for state, count in counts.items():
            if count:
                DELIVERIES.labels(state=state).inc(count, exemplar=exemplar)


def observe_request(method: str, resource: str, status: int) -> None:
    """Count a request to the API server."""
    API_REQUESTS.labels(method=method, resource=resource, status=str(status)).inc()
