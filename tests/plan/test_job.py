"""The Job gives each stage what it needs and nothing else."""

from typing import Any

import pytest

from report_operator.api.job import Resources
from report_operator.plan import job
from report_operator.plan.subject import Subject
from tests.support import objects
from tests.support.apiserver import ROOT
from tests.support.manifests import load

Json = dict[str, Any]
DEFAULTS = job.RunDefaults(
    image="example/report-operator:1",
    image_pull_secrets=("registry",),
    resources=Resources(limits={"memory": "512Mi"}),
    scratch_size="2Gi",
)


def made(manifest: Json, defaults: job.RunDefaults = DEFAULTS) -> Json:
    subject = Subject.from_manifest(manifest)
    return job.manifest(subject, objects.ordered(subject), defaults)


@pytest.fixture
def full() -> Json:
    manifest = load(ROOT / "tests/data/input/report-full.yaml")
    manifest["metadata"] |= objects.report()["metadata"]
    return made(manifest)


def pod_of(manifest: Json) -> Json:
    pod: Json = manifest["spec"]["template"]["spec"]
    return pod


def containers(manifest: Json) -> dict[str, Json]:
    pod = pod_of(manifest)
    return {container["name"]: container for container in pod["initContainers"] + pod["containers"]}


def mounts(manifest: Json, stage: str) -> dict[str, tuple[str, bool]]:
    return {
        mount["mountPath"]: (mount["name"], not mount.get("readOnly", False))
        for mount in containers(manifest)[stage]["volumeMounts"]
    }


def volume(manifest: Json, name: str) -> Json:
    return next(volume for volume in pod_of(manifest)["volumes"] if volume["name"] == name)


def test_stages_run_after_each_other_in_one_pod(full: Json) -> None:
    pod = pod_of(full)
    assert [c["name"] for c in pod["initContainers"]] == ["fetch", "render"]
    assert [c["name"] for c in pod["containers"]] == ["publish"]
    assert [c["command"] for c in containers(full).values()] == [
        ["report-operator", "run", stage] for stage in ("fetch", "render", "publish")
    ]


def test_only_fetch_sees_secrets_and_data(full: Json) -> None:
    at = "/run/report-operator"
    assert mounts(full, "fetch") == {
        f"{at}/request": ("request", False),
        f"{at}/secrets/weather": ("secret-0", False),
        f"{at}/secrets/warehouse": ("secret-1", False),
        f"{at}/configmaps/carriers": ("data-0", False),
        "/work/data": ("data", True),
        "/tmp": ("tmp-fetch", True),
    }
    assert mounts(full, "render") == {
        f"{at}/request": ("request", False),
        f"{at}/configmaps/pages": ("template", False),
        "/work/data": ("data", False),
        "/work/outputs": ("outputs", True),
        "/tmp": ("tmp-render", True),
    }
    assert mounts(full, "publish") == {
        f"{at}/request": ("request", False),
        f"{at}/links": ("links", False),
        f"{at}/secrets/hook": ("delivery-0", False),
        f"{at}/secrets/authorities": ("delivery-1", False),
        f"{at}/secrets/relay": ("delivery-2", False),
        f"{at}/secrets/lake": ("delivery-3", False),
        f"{at}/secrets/chat": ("delivery-4", False),
        f"{at}/secrets/google": ("delivery-5", False),
        f"{at}/secrets/blobs": ("delivery-6", False),
        f"{at}/secrets/readers": ("delivery-7", False),
        "/work/outputs": ("outputs", True),
        "/tmp": ("tmp-publish", True),
    }


def test_volumes_hold_the_named_keys_only(full: Json) -> None:
    name = full["metadata"]["name"]
    assert volume(full, "request")["secret"] == {
        "secretName": name,
        "items": [{"key": "request.json", "path": "request.json"}],
    }
    assert volume(full, "links")["secret"]["items"] == [{"key": "links.json.gz", "path": "links.json.gz"}]
    assert volume(full, "secret-0")["secret"] == {
        "secretName": "weather",
        "items": [{"key": "token", "path": "token"}],
    }
    assert volume(full, "template")["configMap"] == {
        "name": "pages",
        "items": [{"key": "page.html", "path": "page.html"}],
    }
    assert volume(full, "data")["emptyDir"] == {"sizeLimit": "2Gi"}


@pytest.mark.requirement("N11")
def test_who_encrypts_a_file_may_write_it_and_nobody_else_has_the_password() -> None:
    protected = {"format": "pdf", "passwordFrom": {"secretKeyRef": {"name": "readers", "key": "password"}}}
    for outputs, there in (([{"format": "pdf"}], False), ([protected], True)):
        manifest = made(objects.report(spec=objects.SPEC | {"outputs": outputs}))
        at = "/run/report-operator/secrets/readers"
        assert [stage for stage in containers(manifest) if at in mounts(manifest, stage)] == ["publish"] * there
        assert mounts(manifest, "publish")["/work/outputs"] == ("outputs", there)
    assert volume(manifest, "delivery-0")["secret"] == {
        "secretName": "readers",
        "items": [{"key": "password", "path": "password"}],
        "optional": True,
    }


