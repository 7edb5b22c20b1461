"""Copies of the files in a bucket of Google Cloud Storage. The same names each time: a repetition changes nothing."""

import contextlib
import json
import os
from http import HTTPStatus
from typing import Any

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth import impersonated_credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.auth.exceptions import TransportError as AuthTransportError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.oauth2 import service_account

from report_operator.api.buckets import Gcs
from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.run import StoredFile
from report_operator.api.sources import KeySelector
from report_operator.run.destinations.copies import PART, check_endpoint, folder, metadata
from report_operator.run.destinations.outcome import Failed, Outcome, Sent
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.mounts import secret_value

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""
_PASSING_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_WAYS_OUT: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "correct gcs.bucket, or make the bucket",
    HTTPStatus.UNAUTHORIZED: "use a key that is valid",
    HTTPStatus.FORBIDDEN: "give the service account the role Storage Object User on the bucket",
}


# Telemetry that nobody reads: the library would ask about the bucket, which needs a right of its own.
os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"


class GcsChannel:
    """The way to a bucket."""

    parallel = 1
    repeatable = True

    def __init__(self, gcs: Gcs, package: Package) -> None:
        """Read the Secret; raises RunError."""
        self._gcs = gcs
        self._package = package
        self._key = _service_account(package, gcs.key_from.secret_key_ref) if gcs.key_from else None

    def send(self, _entry: Entry) -> Outcome:
        """Copy every file, the last one last. Raises RunError(NotAllowedByPolicy)."""
        check_endpoint(self._gcs.endpoint, self._package)
        check_endpoint(self._key["token_uri"] if self._key else None, self._package)
        try:
            bucket = self._client().bucket(self._gcs.bucket)
            for file in self._package.files:
                self._put(bucket, file)
        except GoogleAPICallError as error:
            return self._refusal(error)
        except GoogleAuthError as error:
            return self._no_credentials(error)
        except DataCorruption as error:
            return Failed(f"{self._place}: a file was damaged on its way: {error}", passing=True)
        except requests.exceptions.SSLError as error:
            return Failed(f"{self._place}: {error}")
        except requests.exceptions.RequestException as error:
            return Failed(f"{self._place} cannot be reached: {error}", passing=True, out_of_reach=True)
        return Sent(f"{self._place}/{self._folder}")

    def probe(self) -> Outcome:
        """Write and delete the file; who may write and not delete can be sent to all the same."""
        outcome = self.send(Entry(destination=""))
        with contextlib.suppress(GoogleAPICallError, GoogleAuthError, requests.exceptions.RequestException):
            bucket = self._client().bucket(self._gcs.bucket)
            for file in self._package.files:
                bucket.blob(f"{self._folder}/{file.name}").delete(timeout=_TIMEOUT, retry=None)
        return outcome

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _place(self) -> str:
        return f"gs://{self._gcs.bucket}"

    @property
    def _folder(self) -> str:
        return folder(self._gcs.prefix, self._package)

    def _put(self, bucket: Any, file: StoredFile) -> None:
        """Upload a file, in parts when it is large; the store checks it against its CRC32C.

        One try only, because deliveries have tries of their own.
        """
        blob = bucket.blob(f"{self._folder}/{file.name}", chunk_size=PART)
        blob.metadata = metadata(file.sha256, self._package)
        blob.upload_from_filename(
            str(self._package.path(file)), content_type=file.format.media_type, timeout=_TIMEOUT, retry=None
        )

    def _client(self) -> Any:
        options = {"api_endpoint": self._gcs.endpoint} if self._gcs.endpoint else None
        return storage.Client(project=None, credentials=self._credentials(), client_options=options)

    def _credentials(self) -> Any:
        scopes = [_IAM_SCOPE if self._gcs.impersonate else _SCOPE]
        if self._key:
            own = service_account.Credentials.from_service_account_info(self._key, scopes=scopes)
        else:
            own, _ = google.auth.default(scopes=scopes)
        if not self._gcs.impersonate:
            return own
        return impersonated_credentials.Credentials(
            source_credentials=own, target_principal=self._gcs.impersonate, target_scopes=[_SCOPE]
        )

    def _refusal(self, error: GoogleAPICallError) -> Failed:
        status = int(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
        way_out = "" if passing else f": {_WAYS_OUT[status]}" if status in _WAYS_OUT else ""
        return Failed(f"{self._place} refuses a file: {status} {_said(error)}{way_out}", passing=passing)

    def _no_credentials(self, error: GoogleAuthError) -> Failed:
        if isinstance(error, DefaultCredentialsError):
            way_out = "set gcs.keyFrom, or run.serviceAccountName to a ServiceAccount with Workload Identity"
            return Failed(f"{self._place}: the run's pod has no identity of Google Cloud: {way_out}")
        if isinstance(error, AuthTransportError):
            return Failed(f"{self._place}: no token can be got: {error}", passing=True, out_of_reach=True)
        passing = bool(getattr(error, "retryable", False))
        said = error.args[0] if isinstance(error, RefreshError) and error.args else error
        whom = f"to act as {self._gcs.impersonate}" if self._gcs.impersonate else "of the service account"
        return Failed(f"{self._place}: a token {whom} is refused: {said}", passing=passing)


def _said(error: GoogleAPICallError) -> str:
    """Return the server's own words, or else its status's name: the library's text is a URL with all of the answer."""
    try:
        return str(error.response.json()["error"]["message"])
    except (AttributeError, ValueError, LookupError, TypeError):
        return HTTPStatus(int(error.code)).phrase if error.code else ""


def _service_account(package: Package, selector: KeySelector) -> dict[str, Any]:
    """Return a service account's key. Other kinds of credentials could name any address to ask and any file to send.

    Raises RunError.
    """
    try:
        found = json.loads(secret_value(package.workspace, selector))
        if isinstance(found, dict) and found.get("type") == "service_account":
            service_account.Credentials.from_service_account_info(found)
            return found
    except (ValueError, GoogleAuthError):
        pass  # The text could quote the key.
    text = f"gcs.keyFrom: key {selector.key!r} of Secret {selector.name!r} is no JSON key of a service account"
    raise RunError(Reason.INVALID_SPEC, f"{text}: make one with `gcloud iam service-accounts keys create`")
