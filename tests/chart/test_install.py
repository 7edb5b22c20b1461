"""The chart and the plain manifests, on a real API server: what kubectl and Helm send is taken, by Pod Security too."""

import functools
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.support.apiserver import ROOT, ApiServer, tool
from tests.support.chart import Object, render

OPERATOR = "system:serviceaccount:report-operator:report-operator"
EXPOSED = {"service": {"type": "NodePort", "nodePort": 30333}, "persistence": {"enabled": False}}
ABSENT = {"enabled": False}
VARIANTS: dict[str, Object] = {
    "defaults": {},
    "exposed": {"store": {"publicEndpoint": "http://10.0.0.1:30333", "embedded": EXPOSED}},
    "s3": {"store": {"embedded": ABSENT, "endpoint": "https://s3.example.com", "existingSecret": "keys"}},
    "role": {"store": {"embedded": ABSENT}, "serviceAccount": {"annotations": {"example.com/role": "x"}}},
    "placed": {
        "imagePullSecrets": ["pull"],
        "nodeSelector": {"pool": "infra"},
        "tolerations": [{"operator": "Exists"}],
    },
}


@functools.cache
def _program() -> str:
    return tool("kubectl")


def kubectl(server: ApiServer, *arguments: object, stdin: str = "") -> str:
    """Run kubectl as the administrator and return what it prints."""
    command = [_program(), f"--kubeconfig={server.kubeconfig}", *map(str, arguments)]
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(empty_cluster: ApiServer) -> ApiServer:
    """The API server after `kubectl apply -f manifests/install.yaml`."""
    kubectl(empty_cluster, "apply", "--server-side", "--validate=strict", "-f", ROOT / "manifests/install.yaml")
    kubectl(empty_cluster, "wait", "--for=condition=Established", "crd/reports.report-operator.io")
    return empty_cluster


@pytest.fixture
def api(installed: ApiServer) -> Iterator[httpx.Client]:
    with installed.client() as client:
        yield client


def restricted_namespace(server: ApiServer, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
    }}}  # fmt: skip
    kubectl(server, "apply", "-f", "-", stdin=json.dumps(manifest))


@pytest.mark.parametrize("variant", VARIANTS)
def test_api_server_takes_every_object(installed: ApiServer, variant: str) -> None:
    namespace = f"chart-{variant}"
    restricted_namespace(installed, namespace)
    # The CRD is there already, from the plain manifests; that it is the same one is for test_chart to see.
    objects = render(VARIANTS[variant] | {"crds": {"enabled": False}}, release=namespace, namespace=namespace)
    text = yaml.safe_dump_all(objects)
    kubectl(installed, "apply", "--server-side", "--validate=strict", "--dry-run=server", "-f", "-", stdin=text)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pods_pass_the_restricted_standard(installed: ApiServer, variant: str) -> None:
    namespace = f"pods-{variant}"
    restricted_namespace(installed, namespace)
    objects = render(VARIANTS[variant], namespace=namespace)
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    default = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
    kubectl(installed, "apply", "-f", "-", stdin=yaml.safe_dump_all([*accounts, default]))
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "spec": each["spec"]["template"]["spec"]}
        | {"metadata": {"name": each["metadata"]["name"], "namespace": namespace}}
        for each in objects
        if each["kind"] == "Deployment"
    ]
    kubectl(installed, "apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))


def test_pod_security_is_on(installed: ApiServer) -> None:
    """Or the test above would prove nothing."""
    restricted_namespace(installed, "strict")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "strict"}}
    kubectl(installed, "apply", "-f", "-", stdin=json.dumps(account))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "x", "image": "x"}]},
    }
    with installed.client() as client:
        refused = client.post("/api/v1/namespaces/strict/pods?dryRun=All", json=pod)
    assert refused.status_code == httpx.codes.FORBIDDEN
    assert "violates PodSecurity" in refused.json()["message"]