def test_keys_of_one_secret_share_a_volume() -> None:
    def sql(name: str, key: str) -> Json:
        return {
            "name": name,
            "sql": {"urlFrom": {"secretKeyRef": {"name": "db", "key": key}}, "query": "select 1"},
        }

    spec = objects.SPEC | {"sources": [sql("a", "one"), sql("b", "two"), sql("c", "one")]}
    manifest = made(objects.report(spec=spec))
    assert [i["key"] for i in volume(manifest, "secret-0")["secret"]["items"]] == ["one", "two"]
    assert "/run/report-operator/secrets/db" in mounts(manifest, "fetch")


def test_the_pod_is_restricted_and_has_no_way_to_the_api_server(full: Json) -> None:
    pod = pod_of(full)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in containers(full).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert container["terminationMessagePolicy"] == "File"


def test_limits_of_the_run(full: Json) -> None:
    spec = full["spec"]
    run = load(ROOT / "tests/data/input/report-full.yaml")["spec"]["run"]
    assert spec["backoffLimit"] == run["retries"]
    assert spec["activeDeadlineSeconds"] > 0
    assert "ttlSecondsAfterFinished" not in spec, "an outage of the operator must not lose the result"
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["Ignore", "FailJob"]
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [64, 137]


def test_resources_of_the_report_replace_the_platforms() -> None:
    own = objects.SPEC | {"run": {"resources": {"requests": {"cpu": "100m"}, "limits": {}}}}
    assert containers(made(objects.report(spec=own)))["fetch"]["resources"] == {
        "requests": {"cpu": "100m"},
        "limits": {},
    }
    assert containers(made(objects.report()))["render"]["resources"]["limits"] == {"memory": "512Mi"}


def test_a_job_for_kueue_is_made_suspended_in_its_queue(full: Json) -> None:
    assert full["spec"]["suspend"] is True
    assert full["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "reports"
    plain = made(objects.report())
    assert "suspend" not in plain["spec"]
    assert "kueue.x-k8s.io/queue-name" not in plain["metadata"]["labels"]


def test_a_job_tells_the_schedule_that_its_run_is_of() -> None:
    label = "report-operator.io/schedule-uid"
    assert made(objects.report(labels={label: "1234"}))["metadata"]["labels"][label] == "1234"
    assert label not in made(objects.report())["metadata"]["labels"]


def test_every_object_tells_whose_it_is(full: Json) -> None:
    owner = full["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "Report",
        "weekly",
        objects.UID,
        True,
    )
    labels = full["metadata"]["labels"]
    assert labels.items() >= full["spec"]["template"]["metadata"]["labels"].items()
    assert labels["report-operator.io/run-id"] == f"{objects.UID}-1"
    assert labels["report-operator.io/report"] == "weekly"
    assert labels["app.kubernetes.io/managed-by"] == "report-operator"


SECRET = {"secretKeyRef": {"name": "blobs", "key": "key"}}
AZURE = {"container": "reports", "accountURL": "https://a.blob.core.windows.net"}


@pytest.mark.parametrize(("fields", "label"), [({}, True), ({"accountKeyFrom": SECRET}, False)])
def test_azure_gives_an_identity_to_pods_with_its_label(fields: Json, label: bool) -> None:
    spec = objects.SPEC | {"destinations": [{"name": "blobs", "azure": AZURE | fields}]}
    metadata = made(objects.report(spec=spec))["spec"]["template"]["metadata"]
    assert (metadata["labels"].get("azure.workload.identity/use") == "true") is label


@pytest.mark.requirement("D6")
def test_the_clouds_give_their_token_to_the_stage_that_sends(full: Json) -> None:
    """The webhooks of AWS and Azure add volumes and variables to every container that they are not told to skip.

    The API server's own token is kept away by another field, which they leave alone: theirs are volumes of their own.
    """
    annotations = full["spec"]["template"]["metadata"]["annotations"]
    skipped = {key: set(value.replace(";", ",").split(",")) for key, value in annotations.items()}
    assert skipped == {
        "eks.amazonaws.com/skip-containers": {"fetch", "render"},
        "azure.workload.identity/skip-containers": {"fetch", "render"},
    }
    assert pod_of(full)["serviceAccountName"] == "default"
    assert not pod_of(full)["automountServiceAccountToken"]
    environment = [entry["name"] for each in containers(full).values() for entry in each.get("env", ())]
    assert not [name for name in environment if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]
