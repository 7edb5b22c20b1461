"""From what a run says it sent to the status. A run is trusted less than the operator."""

from collections.abc import Collection, Mapping, Sequence

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import ERROR_LENGTH, Delivery, DeliveryState, Entry
from report_operator.api.report import ReportSpec
from report_operator.api.run import Result
from report_operator.plan.failure import Cause

_UNREPORTED = "the run does not report it"
_CUT_OFF = "it was ended before it could tell whether this was sent"
_NO_LEDGER = "it was ended, and its ledger is not there to tell whether this was sent"


def settled(before: Sequence[Entry], begun: Collection[str], records: Mapping[str, Entry]) -> list[Entry]:
    """Return the entries of what was ended while it delivered.

    `before` are they as they were stored last, `begun` the ids of those that have an intent, `records` what is recorded
    of those that have ended, by id.
    """
    return [_settled(entry, is_begun=entry.id in begun, record=records.get(entry.id)) for entry in before]


def _settled(entry: Entry, *, is_begun: bool, record: Entry | None) -> Entry:
    if record is not None:
        return record.model_copy(update={"destination": entry.destination, "recipient": entry.recipient})
    if not is_begun or entry.state is DeliveryState.SENT:
        return entry
    return entry.model_copy(update={"state": DeliveryState.UNKNOWN, "last_error": _CUT_OFF})


def unknown(spec: ReportSpec) -> list[Entry]:
    """Return the entries of a run whose ledger cannot be had."""
    return [
        Entry(destination=each.name, recipient=recipient, state=DeliveryState.UNKNOWN, last_error=_NO_LEDGER)
        for each in spec.destinations
        for recipient in each.recipients
    ]


def check(spec: ReportSpec, result: Result, ended_by: str = "") -> list[Delivery]:
    """Return what became of each destination of the spec, in its order; others are left out.

    `ended_by` is why the run was ended before it had delivered, if it was.
    """
    known = {delivery.name: delivery for delivery in reported(result, ended_by)}
    return [
        known.get(each.name)
        or Delivery(
            name=each.name,
            state=DeliveryState.UNKNOWN,
            unknown=len(each.recipients),
            last_error=_UNREPORTED,
        )
        for each in spec.destinations
    ]


def reported(result: Result, ended_by: str = "") -> list[Delivery]:
    """Return what became of the destinations of a run whose spec is another one by now; `ended_by` as for `check`."""
    return [_explained(delivery, ended_by) for delivery in result.deliveries]


def again(known: Sequence[Delivery], result: Result, ended_by: str = "") -> list[Delivery]:
    """Return what became of the destinations that are `known` after a redelivery; others are left out.

    `ended_by` is why that was ended before it had delivered, if it was: said where its end is not known.
    """
    now = {delivery.name: delivery for delivery in result.deliveries}
    found = [(each, now.get(each.name, each)) for each in known]
    return [new if new.last_error == old.last_error else _explained(new, ended_by) for old, new in found]


def _explained(delivery: Delivery, ended_by: str) -> Delivery:
    """Return a delivery that says why it was not ended, where that is so."""
    if not ended_by or not (delivery.unknown or delivery.pending):
        return delivery
    said = f"{(delivery.last_error or '').rstrip('.')}. {ended_by}".removeprefix(". ")
    return delivery.model_copy(update={"last_error": said[:ERROR_LENGTH]})


def conclude(deliveries: Sequence[Delivery]) -> Cause:
    """Return whether all is sent, and what is not."""
    unsent = [delivery for delivery in deliveries if delivery.state is not DeliveryState.SENT]
    if not unsent:
        count = f"{len(deliveries)} destination{'' if len(deliveries) == 1 else 's'}"
        return Cause(Reason.DELIVERED, f"Sent to {count}.")
    uncertain = all(delivery.state is DeliveryState.UNKNOWN for delivery in unsent)
    reason = Reason.DELIVERY_UNKNOWN if uncertain else Reason.DELIVERY_FAILED
    return Cause(reason, " ".join(map(_sentence, unsent)))


def _sentence(delivery: Delivery) -> str:
    total = delivery.sent + delivery.failed + delivery.unknown + delivery.pending
    counts = {"failed": delivery.failed, "unknown": delivery.unknown, "not begun": delivery.pending}
    if total == 1:
        found = next(word for word, count in counts.items() if count)
    else:
        found = f"{', '.join(f'{count} {word}' for word, count in counts.items() if count)} of {total}"
    return f"Destination {delivery.name}: {found}: {(delivery.last_error or 'no cause is known').rstrip('.')}."
