"""Waits for runs. It asks again and again: kubectl can watch one object or all, not several by name."""

import time
from collections.abc import Callable, Sequence

from report_operator.kubectl.client import REPORT, UNREACHABLE, Json, Kubectl
from report_operator.kubectl.errors import KubectlError, PluginError
from report_operator.kubectl.report import Report

INTERVAL = 1.0
"""Seconds between two looks."""
PATIENCE = 60
"""Looks in a row that an unreachable cluster may fail."""

Show = Callable[[Sequence[Report]], None]
Until = Callable[[Report], bool]


def has_ended(report: Report) -> bool:
    """Return whether the run is over."""
    return report.has_ended


def follow(kubectl: Kubectl, names: Sequence[str], show: Show, until: Until = has_ended) -> Sequence[Report]:
    """Return the Reports when all are as `until` says, their runs ended when not given; `show` gets them at each look.

    Raises PluginError when one is not there, or no more.
    """
    reports: Sequence[Report] = [Report(kubectl.get(REPORT, name)) for name in dict.fromkeys(names)]
    failures = 0
    while True:
        show(reports)
        if all(map(until, reports)):
            return reports
        time.sleep(INTERVAL)
        try:
            reports = _again(reports, kubectl.get_all(REPORT, [report.name for report in reports]))
            failures = 0
        except KubectlError as error:
            failures += 1
            if error.reason != UNREACHABLE or failures == PATIENCE:
                raise


def _again(reports: Sequence[Report], found: dict[str, Json]) -> Sequence[Report]:
    gone = [report.name for report in reports if report.name not in found]
    if gone:
        raise PluginError(f"deleted while waiting for its end: {', '.join(gone)}")
    return [Report(found[report.name]) for report in reports]
