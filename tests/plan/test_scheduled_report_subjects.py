"""The entity that the Reports of each variant of a ScheduledReport are about."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report_operator.api.entity import EntitySelector
from tests.support.schedules import DAILY, World, condition

WINDOW = {"column": "ended", "endSeconds": 9}
WAYS: list[dict[str, Any]] = [{}, {"entityID": "a"}, {"hint": "b"}, {"timeRange": WINDOW}]
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "table": st.sampled_from(["calls", "teams"]),
        "idColumn": st.text(min_size=1, max_size=5),
        "label": st.text(min_size=1, max_size=5),
        "onMiss": st.sampled_from(["Error", "FallbackDominant"]),
    },
)
SUBJECTS = st.none() | st.builds(lambda way, fields: way | fields, st.sampled_from(WAYS), FIELDS)


def about(subject: dict[str, Any] | None) -> dict[str, Any]:
    """Return the template of Reports about a subject."""
    sources = [{"name": name, "inline": {"rows": [{"id": 1}]}} for name in ("calls", "teams")]
    spec = {"sources": sources, "outputs": [{"format": "json"}]}
    return {"spec": spec | ({"subject": subject} if subject is not None else {})}


def subjects(world: World) -> dict[str, Any]:
    """Return the subject of the Report of each variant."""
    label = "report-operator.io/variant"
    return {report["metadata"]["labels"][label]: report["spec"].get("subject") for report in world.reports.values()}


@pytest.mark.requirement("B2", "E2")
def test_reports_are_about_the_subject_of_their_variant_over_that_of_the_template() -> None:
    variants = [
        {"name": "plain"},
        {"name": "id", "subject": {"entityID": "a-2", "label": "Two"}},
        {"name": "window", "subject": {"timeRange": {"column": "ended", "endSeconds": 9}}},
        {"name": "other", "subject": {"table": "teams", "onMiss": "FallbackDominant"}},
    ]
    subject = {"table": "calls", "idColumn": "agent_id", "onMiss": "Error", "hint": "smith", "of-newer": 1}
    world = World.of("2026-05-04 08:00", **DAILY, variants=variants, template=about(subject))
    world.operate(to="2026-05-04 09:00")
    assert condition(world, "Ready") == ("True", "Scheduled")
    base = {"table": "calls", "idColumn": "agent_id", "onMiss": "Error", "of-newer": 1}
    assert subjects(world) == {
        "plain": base | {"hint": "smith"},
        "id": base | {"entityID": "a-2", "label": "Two"},
        "window": base | {"timeRange": {"column": "ended", "endSeconds": 9}},
        "other": base | {"hint": "smith", "table": "teams", "onMiss": "FallbackDominant"},
    }


@pytest.mark.requirement("E2")
def test_reports_may_have_a_subject_that_only_their_variant_has() -> None:
    variants = [{"name": "one", "subject": {"table": "calls", "idColumn": "id"}}, {"name": "none"}]
    world = World.of("2026-05-04 08:00", **DAILY, variants=variants, template=about(None))
    world.operate(to="2026-05-04 09:00")
    assert subjects(world) == {"one": {"table": "calls", "idColumn": "id"}, "none": None}


@settings(max_examples=40)
@given(asked=st.lists(SUBJECTS, min_size=2, max_size=2))
def test_reports_have_the_same_names_whatever_their_subject_is(asked: list[dict[str, Any] | None]) -> None:
    base = {"table": "calls", "idColumn": "agent_id"}
    made = []
    for subject in asked:
        variant = {"name": "emea"} | ({"subject": subject} if subject is not None else {})
        world = World.of("2026-05-04 08:00", **DAILY, variants=[variant], template=about(base))
        world.operate(to="2026-05-04 09:00")
        [report] = world.reports.values()
        EntitySelector.model_validate(report["spec"]["subject"], extra="forbid")
        assert sum(way in report["spec"]["subject"] for way in ("timeRange", "entityID", "hint")) <= 1
        made.append(world.made)
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("base", "subject", "says"),
    [
        (None, {"entityID": "a"}, ": table and idColumn missing: set it there, or in spec.template.spec.subject."),
        (None, {"table": "calls"}, ": idColumn missing: set it there"),
        (
            {"table": "calls", "idColumn": "id"},
            {"table": "nope"},
            ".table: there is no source or table 'nope' in spec.template.spec; known are: calls, teams.",
        ),
    ],
)
@pytest.mark.requirement("E2")
def test_reports_are_not_made_while_a_variant_has_no_whole_subject(
    base: dict[str, Any] | None, subject: dict[str, Any], says: str
) -> None:
    variants = [{"name": "good"}, {"name": "emea", "subject": subject, "suspend": True}]
    world = World.of("2026-05-04 08:00", **DAILY, variants=variants, template=about(base))
    world.operate(to="2026-05-04 09:00")
    assert world.made == []
    assert condition(world, "Ready") == ("False", "InvalidSpec")
    assert condition(world, "Stalled") == ("True", "InvalidSpec")
    [ready] = [c["message"] for c in world.status["conditions"] if c["type"] == "Ready"]
    assert f"spec.variants[emea].subject{says}" in ready
    world.edit(variants=[{"name": "good"}])
    world.run("2026-05-05 09:00")
    assert condition(world, "Ready") == ("True", "Scheduled")
    assert world.slots() == ["05-05 09:00"]
