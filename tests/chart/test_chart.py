"""What the chart makes, before any cluster sees it."""

import json
from typing import Any

import pytest
import yaml

import report_operator
from report_operator.api.destinations import KINDS
from report_operator.api.outputs import OutputFormat
from report_operator.api.policy import Policy
from report_operator.control.config import PREFIX, Config
from report_operator.plan.relay import MailRelay
from report_operator.relay.settings import Settings
from report_operator.store.settings import AzureSettings, GcsSettings, S3Role, S3Settings
from tests.support.apiserver import ROOT
from tests.support.chart import CHART, Object, environment, helm, one, render

ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/reports"}
IRSA = {
    "serviceAccount": {"annotations": ROLE},
    "store": {"embedded": {"enabled": False}, "bucket": "team-reports"},
}


def test_lint() -> None:
    result = helm("lint", "--strict", CHART)
    assert result.returncode == 0, result.stdout + result.stderr


def test_versions_are_the_package_s() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kustomization = yaml.safe_load((ROOT / "manifests/kustomization.yaml").read_text())
    assert {chart["version"], chart["appVersion"], kustomization["images"][0]["newTag"]} == {
        report_operator.__version__
    }


def test_crds_are_the_project_s_and_stay_on_uninstall() -> None:
    crds = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")}
    rendered = [each for each in render() if each["kind"] == "CustomResourceDefinition"]
    assert [each["metadata"].pop("annotations") for each in rendered] == [{"helm.sh/resource-policy": "keep"}] * len(
        crds
    )
    assert {f"{each['metadata']['name']}.yaml": each for each in rendered} == crds


