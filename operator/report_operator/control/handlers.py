"""Every watch event of kopf that the operator reacts to, and how: an object goes into a queue.

No handler does more than that. With nothing but event handlers kopf writes neither annotations nor finalizers
(kopf/_core/reactor/processing.py), and a lost event costs a delay, never a run. `control.reports` follows
the Reports.
"""

import kopf

from report_operator.api.metadata import GROUP, REPORT_LABEL, VERSION
from report_operator.api.report import key_of
from report_operator.control.admission import Admission
from report_operator.control.clockwork import Clockwork
from report_operator.control.controller import Key
from report_operator.control.inventory import Inventory
from report_operator.control.manifests import Manifests
from report_operator.control.queue import WorkQueue
from report_operator.plan import interest
from report_operator.plan.schedule.rest import rest_of


def register(
    registry: kopf.OperatorRegistry,
    *,
    reports: WorkQueue[Key],
    schedules: WorkQueue[Key],
    known_schedules: Manifests,
    inventory: Inventory,
    admission: Admission,
    clockwork: Clockwork,
) -> None:
    """Register every handler."""

    @kopf.on.event(GROUP, VERSION, "scheduledreports", registry=registry)
    async def on_schedule(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
        manifest = dict(event["object"])
        if event["type"] is None and key_of(manifest) in known_schedules:
            inventory.see_relisted()
        if event["type"] == "DELETED":
            known_schedules.drop(key_of(manifest))
        else:
            known_schedules.put(manifest)
        view = interest.in_schedule(manifest)
        if event["type"] is None and (rest := rest_of(manifest)) is not None:
            memo["view"] = view
            clockwork.set(key_of(manifest), rest.until)
        elif event["type"] in ("DELETED", None) or view != memo.get("view"):
            memo["view"] = view
            schedules.add(key_of(manifest))

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def on_job(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
        gone = event["type"] == "DELETED"
        admission.see(dict(event["object"]), gone=gone)
        view = interest.in_job(dict(event["object"]))
        if view is not None and (gone or view != memo.get("view", interest.NEW_JOB)):
            memo["view"] = view
            _add_report_of(event, reports)

    @kopf.on.event("v1", "pods", registry=registry)
    async def on_pod(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
        view = interest.in_pod(dict(event["object"]))
        if view != memo.get("view", interest.NEW_POD):
            memo["view"] = view
            _add_report_of(event, reports)


def _add_report_of(event: kopf.RawEvent, reports: WorkQueue[Key]) -> None:
    """Queue the Report of one of its objects; without the label it is somebody else's object that looks like ours."""
    metadata = event["object"]["metadata"]
    report = metadata["labels"].get(REPORT_LABEL)
    if report:
        reports.add((metadata["namespace"], report))
