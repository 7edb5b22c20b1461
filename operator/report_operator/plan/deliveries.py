"""From what a run says it sent to the status. A run is trusted less than the operator."""

from collections.abc import Sequence

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import ERROR_LENGTH, Delivery, DeliveryState
from report_operator.api.report import ReportSpec
from report_operator.api.run import Result
from report_operator.plan.failure import Cause

_UNREPORTED = "the run does not report it"


def check(spec: ReportSpec, result: Result, ended_by: str = "") -> list[Delivery]:
    """Return what became of each destination of the spec, in its order; others are left out.

    `ended_by` is why the run was ended before it had delivered, if it was.
    """
    reported = {delivery.name: _explained(delivery, ended_by) for delivery in result.deliveries}
    return [
        reported.get(each.name)
        or Delivery(
            name=each.name,
            state=DeliveryState.UNKNOWN,
            unknown=len(each.recipients),
            last_error=_UNREPORTED,
        )
        for each in spec.destinations
    ]


def again(known: Sequence[Delivery], result: Result, ended_by: str = "") -> list[Delivery]:
    """Return what became of the destinations that are `known` after a redelivery; others are left out.

    `ended_by` is why that was ended before it had delivered, if it was: said where its end is not known.
    """
    reported = {delivery.name: delivery for delivery in result.deliveries}
    found = [(each, reported.get(each.name, each)) for each in known]
    return [new if new.last_error == old.last_error else _explained(new, ended_by) for old, new in found]


def _explained(delivery: Delivery, ended_by: str) -> Delivery:
    if not ended_by or delivery.last_error is None:
        return delivery
    return delivery.model_copy(update={"last_error": f"{delivery.last_error}: {ended_by}"[:ERROR_LENGTH]})


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
