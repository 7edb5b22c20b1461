"""Which Reports have served their time, and which are to go with their ScheduledReport."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from report_operator.api.metadata import Trigger
from report_operator.api.schedule import History, OnDelete
from report_operator.plan.schedule.child import Child
from report_operator.plan.schedule.facts import Ownership


def surplus(children: Iterable[Child], history: History, counted_until: datetime) -> tuple[str, ...]:
    """Return the Reports to delete: of each variant, those beyond the limits, oldest slots first.

    Those whose failure is not counted yet (slots after `counted_until`) stay until it is, and those that are being sent
    again until that has ended. Backfilled Reports stay: they are the oldest by their slots, and were asked for one by
    one.
    """
    groups: defaultdict[tuple[str, bool], list[Child]] = defaultdict(list)
    for child in children:
        if child.has_ended and not child.is_deleted and child.trigger is not Trigger.BACKFILL:
            groups[child.variant, child.phase == "Succeeded"].append(child)
    found: list[Child] = []
    for (_, successful), group in groups.items():
        limit = max(history.successful, history.keep_last) if successful else history.failed
        found += _newest_first(group)[limit:]
    told = [c for c in found if c.trigger is not Trigger.SCHEDULED or c.slot <= counted_until]
    deletable = sorted((c for c in told if c.may_be_deleted), key=lambda child: (child.slot, child.name))
    return tuple(child.name for child in deletable)


def last_good(children: Iterable[Child], variant: str, history: History) -> frozenset[str]:
    """Return the Reports of a variant that are kept in any case, by name: the last `history.keepLast` that succeeded.

    The age of their files is what `plan/upkeep.py` decides by; it asks here for those that it must leave.
    """
    good = [c for c in children if c.phase == "Succeeded" and c.variant == variant and not c.is_deleted]
    counted = [child for child in good if child.trigger in (Trigger.SCHEDULED, Trigger.MANUAL)]
    return frozenset(child.name for child in _newest_first(counted)[: history.keep_last])


def _newest_first(children: Iterable[Child]) -> list[Child]:
    return sorted(children, key=lambda child: (child.slot, child.name), reverse=True)


def ownership(children: Iterable[Child], history: History) -> Ownership:
    """Return the owner references to change, so that `history.onDelete` holds for Reports made before it was edited."""
    owned = history.on_delete is OnDelete.DELETE
    return Ownership(tuple(child.name for child in children if child.is_owned != owned and not child.is_deleted), owned)
