"""Every failure has its documented reason, a message that helps, no credentials, and nothing half uploaded."""

from collections.abc import Iterator
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from tests.e2e.failures import FAST, WRONG_PASSWORD, Cause, http, secret, spec, sql
from tests.e2e.reports import JSON, PATIENCE, PDF, Team, download, outcome
from tests.support.cluster import CommandError, condition, eventually

pytestmark = pytest.mark.cluster


def check(place: Team, cause: Cause, bucket: Any) -> None:
    """Look at everything that a failed Report has to say, and at what it left."""
    found = place.wait_for(cause.name, cause.reason)
    status = found["status"]
    assert outcome(found) == (cause.phase, cause.reason)
    assert cause.reason in set(Reason)
    assert cause.says in status["message"]
    assert status.get("stage") == cause.stage
    waits = cause.reason == "Unschedulable"  # the scheduler keeps trying
    assert condition(found, "Ready") == ("Unknown" if waits else "False")
    assert condition(found, "Reconciling") == ("True" if waits else None)
    assert condition(found, "Stalled") == (None if waits else "True")
    assert {each["message"] for each in status["conditions"]} == {status["message"]}
    assert status["artifacts"] == []
    assert ("completionTime" in status) is (cause.phase == "Failed")
    event = eventually(lambda: place.event(cause.name, cause.reason), 30, "the Event is recorded")
    assert event["type"] == ("Normal" if waits else "Warning")
    assert cause.says in event["message"]
    left = bucket.objects.filter(Prefix=f"{place.namespace}/{cause.name}/")
    assert [each.key for each in left] == []


@pytest.mark.requirement("E5")
@pytest.mark.parametrize("cause", FAST, ids=lambda cause: cause.name)
def test_cause_has_its_reason(failing: Team, bucket: Any, cause: Cause) -> None:
    check(failing.elsewhere(cause.namespace), cause, bucket)


def test_good_report_among_the_bad_succeeds(failing: Team) -> None:
    assert outcome(failing.wait("good")) == ("Succeeded", "Succeeded")


@pytest.mark.requirement("E6")
def test_outage_is_tried_again(failing: Team) -> None:
    """The server answers 503 once."""
    found = failing.wait_for("flaky", "Succeeded")
    assert outcome(found) == ("Succeeded", "Succeeded")
    assert found["status"]["attempt"] == 2


@pytest.mark.requirement("E6")
def test_retry_is_told_while_it_waits(failing: Team) -> None:
    failing.create("unsteady", spec(http("/status/503")))
    found = failing.wait_for("unsteady", "Retrying")
    assert "503" in found["status"]["message"]
    assert condition(found, "Reconciling") == "True"
    event = eventually(lambda: failing.event("unsteady", "Retrying"), 30, "the Event is recorded")
    assert event["type"] == "Normal"
    failing.delete("unsteady")


def test_run_goes_on_when_the_secret_comes(failing: Team) -> None:
    failing.create("early", spec(sql("select name from airlines", "late")))
    assert "goes on by itself" in failing.wait_for("early", "SecretNotFound")["status"]["message"]
    failing.cluster.apply([secret("late", url=failing.database_url)], failing.namespace)
    found = eventually(lambda: ready(failing, "early"), PATIENCE, "the run goes on")
    assert outcome(found) == ("Succeeded", "Succeeded")
    assert found["metadata"]["generation"] == 1


def ready(team: Team, name: str) -> Any:
    """Return the Report when it is Ready."""
    found = team.get(name)
    return found if condition(found, "Ready") == "True" else None


def test_edit_mends_what_the_user_got_wrong(failing: Team) -> None:
    before = failing.wait_for("missing-table", "QueryFailed")["status"]
    failing.create("missing-table", spec(sql("select name from airlines")))
    found = failing.wait("missing-table")
    assert outcome(found) == ("Succeeded", "Succeeded")
    assert found["status"]["runID"] == before["runID"].removesuffix("1") + "2"


def test_no_credentials_anywhere(failing: Team) -> None:
    """Neither the right password nor the wrong one: in no status, Event, Job, pod, log or document."""
    failing.create("discreet", spec(sql("select name from airlines"), outputs=[JSON, PDF]))
    assert outcome(failing.wait("discreet")) == ("Succeeded", "Succeeded")
    failing.wait("wrong-password")
    password = failing.database_url.split(":")[2].split("@")[0]
    for words in texts(failing):
        assert password not in words
        assert WRONG_PASSWORD not in words


def texts(team: Team) -> Iterator[str]:
    """Yield everything that people without access to the Secrets can read."""
    yield from (
        team.cluster.kubectl("get", kind, f"--namespace={team.namespace}", "--output=json")
        for kind in ("reports", "events", "jobs", "pods")
    )
    yield team.cluster.kubectl("logs", "deployment/report-operator", "--namespace=report-operator", "--tail=-1")
    for pod in team.cluster.list("pods", team.namespace, "app.kubernetes.io/managed-by=report-operator"):
        if pod["status"].get("reason") == "Evicted":  # The kubelet has removed its containers, and their logs.
            continue
        name = f"pod/{pod['metadata']['name']}"
        for status in pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", []):
            if "waiting" not in status["state"]:
                try:
                    yield team.cluster.kubectl("logs", name, f"-c{status['name']}", f"--namespace={team.namespace}")
                except CommandError:  # Its Job was ended, or it was evicted, meanwhile.
                    now = team.cluster.get("pod", pod["metadata"]["name"], team.namespace)
                    assert now is None or "deletionTimestamp" in now["metadata"] or now["status"]["reason"] == "Evicted"
    good = team.get("discreet")
    yield from (download(good, each["name"]).decode("latin-1") for each in good["status"]["artifacts"])
