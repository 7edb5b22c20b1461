"""What is remembered of the Reports of ScheduledReports, and which news of them is worth a look."""

from datetime import UTC, datetime
from typing import Any

from report_operator.api.metadata import Trigger
from report_operator.control.children import Children
from report_operator.plan.schedule import names as names_of

Json = dict[str, Any]
SCHEDULE = ("team-a", "weekly")


def name(number: int) -> str:
    """Return the name of the Report of a slot."""
    return names_of.of_run("weekly", "uid", Trigger.SCHEDULED, "", slot=slot(number), token="")


def slot(number: int) -> datetime:
    return datetime(2026, 5, 4, number, tzinfo=UTC)


def report(number: int = 1, namespace: str = "team-a", phase: str = "", **metadata: Any) -> Json:
    labels = {
        "app.kubernetes.io/managed-by": "report-operator",
        "report-operator.io/schedule": "weekly",
        "report-operator.io/schedule-uid": "uid",
        "report-operator.io/trigger": "scheduled",
    }
    base = {"name": name(number), "namespace": namespace, "labels": labels, "creationTimestamp": "2026-05-04T06:00:00Z"}
    base["annotations"] = {"report-operator.io/slot": names_of.rfc3339(slot(number))}
    return {"metadata": base | metadata, "status": {"phase": phase} if phase else {}}


def names(children: Children, namespace: str = "team-a") -> list[str]:
    return sorted(child.name for child in children.of(namespace, "uid"))


class TestChildren:
    def test_its_making_and_its_end_are_worth_a_look_and_nothing_between(self) -> None:
        children = Children()
        told = [children.put(report(phase=phase)) for phase in ("", "Queued", "Running", "Succeeded", "Succeeded")]
        assert told == [SCHEDULE, None, None, SCHEDULE, None]

    def test_a_failure_that_a_redelivery_has_mended_is(self) -> None:
        children = Children()
        told = [children.put(report(phase=phase)) for phase in ("Failed", "Failed", "Succeeded")]
        assert told == [SCHEDULE, None, SCHEDULE]

    def test_the_end_of_a_redelivery_is(self) -> None:
        """Until then it is not deleted, however many there are."""
        children = Children()
        told = []
        for phase in ("Waiting", "Running", "Ended"):
            manifest = report(phase="Failed")
            manifest["status"]["redelivery"] = {"token": "t1", "phase": phase}
            told.append(children.put(manifest))
        assert told == [SCHEDULE, None, SCHEDULE]

    def test_its_deletion_is(self) -> None:
        children = Children()
        children.put(report())
        assert children.put(report(deletionTimestamp="2026-05-04T07:00:00Z")) == SCHEDULE
        assert children.drop(report()) == SCHEDULE
        assert names(children) == []

    def test_reports_of_users_are_not_remembered(self) -> None:
        children = Children()
        assert children.put(report(labels={})) is None
        copied = {"report-operator.io/schedule": "weekly", "report-operator.io/schedule-uid": "uid"}
        assert children.put(report(labels=copied)) is None
        assert children.put(report(name="a-copy")) is None
        assert names(children) == []

    def test_labels_copied_into_another_namespace_are_another_matter(self) -> None:
        children = Children()
        children.put(report(namespace="team-b"))
        assert names(children) == []

    def test_what_a_listing_does_not_name_is_gone(self) -> None:
        children = Children()
        for number in (1, 2):
            children.put(report(number))
        children.begin_listing()
        children.put(report(2))
        children.put(report(3))
        assert names(children) == [name(1), name(2), name(3)]
        children.end_listing()
        assert names(children) == [name(2), name(3)]

    def test_a_listing_that_was_broken_off_forgets_nothing(self) -> None:
        children = Children()
        children.put(report(1))
        children.begin_listing()
        children.begin_listing()
        children.put(report(1))
        children.end_listing()
        assert names(children) == [name(1)]
