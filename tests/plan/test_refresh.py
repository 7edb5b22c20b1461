"""New links because an annotation asks for them: once for each value, at once, and nothing else changes."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from report_operator.api.metadata import REFRESH_LINKS_ANNOTATION
from report_operator.plan.facts import Decision, DiscardArtifacts, Facts, SignLinks
from report_operator.plan.links import SignedLinks
from report_operator.plan.report import decide
from report_operator.plan.retention import of_expired
from report_operator.plan.subject import Subject
from tests.support.objects import NOW, SPEC, condition, facts, job, pod, report, result, running, stored

Json = dict[str, Any]
DAY = timedelta(days=1)
LATER = NOW + 10 * DAY


def finished(generation: int = 1, **download: Any) -> Json:
    """Return a Report whose run has just been recorded; somebody asks for links now."""
    manifest = report(generation, SPEC | {"download": download})
    subject = Subject.from_manifest(manifest)
    done = job(subject, condition("Complete"))
    decision = decide(facts(manifest, jobs=(done,), stored=stored(result(subject))))
    assert decision.status is not None
    manifest["metadata"]["annotations"] = {REFRESH_LINKS_ANNOTATION: "t1"}
    return manifest | {"status": decision.status.to_wire()}


def look(manifest: Json, expire_at: datetime | None = None, **fields: Any) -> Decision:
    """Return the decision after LATER; links that are signed then end at `expire_at`."""
    names = [each["name"] for each in manifest.get("status", {}).get("artifacts", [])]
    made = {name: SignedLinks(f"https://new/{name}", "https://new/view", expire_at or LATER + DAY) for name in names}
    return decide(facts(manifest, LATER, **({"new_links": made} | fields)))


@pytest.mark.requirement("A9")
class TestRequest:
    @pytest.mark.parametrize(("refresh", "renewed"), [("Auto", True), ("OnDemand", False)])
    def test_puts_new_links_into_the_status_and_changes_nothing_else(self, refresh: str, renewed: bool) -> None:
        manifest = finished(refresh=refresh)
        assert look(manifest, new_links=None).actions == (SignLinks(),)
        decision = look(manifest)
        assert decision.status is not None
        assert (decision.actions, decision.announcements, decision.retry) == ((), (), False)
        after, before = decision.status.to_wire(), manifest["status"]
        assert all(each["downloadURL"] == f"https://new/{each['name']}" for each in after["artifacts"])
        assert after["linkRefresh"] == {"token": "t1"}
        assert {name for name in after if after[name] != before.get(name)} <= {
            "artifacts",
            "linksRenewAt",
            "linkRefresh",
        }
        assert ("linksRenewAt" in after, "linksRenewAt" in before) == (renewed, renewed)

    def test_is_followed_once(self) -> None:
        manifest = finished(refresh="OnDemand")
        status = look(manifest).status
        assert status is not None
        again = manifest | {"status": status.to_wire()}
        assert (look(again, new_links=None).actions, look(again).status) == ((), None)
        again["metadata"]["annotations"] = {REFRESH_LINKS_ANNOTATION: "t2"}
        assert look(again, new_links=None).actions == (SignLinks(),)

    def test_is_not_followed_again_after_an_edit(self) -> None:
        status = look(finished()).status
        assert status is not None
        edited = finished(2) | {"status": status.to_wire()}
        mine = job(Subject.from_manifest(edited))
        decision = look(edited, jobs=(mine,), pods=(pod(mine, running()),))
        assert decision.status is not None
        assert decision.status.link_refresh == status.link_refresh

    def test_is_done_when_no_links_last_longer(self) -> None:
        manifest = finished()
        decision = look(manifest, expire_at=NOW + DAY)
        assert decision.status is not None
        assert decision.status.to_wire() == manifest["status"] | {"linkRefresh": {"token": "t1"}}

    def test_during_an_outage_is_tried_again(self) -> None:
        decision = look(finished(), new_links=None, outage="The store is down.")
        assert decision.retry
        assert decision.status is None

    def test_does_not_keep_what_else_is_to_be_done(self) -> None:
        """A run of an older generation is tidied up when the links are there, not before."""
        manifest = finished(2)
        older = job(Subject.from_manifest(report(1)), condition("Failed"))
        assert DiscardArtifacts(Subject.from_manifest(report(1)).run_id) in look(manifest, jobs=(older,)).cleanup


def refused(made: Facts, says: str) -> None:
    decision = decide(made)
    assert decision.status is not None
    told = decision.status.to_wire()["linkRefresh"]
    assert told["token"] == "t1"
    assert says in told["message"]
    assert [(each.type, each.reason) for each in decision.announcements][-1:] == [("Warning", "LinkRefreshRefused")]
    assert not any(isinstance(action, SignLinks) for action in decision.actions)


class TestRefusal:
    @pytest.mark.parametrize(
        ("download", "says"),
        [
            ({"refresh": "Never"}, "spec.download.refresh is Never: the links are made once. Set it to OnDemand or"),
            ({"links": "Disabled"}, "spec.download.links is Disabled: the Report has no links."),
        ],
    )
    def test_where_the_spec_has_none(self, download: Json, says: str) -> None:
        refused(facts(finished(**download), LATER), says)

    def test_where_the_platform_team_allows_none(self) -> None:
        refused(facts(finished(), LATER, new_links={}), "(chart value links.enabled, or maxLinkTTL of the policy)")

    def test_of_a_run_that_goes_on(self) -> None:
        manifest = finished(2) | {"status": finished()["status"]}
        mine = job(Subject.from_manifest(manifest))
        refused(facts(manifest, jobs=(mine,), pods=(pod(mine, running()),)), "There are no files to link to")

    def test_of_files_that_have_expired(self) -> None:
        manifest = finished()
        expired = of_expired(Subject.from_manifest(manifest), NOW).to_wire()
        refused(facts(manifest | {"status": expired}, LATER), "or they have expired")

    def test_of_what_this_version_cannot_read(self) -> None:
        manifest = finished()
        manifest["spec"]["outputs"] = [{"format": "hologram"}]
        refused(facts(manifest, LATER), "spec.outputs[0].format cannot be read by this version")
