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
from google.auth.credentials import DEFAULT_UNIVERSE_DOMAIN
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
from report_operator.run.destinations.gcs_session import session
from report_operator.run.destinations.outcome import Failed, Outcome, Sent
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.mounts import place_of, secret_value

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""
_PASSING_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_ERRORS = (GoogleAPICallError, GoogleAuthError, DataCorruption, requests.exceptions.RequestException)
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
        if self._gcs.endpoint:
            self._check(self._gcs.endpoint)
        if self._key:
            check_endpoint(self._key["token_uri"], "token_uri of the key in gcs.keyFrom", self._package)
        try:
            bucket = self._client().bucket(self._gcs.bucket)
            for file in self._package.files:
                self._put(bucket, file)
        except _ERRORS as error:
            return self._failure(error)
        return Sent(f"{self._place}/{self._folder}")

    def probe(self) -> Outcome:
        """Write and delete the file; who may write and not delete can be sent to all the same."""
        outcome = self.send(Entry(destination=""))
        if isinstance(outcome, Sent):
            with contextlib.suppress(*_ERRORS):
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
        credentials = self._credentials()
        way = session(credentials, self._key["token_uri"] if self._key else "", self._check)
        return storage.Client(project=None, credentials=credentials, client_options=options, _http=way)

    def _check(self, url: str) -> None:
        check_endpoint(url, f"gcs.endpoint ({self._gcs.endpoint})", self._package)

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

    def _failure(self, error: Exception) -> Failed:
        match error:
            case GoogleAPICallError():
                return self._refusal(error)
            case GoogleAuthError():
                return self._no_credentials(error)
            case DataCorruption():
                return Failed(f"{self._place}: a file was damaged on its way: {error}", passing=True)
            case requests.exceptions.SSLError():
                return Failed(f"{self._place}: {error}")
            case requests.exceptions.JSONDecodeError():
                return Failed(f"{self._place}: the answer is not that of Google Cloud Storage: correct gcs.endpoint")
            case _:
                return Failed(f"{self._place} cannot be reached: {error}", passing=True, out_of_reach=True)

    def _refusal(self, error: GoogleAPICallError) -> Failed:
        status = int(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
        way_out = "" if passing else f": {_WAYS_OUT[status]}" if status in _WAYS_OUT else ""
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            way_out = ": redirects are not followed, correct gcs.endpoint"
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
    name = f"gcs.keyFrom: {place_of(selector)}"
    try:
        found = json.loads(secret_value(package.workspace, selector))
        if isinstance(found, dict) and found.get("type") == "service_account":
            made = service_account.Credentials.from_service_account_info(found)
            if made.universe_domain == DEFAULT_UNIVERSE_DOMAIN:
                return found
            text = f"{name} has universe_domain {made.universe_domain!r}: use a key of {DEFAULT_UNIVERSE_DOMAIN}"
            raise RunError(Reason.INVALID_SPEC, text)
    except (ValueError, GoogleAuthError):
        pass  # The text could quote the key.
    text = f"{name} is no JSON key of a service account"
    raise RunError(Reason.INVALID_SPEC, f"{text}: make one with `gcloud iam service-accounts keys create`")
