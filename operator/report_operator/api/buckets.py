"""Buckets that copies of the files are written to: S3, Google Cloud Storage, Azure Blob Storage."""

from typing import Annotated

from pydantic import ConfigDict, Field

from report_operator.api.fields import HttpUrl, Model, Rule, count_of, exactly_one, rules
from report_operator.api.sources import KeySelector, SecretSource

RoleArn = Annotated[str, Field(min_length=20, max_length=2048, pattern=r"^arn:[a-z-]+:iam::[0-9]*:role/[\w+=,.@/-]+$")]
"""Amazon Resource Name of a role."""
ExternalId = Annotated[str, Field(min_length=2, max_length=1224, pattern=r"^[\w+=,.@:/-]+$")]
"""What a role's trust policy may ask for (AWS API reference, AssumeRole)."""
Prefix = Annotated[str, Field(max_length=512, pattern=r"^[-A-Za-z0-9!_.*'()/=+@,:$]*$")]
"""Folder of all keys, which are `<prefix>/<namespace>/<report>/<run id>/<file>`."""
_AZURE_SECRETS = ("accountKeyFrom", "connectionStringFrom", "sasTokenFrom")


def _selectors(*sources: SecretSource | None) -> list[KeySelector]:
    return [source.secret_key_ref for source in sources if source]


class AccessKey(Model):
    """Credentials of a store."""

    id_from: SecretSource
    """Takes the access key's id from a Secret."""
    secret_from: SecretSource
    """Takes the secret access key from a Secret."""


class Role(Model):
    """A role in the account that owns the bucket (AWS STS AssumeRole)."""

    arn: RoleArn
    """Amazon Resource Name of the role."""
    external_id: ExternalId | None = None
    """What the role's trust policy asks for."""


class S3(Model):
    """Copies of all files in a bucket of any S3."""

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][-a-z0-9.]*[a-z0-9]$")]
    """Name of the bucket; it has to be there."""
    prefix: Prefix = ""
    """Folder of all keys, which are `<prefix>/<namespace>/<report>/<run id>/<file>`."""
    access_key: AccessKey | None = None
    """Credentials; when not set, those that AWS gives to the pod (IRSA, EKS Pod Identity) by run.serviceAccountName."""
    role: Role | None = None
    """The role to write as, taken with these credentials; the credentials themselves when not set."""
    endpoint: HttpUrl | None = None
    """URL of the store; AWS when not set."""
    region: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    """Region of the bucket."""
    path_style: bool = False
    """`https://host/bucket/key` instead of `https://bucket.host/key`, for stores without names for buckets."""
    ca_from: SecretSource | None = None
    """PEM certificates to trust instead of the public authorities."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        key = self.access_key
        return _selectors(*((key.id_from, key.secret_from) if key else ()), self.ca_from)

    @property
    def as_pod(self) -> bool:
        """Return whether it is written with the cloud identity of the run's pod."""
        return self.access_key is None


class Gcs(Model):
    """Copies of all files in a bucket of Google Cloud Storage."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                rule="!has(self.endpoint) || self.endpoint.startsWith('https://')",
                message="endpoint must start with https://: the token would be readable on the way",
            )
        )
    )

    bucket: Annotated[str, Field(min_length=3, max_length=222, pattern=r"^[a-z0-9][-_a-z0-9.]*[a-z0-9]$")]
    """Name of the bucket; it has to be there."""
    prefix: Prefix = ""
    """Folder of all keys, which are `<prefix>/<namespace>/<report>/<run id>/<file>`."""
    key_from: SecretSource | None = None
    """Takes the JSON key of a service account from a Secret; when not set, the pod's identity is used (Workload
    Identity Federation for GKE), see run.serviceAccountName."""
    impersonate: (
        Annotated[
            str,
            Field(
                min_length=6, max_length=254, pattern=r"^[a-z0-9][-a-z0-9]*@[a-z0-9][-a-z0-9.]*\.gserviceaccount\.com$"
            ),
        ]
        | None
    ) = None
    """The service account to write as, by its address; the credentials themselves when not set."""
    endpoint: HttpUrl | None = None
    """URL of an endpoint of your own, such as one of Private Service Connect; storage.googleapis.com when not set."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        return _selectors(self.key_from)

    @property
    def as_pod(self) -> bool:
        """Return whether it is written with the cloud identity of the run's pod."""
        return self.key_from is None


class Azure(Model):
    """Copies of all files in a container of Azure Blob Storage."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            exactly_one("accountURL", "connectionStringFrom"),
            Rule(
                rule=f"{count_of(*_AZURE_SECRETS)} <= 1",
                message=f"set at most one of {', '.join(_AZURE_SECRETS)}",
            ),
            Rule(
                rule="!has(self.accountURL) || self.accountURL.startsWith('https://') || has(self.accountKeyFrom)",
                message="without accountKeyFrom, accountURL must start with https://: the token would be readable on"
                " the way",
            ),
        )
    )

    container: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9](-?[a-z0-9])*$")]
    """Name of the container; it has to be there."""
    prefix: Prefix = ""
    """Folder of all names, which are `<prefix>/<namespace>/<report>/<run id>/<file>`."""
    account_url: HttpUrl | None = None
    """URL of the storage account, such as `https://ACCOUNT.blob.core.windows.net`."""
    account_key_from: SecretSource | None = None
    """Takes a key of the storage account from a Secret."""
    connection_string_from: SecretSource | None = None
    """Takes a connection string, which has the URL and a key or SAS, from a Secret."""
    sas_token_from: SecretSource | None = None
    """Takes a shared access signature from a Secret. With no Secret the pod's identity is used (Microsoft Entra
    Workload ID), see run.serviceAccountName."""

    @property
    def secrets(self) -> list[KeySelector]:
        """Return the Secret keys that it reads."""
        return _selectors(self.account_key_from, self.connection_string_from, self.sas_token_from)

    @property
    def as_pod(self) -> bool:
        """Return whether it is written with the cloud identity of the run's pod."""
        return not self.secrets
