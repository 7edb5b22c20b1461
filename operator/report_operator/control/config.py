"""Settings of the operator process, from environment variables."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError, model_validator

from report_operator.api.buckets import ExternalId, RoleArn
from report_operator.api.fields import Duration, parse_duration
from report_operator.api.job import Resources
from report_operator.api.policy import Policy
from report_operator.plan.job import RunDefaults
from report_operator.plan.relay import MailRelay
from report_operator.plan.run_queue import Limits
from report_operator.store.settings import AzureSettings, GcsSettings, S3Role, S3Settings, StoreSettings

PREFIX = "REPORT_OPERATOR_"


class ConfigError(Exception):
    """Environment variables are missing or wrong; the text names each, its value and what is wanted."""


def _names(value: Any) -> Any:
    return [name for name in value.split(",") if name] if isinstance(value, str) else value


def _none_if_empty(value: Any) -> Any:
    return value or None


_Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
_OptionalUrl = Annotated[_Url | None, BeforeValidator(_none_if_empty)]
_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Config(BaseModel):
    """One field for each environment variable: `workers` is REPORT_OPERATOR_WORKERS."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=lambda field: PREFIX + field.upper(),
        use_attribute_docstrings=True,
    )

    image: Annotated[str, Field(min_length=1)]
    """Image of the runs."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Of the runs' pods."""
    image_pull_secrets: _Names = ()
    """Names of Secrets in the namespaces of the Reports, separated by commas."""
    run_resources: Json[Resources] = Resources()
    """Resources of each of a run's containers, as JSON, where the Report has none."""
    run_scratch_size: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$")] = "10Gi"
    """Limit of each scratch volume of a run."""
    job_ttl: Duration = "1h"
    """How long the Job and pods of an ended run stay, for their logs."""
    run_limit_total: Annotated[int, Field(ge=0)] = 50
    """Runs that may be under way in the cluster at the same time; 0 is no limit."""
    run_limit_per_namespace: Annotated[int, Field(ge=0)] = 20
    """Runs that may be under way in a namespace at the same time; 0 is no limit."""
    namespace: Annotated[str, Field(min_length=1)]
    """The operator's own, with the ConfigMaps of policies."""
    policy: Json[Policy] = Policy()
    """The platform team's limits on Reports, as JSON, where a namespace has no others."""
    mail_relay: Annotated[str | None, BeforeValidator(_none_if_empty), Field(pattern=r"^\S+:[0-9]{1,5}$")] = None
    """Host and port of the platform team's mail relay; there is none when not set."""
    mail_from: str = ""
    """The address that its mails are from."""
    mail_key: str = ""
    """What the leave of runs to use it is signed with."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Reports that are worked on at the same time."""
    links: bool = True
    """Whether signed links are made; without them files are read with credentials of the store."""
    sweep_interval: Duration = "30m"
    """How often the store is searched for files of Reports that are gone, at least."""
    sweep_grace: Duration = "20m"
    """How old such files are at least when they are deleted; with the interval, less than an hour."""
    store_kind: Literal["azure", "gcs", "s3"] = "s3"
    """Azure Blob Storage, Google Cloud Storage, or any S3."""
    store_bucket: Annotated[str, Field(min_length=3)]
    """Bucket of the artifacts; with Azure the container."""
    store_prefix: str = ""
    """Folder in the bucket."""
    store_endpoint: _OptionalUrl = None
    """URL of the store as the operator and the runs reach it, of Azure's the storage account; AWS or Google when not
    set."""
    store_public_endpoint: _OptionalUrl = None
    """URL of the store as readers reach it; STORE_ENDPOINT when not set."""
    store_region: str = "us-east-1"
    """Region that requests are signed for."""
    store_path_style: bool = False
    """The bucket is part of the path instead of the host name (S3)."""
    store_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM certificates to trust the store by instead of the public authorities (S3)."""
    store_role_arn: Annotated[RoleArn | None, BeforeValidator(_none_if_empty)] = None
    """Role to use the store as (S3); the credentials themselves when not set."""
    store_role_external_id: Annotated[ExternalId | None, BeforeValidator(_none_if_empty)] = None
    """External id that the role's trust policy asks for."""
    store_role_endpoint: _OptionalUrl = None
    """URL of the STS that gives the role's keys out; AWS when not set."""
    store_account_key: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Key of the storage account (Azure); the pod's Workload ID when not set."""
    http_host: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Address for probes and metrics; all when not set."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port for probes and metrics."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log records to write."""

    @model_validator(mode="after")
    def _azure_has_an_account(self) -> Self:
        if self.store_kind == "azure" and self.store_endpoint is None:
            raise ValueError(f"{PREFIX}STORE_KIND is azure: set {PREFIX}STORE_ENDPOINT to the storage account's URL")
        return self

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises ConfigError with one line for each wrong variable."""
        try:
            return cls.model_validate({name: value for name, value in environ.items() if name.startswith(PREFIX)})
        except ValidationError as error:
            lines = [_line(problem) for problem in error.errors(include_url=False)]
            raise ConfigError("\n".join(lines)) from error

    @property
    def defaults(self) -> RunDefaults:
        """Return what all runs have in common."""
        return RunDefaults(
            image=self.image,
            image_pull_policy=self.image_pull_policy,
            image_pull_secrets=self.image_pull_secrets,
            resources=self.run_resources,
            scratch_size=self.run_scratch_size,
        )

    @property
    def relay(self) -> MailRelay | None:
        """Return the platform team's mail relay."""
        if self.mail_relay is None:
            return None
        host, _, port = self.mail_relay.rpartition(":")
        return MailRelay(host, int(port), self.mail_from, self.mail_key.encode())

    @property
    def run_limits(self) -> Limits:
        """Return how many runs may be under way."""
        return Limits(self.run_limit_total or None, self.run_limit_per_namespace or None)

    @property
    def store(self) -> StoreSettings:
        """Return where the artifacts are."""
        bucket, prefix, public = self.store_bucket, self.store_prefix, self.store_public_endpoint
        match self.store_kind:
            case "azure":
                return AzureSettings(bucket, self.store_endpoint or "", prefix, public, self.store_account_key)
            case "gcs":
                return GcsSettings(bucket, prefix, self.store_endpoint, public)
            case "s3":
                return S3Settings(
                    bucket,
                    prefix,
                    self.store_endpoint,
                    public,
                    self.store_region,
                    self.store_path_style,
                    self.store_ca_file,
                    self._store_role,
                )

    @property
    def _store_role(self) -> S3Role | None:
        if self.store_role_arn is None:
            return None
        return S3Role(self.store_role_arn, self.store_role_external_id, self.store_role_endpoint)

    @property
    def job_ttl_time(self) -> timedelta:
        """Return `job_ttl`."""
        return parse_duration(self.job_ttl)

    @property
    def sweep_interval_time(self) -> timedelta:
        """Return `sweep_interval`."""
        return parse_duration(self.sweep_interval)

    @property
    def sweep_grace_time(self) -> timedelta:
        """Return `sweep_grace`."""
        return parse_duration(self.sweep_grace)


def _line(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if not name:
        return str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{name} is not set"
    return f"{name}={problem['input']!r}: {problem['msg']}"
