"""Where the artifacts are, for each kind of store."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class S3Role:
    """A role that the store is used as, such as one in the account that owns the bucket."""

    arn: str
    external_id: str | None = None
    """What the role's trust policy asks for."""
    endpoint: str | None = None
    """URL of the STS that gives its keys out; None is AWS."""


@dataclass(frozen=True)
class S3Settings:
    """Where the artifacts are. Credentials come from boto3's own chain: environment, files, web identity, instance."""

    bucket: str
    prefix: str = ""
    """Folder of all our keys; empty for the bucket's root."""
    endpoint: str | None = None
    """URL as runs and the operator reach it; None is AWS."""
    public_endpoint: str | None = None
    """URL as readers reach it; `endpoint` when None."""
    region: str = "us-east-1"
    path_style: bool = False
    """`https://host/bucket/key` instead of `https://bucket.host/key`."""
    ca_file: Path | None = None
    """PEM certificates to trust instead of the public authorities, by the operator and by runs."""
    role: S3Role | None = None
    """Taken with these credentials; the credentials themselves when None."""


@dataclass(frozen=True)
class GcsSettings:
    """Where the artifacts are. google-auth finds the credentials: GOOGLE_APPLICATION_CREDENTIALS, metadata server."""

    bucket: str
    prefix: str = ""
    """Folder of all our names; empty for the bucket's root."""
    endpoint: str | None = None
    """URL as runs and the operator reach it; None is storage.googleapis.com."""
    public_endpoint: str | None = None
    """URL as readers reach it; `endpoint` when None."""


@dataclass(frozen=True)
class AzureSettings:
    """Where the artifacts are. Without a key, the pod's Microsoft Entra Workload ID is used."""

    container: str
    account_url: str
    """URL of the storage account, as runs and the operator reach it."""
    prefix: str = ""
    """Folder of all our names; empty for the container's root."""
    public_endpoint: str | None = None
    """The same URL as readers reach it; `account_url` when None."""
    account_key: str | None = None
    """Key of the storage account."""


StoreSettings = S3Settings | GcsSettings | AzureSettings
