"""Copies of the files in somebody else's bucket. The same keys each time: a repetition changes nothing."""

import base64
import contextlib
import hashlib
from math import ceil
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
    ValidationError,
)
from botocore.parsers import ResponseParserError

from report_operator.api.buckets import S3
from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.run import StoredFile
from report_operator.run.destinations.copies import check_endpoint, folder, metadata
from report_operator.run.destinations.outcome import Failed, Outcome, Sent
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.mounts import secret_value

_PASSING_CODES = frozenset(
    {"BadDigest", "IncompleteBody", "OperationAborted", "RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"}
)
"""Codes of S3 and STS (API references, "Error responses") that come with a 4xx and another try mends."""
_PASSING_CODES_OF_ROLE = _PASSING_CODES | {"ExpiredToken"}
"""The same where keys of a role are used, which last an hour: every try has new ones."""
_SERVER_ERROR = 500
_PART = 16 << 20
"""Bytes that go in one request, and are in memory at the same time."""
_MOST_PARTS = 10_000
"""Of one file (API reference, "Amazon S3 multipart upload limits")."""


class S3Channel:
    """The way to a bucket."""

    parallel = 1
    repeatable = True

    def __init__(self, s3: S3, package: Package) -> None:
        """Read the Secrets; raises RunError."""
        self._s3 = s3
        self._package = package
        self._keys = _keys(s3, package)
        self._verify = _authorities(s3, package)

    def send(self, _entry: Entry) -> Outcome:
        """Copy every file, the last one last. Raises RunError(NotAllowedByPolicy)."""
        if self._s3.endpoint:
            self._check(self._s3.endpoint)
        try:
            client = self._client()
            for file in self._package.files:
                self._put(client, file)
        except ClientError as error:
            return self._refusal(error)
        except (NoCredentialsError, PartialCredentialsError):
            way_out = "set s3.accessKey, or run.serviceAccountName to a ServiceAccount with a role (IRSA, Pod Identity)"
            return Failed(f"{self._place}: the run's pod has no identity of AWS: {way_out}")
        except (ParamValidationError, ValidationError, SSLError) as error:
            return Failed(f"{self._place}: {error}")
        except (ResponseParserError, KeyError):  # Nothing of the answer is told.
            return Failed(f"{self._place}: the answer is not that of an S3: correct {self._field}")
        except BotoCoreError as error:
            return Failed(f"{self._place} cannot be reached: {error}", passing=True, out_of_reach=True)
        return Sent(f"{self._place}/{self._folder}")

    def probe(self) -> Outcome:
        """Write and delete the file; who may write and not delete can be sent to all the same."""
        outcome = self.send(Entry(destination=""))
        if isinstance(outcome, Sent):
            with contextlib.suppress(ClientError, BotoCoreError, ResponseParserError):
                for file in self._package.files:
                    self._client().delete_object(Bucket=self._s3.bucket, Key=f"{self._folder}/{file.name}")
        return outcome

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _place(self) -> str:
        return f"s3://{self._s3.bucket}"

    @property
    def _field(self) -> str:
        return f"s3.endpoint ({self._s3.endpoint})"

    @property
    def _folder(self) -> str:
        return folder(self._s3.prefix, self._package)

    def _put(self, client: Any, file: StoredFile) -> None:
        """Upload a file, in parts when it is large; the store checks each against its MD5."""
        where = {"Bucket": self._s3.bucket, "Key": f"{self._folder}/{file.name}"}
        about = {"ContentType": file.format.media_type, "Metadata": metadata(file.sha256, self._package)}
        size = max(_PART, ceil(file.size / _MOST_PARTS))
        with self._package.path(file).open("rb") as content:
            if file.size <= size:
                whole = content.read()
                client.put_object(**where, **about, Body=whole, ContentMD5=_md5(whole))
                return
            where["UploadId"] = client.create_multipart_upload(**where, **about)["UploadId"]
            try:
                _put_parts(client, where, content, size)
            except (ClientError, BotoCoreError):
                with contextlib.suppress(ClientError, BotoCoreError):
                    client.abort_multipart_upload(**where)
                raise

    def _client(self) -> Any:
        session = boto3.Session(region_name=self._s3.region, **(self._role_keys() if self._s3.role else self._keys))
        style = {"addressing_style": "path" if self._s3.path_style else "virtual"}
        options = _options(s3=style, signature_version="s3v4", request_checksum_calculation="when_required")
        try:
            client = session.client("s3", endpoint_url=self._s3.endpoint, config=options, verify=self._verify)
        except BotoCoreError:
            raise  # Of the region; some are ValueErrors, too.
        except ValueError as error:
            text = f"{self._field} is no address of an S3: the parts of a host have letters, digits and hyphens"
            raise RunError(Reason.INVALID_SPEC, text) from error
        if self._s3.endpoint:
            # The bucket's name comes before the endpoint's host, and its author may have it lead elsewhere.
            client.meta.events.register("before-send.s3", lambda request, **_: self._check(request.url))
        return client

    def _check(self, url: str) -> None:
        check_endpoint(url, self._field, self._package)

    def _role_keys(self) -> dict[str, str]:
        """Return the short-lived keys of the role, new ones for every try."""
        role = self._s3.role
        if role is None:
            return {}
        wanted = {"RoleArn": role.arn, "RoleSessionName": "report-operator"}
        external = {"ExternalId": role.external_id} if role.external_id else {}
        sts = boto3.Session(region_name=self._s3.region, **self._keys).client("sts", config=_options())
        found = sts.assume_role(**wanted, **external)["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def _refusal(self, error: ClientError) -> Failed:
        answer = error.response.get("Error", {})
        code, status = str(answer.get("Code", "")), error.response["ResponseMetadata"]["HTTPStatusCode"]
        what = "the role" if error.operation_name.startswith("AssumeRole") else "a file"
        passing = status >= _SERVER_ERROR or code in (_PASSING_CODES_OF_ROLE if self._s3.role else _PASSING_CODES)
        return Failed(f"{self._place} refuses {what}: {status} {code} {answer.get('Message', '')}", passing=passing)


def _put_parts(client: Any, where: dict[str, str], content: BinaryIO, size: int) -> None:
    """Upload the rest of a file; one part is in memory at a time."""
    listed: list[dict[str, Any]] = []
    while part := content.read(size):
        number = len(listed) + 1
        answer = client.upload_part(**where, PartNumber=number, Body=part, ContentMD5=_md5(part))
        listed.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _options(**further: Any) -> Config:
    """Return a client's settings: one try only, because deliveries have tries of their own."""
    return Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 1}, **further)


def _keys(s3: S3, package: Package) -> dict[str, str]:
    """Return the access key; nothing when boto3 is to look for what AWS gives to the pod. Raises RunError."""
    if s3.access_key is None:
        return {}
    workspace, key = package.workspace, s3.access_key
    return {
        "aws_access_key_id": secret_value(workspace, key.id_from.secret_key_ref),
        "aws_secret_access_key": secret_value(workspace, key.secret_from.secret_key_ref),
    }


def _authorities(s3: S3, package: Package) -> str | None:
    """Return the file with the certificates to trust, None for the public ones; raises RunError."""
    if s3.ca_from is None:
        return None
    selector = s3.ca_from.secret_key_ref
    secret_value(package.workspace, selector)
    return str(package.workspace.secrets / selector.name / selector.key)