def test_operator_and_store_share_random_credentials_that_no_manifest_holds() -> None:
    objects = render()
    assert not [each for each in objects if each["kind"] == "Secret"]
    operator = one(objects, "Deployment", "report-operator")
    store = one(objects, "Deployment", "report-operator-store")
    [maker] = operator["spec"]["template"]["spec"]["initContainers"]
    assert maker["args"] == ["store-credentials", "--secret=report-operator-store", "--namespace=reporting"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        reference = {"secretKeyRef": {"name": "report-operator-store", "key": name}}
        assert environment(operator, "operator")[name] == reference
        assert environment(store, "seaweedfs")[name] == reference


def test_embedded_store_shows_nothing_but_s3() -> None:
    """Its other servers ask nobody for a password; the gRPC port beside S3 does with a signing key."""
    store = one(render(), "Deployment", "report-operator-store")
    pod = store["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    arguments = pod["containers"][0]["args"]
    assert {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-s3.iam=false"} <= set(arguments)
    assert "WEED_JWT_FILER_SIGNING_KEY" in environment(store, "seaweedfs")


def test_embedded_store_keeps_its_files_on_uninstall() -> None:
    claim = one(render(), "PersistentVolumeClaim", "report-operator-store")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_own_bucket_with_a_cloud_role_takes_no_credentials() -> None:
    objects = render(IRSA)
    operator = one(objects, "Deployment", "report-operator")
    settings = environment(operator, "operator")
    assert not [name for name in settings if name.startswith("AWS_")]
    assert settings["REPORT_OPERATOR_STORE_BUCKET"] == "team-reports"
    assert settings["REPORT_OPERATOR_STORE_ENDPOINT"] == ""
    assert settings["REPORT_OPERATOR_STORE_PATH_STYLE"] == "false"
    assert "initContainers" not in operator["spec"]["template"]["spec"]
    assert not [each for each in objects if each["metadata"]["name"].endswith("-store")]
    account = one(objects, "ServiceAccount", "report-operator")
    assert account["metadata"]["annotations"] == ROLE


def test_operator_understands_its_settings() -> None:
    """A name that the operator does not know would be a value without effect."""
    settings = environment(one(render(), "Deployment", "report-operator"), "operator")
    ours = {name: value for name, value in settings.items() if name.startswith(PREFIX)}
    assert ours.keys() <= {field.alias for field in Config.model_fields.values()}
    config = Config.from_env(ours)
    assert config.store == S3Settings(
        "reports", endpoint="http://report-operator-store.reporting.svc:8333", path_style=True
    )
    assert config.run_resources.limits == {"memory": "1Gi"}
    assert config.policy.to_wire() == Policy().to_wire(), "the chart's defaults are the program's"
    assert config.namespace == "reporting"
    for name in ("workers", "run_scratch_size", "job_ttl", "log_level", "image_pull_policy", "store_region"):
        assert getattr(config, name) == Config.model_fields[name].default, "the chart's defaults are the program's"


def test_the_schema_of_the_policy_is_the_program_s() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["policy"]["properties"]
    assert set(schema) == {field.alias for field in Policy.model_fields.values()}
    assert schema["formats"]["items"]["enum"] == ["*", *(each.value for each in OutputFormat)]
    assert schema["destinations"]["items"]["enum"] == ["*", *KINDS]


def test_operator_understands_a_policy() -> None:
    policy = {"formats": ["pdf"], "webhookNetworks": ["10.0.0.0/8"], "maxRows": 10_000_000, "maxSize": 5000}
    settings = environment(one(render({"policy": policy}), "Deployment", "report-operator"), "operator")
    read = Config.from_env({name: value for name, value in settings.items() if name.startswith(PREFIX)}).policy
    assert read.to_wire() == Policy.read(policy).to_wire()
    assert read.max_bytes == 5000


def test_services_find_their_pods() -> None:
    objects = render()
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in objects if each["kind"] == "Deployment"]
    services = [each["spec"]["selector"] for each in objects if each["kind"] == "Service"]
    assert [sum(selector.items() <= labels.items() for labels in pods) for selector in services] == [1, 1]


def test_two_releases_share_nothing_but_the_crds() -> None:
    first, second = ({(o["kind"], o["metadata"]["name"]) for o in render(release=name)} for name in ("a", "b"))
    assert {kind for kind, _ in first & second} == {"CustomResourceDefinition"}


MAIL: dict[str, Any] = {
    "enabled": True,
    "from": "reports@example.com",
    "server": {"host": "smtp.example.com", "existingSecret": "smtp"},
}


def test_there_is_no_relay_unless_it_is_asked_for() -> None:
    objects = render()
    assert not [each for each in objects if each["metadata"]["name"].endswith("-relay")]
    assert not [
        name for name in environment(one(objects, "Deployment", "report-operator"), "operator") if "MAIL" in name
    ]


@pytest.mark.requirement("A8")
def test_the_relay_s_password_is_in_the_relay_only() -> None:
    """The operator and the relay share a key that no manifest holds; the login is mounted in one pod."""
    objects = render({"mail": {"relay": MAIL}})
    operator, relay = (one(objects, "Deployment", name) for name in ("report-operator", "report-operator-relay"))
    key = {"secretKeyRef": {"name": "report-operator-relay", "key": "key"}}
    settings = environment(operator, "operator")
    assert settings["REPORT_OPERATOR_MAIL_KEY"] == key
    assert settings["REPORT_OPERATOR_MAIL_RELAY"] == "report-operator-relay.reporting.svc:2525"
    makers = {each["name"]: each["args"] for each in operator["spec"]["template"]["spec"]["initContainers"]}
    assert makers["relay-key"] == ["relay-key", "--secret=report-operator-relay", "--namespace=reporting"]
    ours = environment(relay, "relay")
    assert ours["REPORT_OPERATOR_SMTP_KEY"] == key
    assert ours["REPORT_OPERATOR_SMTP_PASSWORD"] == {"secretKeyRef": {"name": "smtp", "key": "password"}}
    assert "smtp" not in json.dumps(operator)
    pod = relay["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert one(objects, "Service", "report-operator-relay")["spec"]["ports"] == [
        {"name": "smtp", "port": 2525, "targetPort": "smtp"}
    ]


def test_operator_and_relay_understand_the_settings_of_the_relay() -> None:
    server = MAIL["server"] | {"caSecret": "authorities"}
    objects = render({"mail": {"relay": MAIL | {"server": server}}})
    operator = environment(one(objects, "Deployment", "report-operator"), "operator")
    ours = {name: value for name, value in operator.items() if name.startswith(PREFIX)}
    relay = Config.from_env(ours | {"REPORT_OPERATOR_MAIL_KEY": "k" * 40}).relay
    assert relay == MailRelay("report-operator-relay.reporting.svc", 2525, "reports@example.com", b"k" * 40)
    settings = environment(one(objects, "Deployment", "report-operator-relay"), "relay")
    assert settings.keys() <= {field.alias for field in Settings.model_fields.values()}
    secret = {name: "s" * 40 for name, value in settings.items() if isinstance(value, dict)}
    read = Settings.from_env(settings | secret)
    assert (read.server.host, read.server.chosen_port, str(read.ca_file)) == ("smtp.example.com", 587, "/ca/ca.crt")
    assert read.connections == Settings.model_fields["connections"].default, "the chart's defaults are the program's"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"enabled": True}, "mail.relay needs from and server.host"),
        (MAIL | {"server": MAIL["server"] | {"encryption": "None"}}, "needs encryption StartTLS or TLS"),
    ],
)
def test_a_relay_that_cannot_work_is_refused(values: dict[str, Any], says: str) -> None:
    result = helm("template", "report-operator", CHART, f"--set-json={json.dumps({'mail': {'relay': values}})}")
    assert result.returncode != 0
    assert says in result.stderr


