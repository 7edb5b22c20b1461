"""The Reports of every ScheduledReport, in short."""

from collections import defaultdict

from report_operator.api.metadata import SCHEDULE_LABEL
from report_operator.cluster.connection import Json
from report_operator.control.controller import Key
from report_operator.plan.schedule.child import Child, maker_of


class Children:
    """What is known of the Reports that ScheduledReports have made.

    It follows the listing and the watch of all Reports: asking the API server for each decision would have it go
    through every Report of the cluster each time. Names are made from slots, so a Report that is not known yet is not
    made twice.
    """

    def __init__(self) -> None:
        self._families: defaultdict[tuple[str, str], dict[str, Child]] = defaultdict(dict)
        """By namespace and UID of the ScheduledReport: the labels can be copied into another namespace."""
        self._unlisted: set[tuple[str, str, str]] = set()

    def of(self, namespace: str, uid: str) -> tuple[Child, ...]:
        """Return the Reports of a ScheduledReport."""
        return tuple(self._families.get((namespace, uid), {}).values())

    def put(self, manifest: Json) -> Key | None:
        """Remember a Report; return its ScheduledReport when a decision about that may change."""
        uid = maker_of(manifest)
        if uid is None:
            return None
        child, namespace = Child.from_manifest(manifest), manifest["metadata"]["namespace"]
        family = self._families[namespace, uid]
        known = family.get(child.name)
        family[child.name] = child
        self._unlisted.discard((namespace, uid, child.name))
        return None if known is not None and _outline(known) == _outline(child) else _schedule_of(manifest)

    def drop(self, manifest: Json) -> Key | None:
        """Forget a Report that is gone; return its ScheduledReport."""
        uid = maker_of(manifest)
        if uid is None:
            return None
        self._forget(manifest["metadata"]["namespace"], uid, manifest["metadata"]["name"])
        return _schedule_of(manifest)

    def begin_listing(self) -> None:
        """Expect a `put` of every Report that there is."""
        self._unlisted = {(*key, name) for key, family in self._families.items() for name in family}

    def end_listing(self) -> None:
        """Forget those of before the listing that it has not named: they went while nobody watched."""
        for namespace, uid, name in self._unlisted:
            self._forget(namespace, uid, name)
        self._unlisted = set()

    def _forget(self, namespace: str, uid: str, name: str) -> None:
        family = self._families[namespace, uid]
        family.pop(name, None)
        if not family:
            del self._families[namespace, uid]


def _schedule_of(manifest: Json) -> Key:
    return manifest["metadata"]["namespace"], manifest["metadata"]["labels"][SCHEDULE_LABEL]


def _outline(child: Child) -> tuple[str, bool, bool, bool]:
    """Return what decisions depend on: between its making and its end a Report changes often.

    A failure can become a success after its end, by a redelivery, and may not be deleted meanwhile.
    """
    return child.phase if child.has_ended else "", child.is_deleted, child.is_owned, child.is_sent_again
