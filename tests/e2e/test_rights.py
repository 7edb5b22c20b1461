"""Who can do what: the operator little, a run nothing, a template not even that."""

import json
import secrets

import pytest

from tests.e2e.failures import config, spec
from tests.e2e.reports import PDF, Team, outcome
from tests.support.cluster import Cluster, CommandError

pytestmark = pytest.mark.cluster

OPERATOR = "system:serviceaccount:report-operator:report-operator"


def rights(cluster: Cluster, account: str, namespace: str) -> str:
    """Return what `kubectl auth can-i --list` says, without what everybody may."""
    text = cluster.kubectl("auth", "can-i", "--list", f"--as={account}", f"--namespace={namespace}")
    everybody = ("selfsubject", "[/", "Resources")
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith(everybody) and "[/" not in line)


def test_operator_reads_no_secret(team: Team) -> None:
    listed = rights(team.cluster, OPERATOR, team.namespace)
    [line] = [line for line in listed.splitlines() if line.startswith("secrets")]
    assert line.endswith("[create delete update]")
    assert "*" not in listed


def test_operator_reads_config_maps_of_its_own_namespace_only(team: Team) -> None:
    assert "configmaps" not in rights(team.cluster, OPERATOR, team.namespace)
    [line] = [each for each in rights(team.cluster, OPERATOR, "report-operator").splitlines() if "configmaps" in each]
    assert line.endswith("[list]")


def test_run_has_no_rights_and_no_token(team: Team) -> None:
    team.create("rights", spec())
    team.wait("rights")
    [pod] = team.owned("pods", "rights")
    account = f"system:serviceaccount:{team.namespace}:{pod['spec']['serviceAccountName']}"
    assert rights(team.cluster, account, team.namespace) == ""
    assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]
    assert "token" not in json.dumps(pod["spec"]["volumes"]).lower()


@pytest.mark.requirement("N10")
def test_render_is_given_no_secret(team: Team) -> None:
    team.create("rights", spec())
    team.wait("rights")
    [pod] = team.owned("pods", "rights")
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    [render] = [each for each in pod["spec"]["initContainers"] if each["name"] == "render"]
    mounted = [volumes[mount["name"]] for mount in render["volumeMounts"]]
    keys = [item["key"] for each in mounted if "secret" in each for item in each["secret"]["items"]]
    assert keys == ["request.json"]  # the spec, which is no secret; the links are not in it
    [variable] = render["env"]
    assert variable["name"] == "REPORT_OPERATOR_REQUEST_SHA256"


@pytest.mark.requirement("N10")
def test_document_fetches_nothing(team: Team) -> None:
    """The web server is never asked: a page that asks for it fails, and says what to do."""
    spy = f"spy-{secrets.token_hex(8)}"
    page = (
        f'<link rel="stylesheet" href="http://web/{spy}"><img src="http://web/{spy}"><img src="file:///etc/passwd">'
        "<p>Still here</p>"
    )
    team.cluster.apply([config("spying", **{"page.html": page})], team.namespace)
    team.create("spying", spec(template={"configMapRef": {"name": "spying", "key": "page.html"}}, outputs=[PDF]))
    found = team.wait("spying")
    assert outcome(found) == ("Failed", "TemplateFailed")
    assert "documents load nothing from outside" in found["status"]["message"]
    assert spy not in team.cluster.kubectl("logs", "deployment/web", f"--namespace={team.namespace}", "--tail=-1")


def test_privileged_pod_is_refused_where_runs_are_taken(team: Team) -> None:
    """Or passing the restricted standard would prove nothing."""
    with pytest.raises(CommandError, match="violates PodSecurity"):
        team.cluster.kubectl("run", "root", "--image=localhost/postgres:dev", f"--namespace={team.namespace}")
