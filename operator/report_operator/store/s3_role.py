"""Acts as a role: short-lived keys, taken with the operator's own and again before they end (AWS STS AssumeRole)."""

from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials

from report_operator.store.settings import S3Settings


def session(settings: S3Settings) -> Any:
    """Return the boto3.Session that the store is used with: as the role, if there is one. Asks nobody yet."""
    own = boto3.Session(region_name=settings.region)
    if settings.role is None:
        return own
    arguments = {"RoleArn": settings.role.arn, "RoleSessionName": "report-operator"}
    if settings.role.external_id:
        arguments["ExternalId"] = settings.role.external_id
    options = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
    endpoint = settings.role.endpoint
    verify = str(settings.ca_file) if settings.ca_file and endpoint else None  # AWS has certificates of its own.
    sts = own.client("sts", endpoint_url=endpoint, verify=verify, config=options)
    acting = botocore.session.Session()
    acting.register_component("credential_provider", _Provider(sts, arguments))
    return boto3.Session(region_name=settings.region, botocore_session=acting)


@dataclass(frozen=True)
class _Provider:
    """Stands where botocore looks for credentials (botocore.credentials.CredentialResolver)."""

    sts: Any
    arguments: dict[str, str]

    def load_credentials(self) -> Any:
        """Return credentials that are renewed as those of a web identity are: from 15 minutes before their end."""
        return DeferredRefreshableCredentials(self._take, "assume-role")

    def _take(self) -> dict[str, str]:
        taken = self.sts.assume_role(**self.arguments)["Credentials"]
        return {
            "access_key": taken["AccessKeyId"],
            "secret_key": taken["SecretAccessKey"],
            "token": taken["SessionToken"],
            "expiry_time": taken["Expiration"].isoformat(),
        }
