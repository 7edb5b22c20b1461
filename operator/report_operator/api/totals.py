"""What the status shows of a ledger."""

from collections.abc import Sequence
from itertools import groupby

from report_operator.api.deliveries import PROBLEMS_SHOWN, Delivery, DeliveryState, Entry, Problem

_WORST_FIRST = (DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.PENDING)


def totals(entries: Sequence[Entry]) -> list[Delivery]:
    """Return the totals of each destination; the entries of one come after each other."""
    return [_total(name, list(group)) for name, group in groupby(entries, lambda entry: entry.destination)]


def _total(name: str, entries: Sequence[Entry]) -> Delivery:
    counts = {state: sum(entry.state is state for entry in entries) for state in DeliveryState}
    unsent = [entry for entry in entries if entry.state is not DeliveryState.SENT]
    problems = [
        Problem(recipient=entry.recipient, state=entry.state, last_error=entry.last_error or "")
        for entry in sorted(unsent, key=lambda entry: _WORST_FIRST.index(entry.state))[:PROBLEMS_SHOWN]
    ]
    return Delivery(
        name=name,
        state=problems[0].state if problems else DeliveryState.SENT,
        sent=counts[DeliveryState.SENT],
        failed=counts[DeliveryState.FAILED],
        unknown=counts[DeliveryState.UNKNOWN],
        pending=counts[DeliveryState.PENDING],
        last_error=problems[0].last_error if problems else None,
        completion_time=max((entry.time for entry in entries if entry.time), default=None),
        problems=problems,
    )
