"""The Job and Secret of a redelivery: what is to be sent again, and with what."""

import base64
from collections.abc import Collection, Mapping
from typing import Any

from report_operator.api.deliveries import Deliveries, DeliveryState
from report_operator.api.metadata import REDELIVERY_LABEL
from report_operator.api.redelivery import ORDER_FILE, RedeliveryOrder
from report_operator.api.report import ReportSpec
from report_operator.api.run import LEDGER_FILE, RESULT_FILE, Request
from report_operator.plan import child, job, names, secret
from report_operator.plan.job import RunDefaults
from report_operator.plan.subject import Subject

WRITTEN = (LEDGER_FILE, RESULT_FILE)
"""Files in the run's folder that a redelivery writes anew."""


def order(spec: ReportSpec, ledger: Deliveries, states: Collection[DeliveryState]) -> RedeliveryOrder:
    """Return what is to be sent again: of the ledger's entries, those in one of these states.

    A run is trusted less than the operator: entries that the spec does not have are left out.
    """
    planned = set(secret.planned_entries(spec))
    before = [entry for entry in ledger.entries if entry.id in planned]
    again = [entry.id for entry in before if entry.state in states]
    return RedeliveryOrder(before=before, again=again)


def job_manifest(subject: Subject, ordered: Request, defaults: RunDefaults, token: str) -> dict[str, Any]:
    """Return the Job."""
    return job.redelivery(subject, ordered, defaults, _metadata(subject, token))


def secret_manifest(subject: Subject, of_run: Mapping[str, Any], wanted: RedeliveryOrder, token: str) -> dict[str, Any]:
    """Return the Secret: one as `of_run`, with what is to be sent again beside its links."""
    data = of_run["data"] | {ORDER_FILE.name: base64.b64encode(wanted.packed()).decode()}
    return {**of_run, "metadata": _metadata(subject, token), "data": data}


def _metadata(subject: Subject, token: str) -> dict[str, Any]:
    metadata = child.metadata(subject, names.redelivery_name(subject.metadata.name, subject.run_id, token))
    metadata["labels"] |= {REDELIVERY_LABEL: names.redelivery_id(token)}
    return metadata