def test_namespace_of_the_plain_manifests_is_restricted(api: httpx.Client) -> None:
    labels = api.get("/api/v1/namespaces/report-operator").json()["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_operator_may_do_this_and_no_more(api: httpx.Client) -> None:
    """The rights that the API server itself works out for the operator's ServiceAccount, in any namespace."""
    assert rights(api, "anywhere") == {
        "reports.report-operator.io": {"create", "delete", "get", "list", "patch", "watch"},
        "reports/status.report-operator.io": {"update"},
        "reports/finalizers.report-operator.io": {"update"},
        "scheduledreports.report-operator.io": {"get", "list", "watch"},
        "scheduledreports/status.report-operator.io": {"update"},
        "scheduledreports/finalizers.report-operator.io": {"update"},
        "jobs.batch": {"create", "delete", "get", "list", "patch", "watch"},
        "pods": {"get", "list", "watch"},
        "secrets": {"create", "delete", "update"},  # The answer to an update is what was sent.
        "events": {"create", "list"},
        "customresourcedefinitions.apiextensions.k8s.io": {"get", "list", "watch"},
    }


def test_operator_lists_config_maps_in_its_own_namespace_only(api: httpx.Client) -> None:
    here = rights(api, "report-operator")
    assert here == rights(api, "anywhere") | {"configmaps": {"list"}}


def rights(api: httpx.Client, namespace: str) -> dict[str, set[str]]:
    """Return the operator's verbs in a namespace by resource, without what everybody may."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    groups = ["system:authenticated", "system:serviceaccounts"]
    headers = [("Impersonate-User", OPERATOR), *(("Impersonate-Group", group) for group in groups)]
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=review, headers=headers)
    rules = answer.raise_for_status().json()["status"]["resourceRules"]
    granted = {
        f"{resource}.{group}".rstrip("."): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    everybody = {f"selfsubject{name}.authorization.k8s.io" for name in ("accessreviews", "rulesreviews")}
    everybody.add("selfsubjectreviews.authentication.k8s.io")
    return {name: verbs for name, verbs in granted.items() if name not in everybody}


@pytest.mark.parametrize(
    ("role", "verb", "allowed"),
    [("edit", "create", True), ("edit", "delete", True), ("view", "list", True), ("view", "create", False)],
)
def test_people_get_reports_with_kubernetes_own_roles(api: httpx.Client, role: str, verb: str, allowed: bool) -> None:
    """No controller manager runs here to add the rules up: the labels that it goes by are looked at instead."""
    roles = api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles").json()["items"]
    label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
    rules = [
        rule
        for found in roles
        if (found["metadata"].get("labels") or {}).get(label) == "true"
        for rule in found["rules"] or []
        if "report-operator.io" in rule.get("apiGroups", [])
    ]
    assert any(verb in rule["verbs"] for rule in rules) is allowed


def test_kustomize_moves_the_image_of_the_runs_too() -> None:
    text = subprocess.run([_program(), "kustomize", ROOT / "manifests"], capture_output=True, check=True).stdout
    wanted = yaml.safe_load((ROOT / "manifests/kustomization.yaml").read_text())["images"][0]
    image = f"{wanted['newName']}:{wanted['newTag']}"
    objects: list[Any] = list(yaml.safe_load_all(text))
    [pod] = [
        each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "report-operator"
    ]
    [operator] = pod["containers"]
    settings = {entry["name"]: entry.get("value") for entry in operator["env"]}
    assert {operator["image"], pod["initContainers"][0]["image"], settings["REPORT_OPERATOR_IMAGE"]} == {image}


@pytest.mark.parametrize("path", sorted((ROOT / "manifests/samples").glob("*.yaml")), ids=lambda path: path.name)
def test_sample_is_accepted(installed: ApiServer, path: Any) -> None:
    kubectl(installed, "apply", "--server-side", "--validate=strict", "--dry-run=server", "-n", "default", "-f", path)
