"""Copies of the files in a container of Azure Blob Storage. The same names each time: a repetition changes nothing."""

import contextlib
from http import HTTPStatus
from typing import Any

import requests
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError, WorkloadIdentityCredential
from azure.storage.blob import ContainerClient, ContentSettings

from report_operator.api.buckets import Azure
from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.run import StoredFile
from report_operator.api.sources import SecretSource
from report_operator.run.destinations.copies import PART, check_endpoint, folder, metadata
from report_operator.run.destinations.outcome import Failed, Outcome, Sent
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.mounts import secret_value

_PASSING_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_WAYS_OUT: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "correct azure.container, or make the container",
    HTTPStatus.FORBIDDEN: "use a key that is valid, a SAS that may create and write, or give the identity the role"
    " Storage Blob Data Contributor",
}


class AzureChannel:
    """The way to a container."""

    parallel = 1
    repeatable = True

    def __init__(self, azure: Azure, package: Package) -> None:
        """Read the Secret; raises RunError."""
        self._azure = azure
        self._package = package
        self._client = self._connected()

    def send(self, _entry: Entry) -> Outcome:
        """Copy every file, the last one last. Raises RunError(NotAllowedByPolicy)."""
        check_endpoint(self._client.url, f"azure.{self._field}", self._package)
        try:
            for file in self._package.files:
                self._put(file)
        except CredentialUnavailableError as error:
            return Failed(f"{self._place}: {error}")
        except HttpResponseError as error:
            return self._refusal(error)
        except (ServiceRequestError, ServiceResponseError) as error:
            certain = isinstance(error.inner_exception, requests.exceptions.SSLError)
            said = f"{self._place} cannot be reached: {error}"
            return Failed(said, passing=not certain, out_of_reach=not certain)
        except AzureError as error:
            return Failed(f"{self._place}: {error}")
        return Sent(f"{self._place}/{self._folder}")

    def probe(self) -> Outcome:
        """Write and delete the file; who may write and not delete can be sent to all the same."""
        outcome = self.send(Entry(destination=""))
        with contextlib.suppress(AzureError):
            for file in self._package.files:
                self._client.delete_blob(f"{self._folder}/{file.name}")
        return outcome

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    @property
    def _place(self) -> str:
        return f"{self._client.primary_endpoint}".partition("?")[0]

    @property
    def _field(self) -> str:
        """Return which field names the account."""
        return "connectionStringFrom" if self._azure.connection_string_from else "accountURL"

    @property
    def _folder(self) -> str:
        return folder(self._azure.prefix, self._package)

    def _connected(self) -> Any:
        """Return the client. It has one try only, because deliveries have tries of their own."""
        options: dict[str, Any] = {
            "max_single_put_size": PART,
            "max_block_size": PART,
            "retry_total": 0,
            "permit_redirects": False,
            "connection_timeout": 10,
            "read_timeout": 60,
        }
        azure = self._azure
        try:
            if azure.connection_string_from:
                text = self._secret(azure.connection_string_from)
                return ContainerClient.from_connection_string(text, azure.container, **options)
            return ContainerClient(azure.account_url or "", azure.container, self._credential(), **options)
        except ValueError as error:
            # The library's text could quote the Secret.
            text = (
                f"azure.{self._field} is not usable: copy it anew from the storage account's page in the Azure portal"
            )
            raise RunError(Reason.INVALID_SPEC, text) from error

    def _credential(self) -> Any:
        azure = self._azure
        source = azure.account_key_from or azure.sas_token_from
        if source:
            return self._secret(source)
        try:
            return WorkloadIdentityCredential(retry_total=0)
        except ValueError as error:
            text = (
                "azure: the run's pod has no identity of Azure: set azure.accountKeyFrom, sasTokenFrom or"
                " connectionStringFrom, or run.serviceAccountName to a ServiceAccount with Workload ID"
            )
            raise RunError(Reason.INVALID_SPEC, text) from error

    def _secret(self, source: SecretSource) -> str:
        return secret_value(self._package.workspace, source.secret_key_ref)

    def _put(self, file: StoredFile) -> None:
        """Upload a file, in parts when it is large; the store checks each part against its MD5."""
        with self._package.path(file).open("rb") as content:
            self._client.upload_blob(
                f"{self._folder}/{file.name}",
                content,
                length=file.size,
                overwrite=True,
                validate_content="md5",
                max_concurrency=1,
                content_settings=ContentSettings(content_type=file.format.media_type),
                metadata=metadata(file.sha256, self._package, separator="_"),
            )

    def _refusal(self, error: HttpResponseError) -> Failed:
        if isinstance(error, ClientAuthenticationError) and error.status_code is None:
            what = "azure.accountKeyFrom" if self._azure.account_key_from else "a token of the run's pod"
            return Failed(f"{self._place}: {what} cannot be used: {error.message}")
        status = int(error.status_code or HTTPStatus.INTERNAL_SERVER_ERROR)
        passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
        code = getattr(error, "error_code", None)
        said = str(getattr(code, "value", code) or error.reason or "")
        way_out = "" if passing else f": {_WAYS_OUT[status]}" if status in _WAYS_OUT else ""
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            way_out = f": redirects are not followed, correct azure.{self._field}"
        return Failed(f"{self._place} refuses a file: {status} {said}{way_out}", passing=passing)
