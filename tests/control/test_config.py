"""Settings from the environment: defaults, forms, and one clear line for each that is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from report_operator.control.config import Config, ConfigError
from report_operator.plan.run_queue import Limits
from report_operator.store.settings import AzureSettings, GcsSettings, S3Role, S3Settings

LEAST = {
    "REPORT_OPERATOR_IMAGE": "example/report-operator:1",
    "REPORT_OPERATOR_NAMESPACE": "reporting",
    "REPORT_OPERATOR_STORE_BUCKET": "reports",
}


def test_defaults() -> None:
    config = Config.from_env(LEAST)
    assert (config.workers, config.http_port, config.log_level) == (16, 8080, "INFO")
    assert config.job_ttl_time == timedelta(hours=1)
    assert config.defaults.scratch_size == "10Gi"
    assert config.run_limits == Limits(50, 20)
    assert config.store == S3Settings("reports")


def test_every_setting_arrives() -> None:
    given = {
        "IMAGE_PULL_POLICY": "Always",
        "IMAGE_PULL_SECRETS": "one,two",
        "RUN_RESOURCES": '{"limits": {"cpu": 1, "memory": "512Mi"}}',
        "RUN_SCRATCH_SIZE": "1Gi",
        "RUN_LIMIT_TOTAL": "7",
        "RUN_LIMIT_PER_NAMESPACE": "0",
        "JOB_TTL": "10m",
        "POLICY": '{"formats": ["pdf"], "maxRows": 7}',
        "LINKS": "false",
        "SWEEP_INTERVAL": "5m",
        "SWEEP_GRACE": "2h",
        "STORE_ENDPOINT": "http://store:8333",
        "STORE_PUBLIC_ENDPOINT": "https://files.example.com",
        "STORE_PREFIX": "team",
        "STORE_REGION": "eu-central-1",
        "STORE_PATH_STYLE": "true",
        "STORE_CA_FILE": "/run/store/ca.crt",
        "STORE_ROLE_ARN": "arn:aws:iam::123456789012:role/reports",
        "STORE_ROLE_EXTERNAL_ID": "team-a",
        "STORE_ROLE_ENDPOINT": "https://sts.example.com",
    }
    config = Config.from_env(LEAST | {f"REPORT_OPERATOR_{name}": value for name, value in given.items()})
    assert config.defaults.image_pull_policy == "Always"
    assert config.defaults.image_pull_secrets == ("one", "two")
    assert config.defaults.resources.to_wire() == {"requests": {}, "limits": {"cpu": "1", "memory": "512Mi"}}
    assert config.run_limits == Limits(7, None)
    assert config.job_ttl_time == timedelta(minutes=10)
    assert config.links is False
    assert (config.policy.formats, config.policy.max_rows, config.policy.max_retries) == (["pdf"], 7, 10)
    assert (config.sweep_interval_time, config.sweep_grace_time) == (timedelta(minutes=5), timedelta(hours=2))
    assert config.store == S3Settings(
        bucket="reports",
        prefix="team",
        endpoint="http://store:8333",
        public_endpoint="https://files.example.com",
        region="eu-central-1",
        path_style=True,
        ca_file=Path("/run/store/ca.crt"),
        role=S3Role("arn:aws:iam::123456789012:role/reports", "team-a", "https://sts.example.com"),
    )


def test_stores_of_other_clouds() -> None:
    google = Config.from_env(LEAST | {"REPORT_OPERATOR_STORE_KIND": "gcs", "REPORT_OPERATOR_STORE_PREFIX": "team"})
    assert google.store == GcsSettings("reports", prefix="team")
    account = {"KIND": "azure", "ENDPOINT": "https://team.blob.core.windows.net", "ACCOUNT_KEY": "a2V5"}
    azure = Config.from_env(LEAST | {f"REPORT_OPERATOR_STORE_{name}": value for name, value in account.items()})
    assert azure.store == AzureSettings("reports", account["ENDPOINT"], account_key="a2V5")
    with pytest.raises(ConfigError, match="STORE_KIND is azure: set REPORT_OPERATOR_STORE_ENDPOINT to the storage acc"):
        Config.from_env(LEAST | {"REPORT_OPERATOR_STORE_KIND": "azure"})


def test_empty_values_of_a_chart_are_no_values() -> None:
    store = ("ENDPOINT", "PUBLIC_ENDPOINT", "PREFIX", "CA_FILE", "ROLE_ARN", "ROLE_EXTERNAL_ID", "ROLE_ENDPOINT")
    empty = dict.fromkeys(("IMAGE_PULL_SECRETS", *(f"STORE_{name}" for name in store)), "")
    config = Config.from_env(LEAST | {f"REPORT_OPERATOR_{name}": value for name, value in empty.items()})
    assert config.store == S3Settings("reports")
    assert config.defaults.image_pull_secrets == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WORKERS", "0", "REPORT_OPERATOR_WORKERS='0'"),
        ("RUN_LIMIT_TOTAL", "-1", "REPORT_OPERATOR_RUN_LIMIT_TOTAL='-1'"),
        ("RUN_RESOURCES", "{", "REPORT_OPERATOR_RUN_RESOURCES='{'"),
        ("RUN_SCRATCH_SIZE", "10 GB", "REPORT_OPERATOR_RUN_SCRATCH_SIZE='10 GB'"),
        ("POLICY", '{"maxRows": -1}', "REPORT_OPERATOR_POLICY.maxRows=-1"),
        ("POLICY", '{"maxrows": 1}', "REPORT_OPERATOR_POLICY.maxrows=1"),
        ("JOB_TTL", "1 day", "REPORT_OPERATOR_JOB_TTL='1 day'"),
        ("STORE_ENDPOINT", "store:8333", "REPORT_OPERATOR_STORE_ENDPOINT='store:8333'"),
        ("STORE_ROLE_ARN", "reports", "REPORT_OPERATOR_STORE_ROLE_ARN='reports'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_wrong_values_are_named(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_env(LEAST | {f"REPORT_OPERATOR_{name}": value})
    assert says in str(raised.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_env({"REPORT_OPERATOR_WORKERS": "many"})
    lines = str(raised.value).splitlines()
    assert len(lines) == 4
    assert "REPORT_OPERATOR_IMAGE is not set" in lines