def operator_of(**store: Any) -> tuple[Config, Object]:
    """Return the settings that the operator reads, and its pod."""
    objects = render({"store": {"embedded": {"enabled": False}} | store})
    pod: Object = one(objects, "Deployment", "report-operator")["spec"]["template"]
    settings = {entry["name"]: entry.get("value", "from-the-secret") for entry in pod["spec"]["containers"][0]["env"]}
    return Config.from_env({name: value for name, value in settings.items() if name.startswith(PREFIX)}), pod


def test_google_as_the_store() -> None:
    config, pod = operator_of(kind="gcs", bucket="files", existingSecret="google")
    assert config.store == GcsSettings("files")
    [operator] = pod["spec"]["containers"]
    path = next(each["value"] for each in operator["env"] if each["name"] == "GOOGLE_APPLICATION_CREDENTIALS")
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "store-key"]
    [mount] = [each for each in operator["volumeMounts"] if each["name"] == "store-key"]
    assert volume["secret"] == {"secretName": "google", "items": [{"key": "key.json", "path": "key.json"}]}
    assert path == f"{mount['mountPath']}/key.json"
    as_pod = str(operator_of(kind="gcs")[1])
    assert "store-key" not in as_pod
    assert "GOOGLE" not in as_pod


def test_azure_as_the_store() -> None:
    url = "https://team.blob.core.windows.net"
    config, pod = operator_of(kind="azure", endpoint=url, existingSecret="blobs")
    assert config.store == AzureSettings("reports", url, account_key="from-the-secret")
    assert "azure.workload.identity/use" not in pod["metadata"]["labels"]
    config, pod = operator_of(kind="azure", endpoint=url)
    assert config.store == AzureSettings("reports", url)
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_an_s3_of_ones_own() -> None:
    role = {"arn": "arn:aws:iam::123456789012:role/reports", "externalID": "team-a"}
    config, pod = operator_of(endpoint="https://s3.example.com", caSecret="authorities", role=role)
    assert isinstance(config.store, S3Settings)
    assert config.store.role == S3Role(role["arn"], role["externalID"])
    [operator] = pod["spec"]["containers"]
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "store-ca"]
    [mount] = [each for each in operator["volumeMounts"] if each["name"] == "store-ca"]
    assert volume["secret"] == {"secretName": "authorities", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert str(config.store.ca_file) == f"{mount['mountPath']}/ca.crt"
    config, pod = operator_of(endpoint="https://s3.example.com")
    assert config.store == S3Settings("reports", endpoint="https://s3.example.com")
    assert "store-ca" not in str(pod)


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ({"kind": "gcs", "embedded": {"enabled": False}, "caSecret": "authorities"}, "store.caSecret is for S3"),
        ({"embedded": {"enabled": False}, "role": {"externalID": "team-a"}}, "store.role needs arn"),
        ({"kind": "gcs"}, "set store.embedded.enabled=false"),
        ({"kind": "azure", "embedded": {"enabled": False}}, "store.endpoint: set it to the storage account"),
        ({"kind": "gs", "embedded": {"enabled": False}}, "value must be one of 's3', 'gcs', 'azure'"),
    ],
)
def test_stores_that_make_no_sense(store: dict[str, Any], says: str) -> None:
    refused = helm("template", "x", CHART, f"--set-json={json.dumps({'store': store})}")
    assert refused.returncode != 0
    assert says in refused.stderr
