"""Every watch event that the operator reacts to, and how: its Report goes into the queue.

No handler does more than that. With nothing but event handlers kopf writes neither annotations nor finalizers
(kopf/_core/reactor/processing.py), and a lost event costs a delay, never a run.
"""

import kopf

from report_operator.api.metadata import GROUP, REPORT_LABEL, VERSION
from report_operator.control.queue import WorkQueue
from report_operator.control.reconcile import ReportKey
from report_operator.plan import interest


def register(registry: kopf.OperatorRegistry, queue: WorkQueue[ReportKey]) -> None:
    """Register every handler."""

    @kopf.on.event(GROUP, VERSION, "reports", registry=registry)
    async def on_report(event: kopf.RawEvent, **_: object) -> None:
        metadata = event["object"]["metadata"]
        if interest.in_report(dict(event["object"]), listed=event["type"] is None):
            queue.add((metadata["namespace"], metadata["name"]))

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def on_job(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
        view = interest.in_job(dict(event["object"]))
        gone = event["type"] == "DELETED"
        if view is not None and (gone or view != memo.get("view", interest.NEW_JOB)):
            memo["view"] = view
            _add_report_of(event, queue)

    @kopf.on.event("v1", "pods", registry=registry)
    async def on_pod(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
        view = interest.in_pod(dict(event["object"]))
        if view != memo.get("view", interest.NEW_POD):
            memo["view"] = view
            _add_report_of(event, queue)


def _add_report_of(event: kopf.RawEvent, queue: WorkQueue[ReportKey]) -> None:
    """Queue the Report of one of its objects; without the label it is somebody else's object that looks like ours."""
    metadata = event["object"]["metadata"]
    report = metadata["labels"].get(REPORT_LABEL)
    if report:
        queue.add((metadata["namespace"], report))
