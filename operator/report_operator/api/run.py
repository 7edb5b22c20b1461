"""The contract between the operator and a run: files in, exit code and termination message out.

The operator writes `Request` and `Links` into the run's Secret before it makes the Job. `fetch` and `render` see only
the request, which holds nothing secret; `publish` sees the links too. A stage that fails, and `publish` when it is
done, write an `Outcome` to the container's termination message (at most 4 KiB, kubernetes/kubernetes
pkg/kubelet/kuberuntime MaxContainerTerminationMessageLength).
"""

import base64
import gzip
import hashlib
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field

from report_operator.api.conditions import Reason, Stage
from report_operator.api.deliveries import Delivery
from report_operator.api.entity import Entity
from report_operator.api.fields import LIST_ATOMIC, FreeJson, Model, Time
from report_operator.api.outputs import OutputFormat
from report_operator.api.policy import Policy
from report_operator.api.relay import Access
from report_operator.api.report import ReportSpec

LogTail = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=10), LIST_ATOMIC]
"""The last lines of a log, without credentials."""

EXIT_OK = 0
EXIT_USER_ERROR = 64
"""sysexits EX_USAGE: somebody has to change something. The Job's podFailurePolicy does not try again."""
EXIT_INTERNAL_ERROR = 70
"""sysexits EX_SOFTWARE: a fault of ours; tried again."""
EXIT_OUTAGE = 75
"""sysexits EX_TEMPFAIL: a passing cause; tried again."""

TERMINATION_MESSAGE_LIMIT = 4096
"""Bytes that the kubelet keeps of a container's termination message."""

REQUEST_FILE = PurePosixPath("/run/report-operator/request/request.json")
LINKS_FILE = PurePosixPath("/run/report-operator/links/links.json.gz")
SECRETS_DIR = PurePosixPath("/run/report-operator/secrets")
"""`SECRETS_DIR/<name>/<key>`; those of sources into fetch, those of destinations into publish."""
CONFIG_MAPS_DIR = PurePosixPath("/run/report-operator/configmaps")
"""`CONFIG_MAPS_DIR/<name>/<key>`; data into fetch, templates into render."""
DATA_DIR = PurePosixPath("/work/data")
"""Written by fetch, read by render: `tables/<name>.parquet` and `context.json`."""
OUTPUTS_DIR = PurePosixPath("/work/outputs")
"""Written by render, read by publish: one file per output, and `rendered.json`."""
TERMINATION_LOG = PurePosixPath("/dev/termination-log")

DIGEST_VARIABLE = "REPORT_OPERATOR_REQUEST_SHA256"
"""Environment variable of each container: `Request.digest` of what the operator has ordered."""

RESULT_FILE = "result.json"
"""Name of the result in the store, beside the artifacts."""
LEDGER_FILE = "deliveries.json"
"""Name of the ledger in the store, an artifact of every run with destinations."""
OWN_FILES = (LEDGER_FILE, RESULT_FILE)
"""Names that no output may have."""


class Request(Model):
    """What a run has to do. Holds no secret value."""

    run_id: str
    """`<uid>-<generation>`."""
    namespace: str
    """Namespace of the Report."""
    name: str
    """Name of the Report."""
    schedule: str | None = None
    """Name of the ScheduledReport that made the Report."""
    is_test: bool = False
    """Whether it is sent to one address as a test, and says so."""
    created_at: Time
    """When the run was ordered: the document's date."""
    spec: ReportSpec
    """The Report's spec, defaults filled in."""
    policy: Policy | None = None
    """The platform team's limits, for what only the run can tell; None where nothing is limited: without a cluster."""

    @property
    def title(self) -> str:
        """Return the document's title."""
        return self.spec.title or self.name

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all but the time, in which two operators that make the same Job differ."""
        return hashlib.sha256(self._encoded(exclude={"created_at"})).hexdigest()

    def encoded(self) -> bytes:
        """Return the content of REQUEST_FILE."""
        return self._encoded()

    def packed(self) -> str:
        """Return the same as an annotation may hold it."""
        return base64.b64encode(gzip.compress(self._encoded(), mtime=0)).decode()

    @classmethod
    def unpacked(cls, text: str) -> Self:
        """Return the request that was packed."""
        return cls.model_validate_json(gzip.decompress(base64.b64decode(text)))

    def _encoded(self, exclude: set[str] | None = None) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_none=True, exclude=exclude).encode()


class SignedRequest(Model):
    """A request to the store that was signed beforehand: whoever has it may make it, until it expires.

    It says all that is particular to the store's vendor.
    """

    method: Literal["GET", "PUT", "POST", "DELETE"] = "PUT"
    """HTTP method."""
    url: str
    """With the signature."""
    headers: dict[str, str] = {}
    """To be sent with it, as the vendor or the signature wants it; those that describe the content come on top."""


class Parts(Model):
    """How a file goes to the store in parts. The store lists nothing before `complete` is sent."""

    size: int
    """Bytes of each part but the last, which may have fewer."""
    puts: list[SignedRequest]
    """One for each part, in the order of the file; there may be more than it needs."""
    complete: SignedRequest
    """Makes the file of its parts; the body is `listing`."""
    listing: str
    """Body of `complete`, with `{parts}` where `listed` stands, once for each part that was sent."""
    listed: str
    """A part, with `{number}` (from 1; `{number:04}` has four digits) and `{etag}`, the header ETag of the answer to
    its PUT, in their places."""


class Upload(Model):
    """The ways to put one file into the store; what is there under its name is replaced."""

    whole: SignedRequest
    """The file in one request."""
    parts: Parts | None = None
    """For a file that has more bytes than one part; None where none may be that large."""


class EntryLinks(Model):
    """Presigned links to the two objects of a delivery's entry in the ledger. See run/ledger.py."""

    claim: SignedRequest
    """PUT of the intent; only while there is none."""
    claimed: str
    """GET of the intent."""
    release: str
    """DELETE of the intent."""
    record: SignedRequest
    """PUT of the record; only while there is none."""
    recorded: str
    """GET of the record."""


class Links(Model):
    """What publish reaches the store with, and what it sends."""

    expires_at: Time
    """When the links for the run stop working."""
    authorities: str | None = None
    """PEM certificates to trust the store by, instead of the public authorities."""
    uploads: dict[str, Upload]
    """By file name: every output, RESULT_FILE, and LEDGER_FILE where there are destinations."""
    deliver_until: Time | None = None
    """When deliveries have to end at the latest, so that the result is stored before the Job's deadline. Set with
    destinations. It can be long after the deadline of a Job that waited in a queue: see `Workspace.started_at`."""
    reads: dict[str, str] = {}
    """Presigned GET URL by file name, for use inside the cluster, where there are destinations: RESULT_FILE,
    MESSAGES_FILE and every output. What was delivered in part is delivered on with what the store holds."""
    downloads: dict[str, str] = {}
    """Presigned GET URL by file name, for recipients: every output, where there are destinations. They work for
    `spec.download.urlTTL` from the last message on, as far as the store signs for so long."""
    downloads_expire_at: Time | None = None
    """When those stop working."""
    entries: dict[str, EntryLinks] = {}
    """By `Entry.id`: every recipient of every destination."""
    relay: Access | None = None
    """The platform team's mail relay, where a destination needs it."""

    def packed(self) -> bytes:
        """Return the content of LINKS_FILE: compressed, because the links of a thousand recipients are alike."""
        return gzip.compress(self.model_dump_json(by_alias=True, exclude_none=True).encode(), mtime=0)

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """Return the links in the content of LINKS_FILE."""
        return cls.model_validate_json(gzip.decompress(content))


class RenderedFile(Model):
    """A file that render has made."""

    name: str
    """File name: `Output.file_name`."""
    format: OutputFormat
    """Format of the file."""
    rows: int | None = None
    """Rows of a data file."""


class Message(Model):
    """What a destination tells people, made where no secret is. Links are placeholders; see run/message.py."""

    subject: str = ""
    """One line."""
    text: str
    """The message without markup of HTML."""
    html: str = ""
    """The message as a page."""
    attachments: list[str] = []
    """Names of the files to attach."""


class Rendered(Model):
    """What render hands to publish, in `OUTPUTS_DIR/rendered.json`."""

    files: list[RenderedFile]
    """The files beside this one, in the order of the spec's outputs."""
    metrics: dict[str, str] = {}
    """The document's metrics by title, written as in the document."""
    subject: Entity | None = None
    """The entity that the report is about."""
    messages: dict[str, Message] = {}
    """By name of the destination, for those that address people."""


class StoredFile(RenderedFile):
    """A file that publish has put into the store."""

    size: int
    """Bytes."""
    sha256: str
    """SHA-256, hexadecimal."""


class Result(Model):
    """What a run has made."""

    run_id: str
    """The request's run id."""
    files: list[StoredFile]
    """The outputs, all of them stored."""
    metrics: dict[str, str] = {}
    """The document's metrics by title."""
    subject: Entity | None = None
    """The entity that the report is about."""
    inline: dict[str, FreeJson] | None = None
    """The document of an inline output within INLINE_LIMIT."""
    inline_size: int | None = None
    """Bytes of the document of an inline output, within the limit or not."""
    deliveries: list[Delivery] = []
    """What became of the deliveries, by destination."""
    ledger: StoredFile | None = None
    """LEDGER_FILE, where there are destinations."""


class Failure(Model):
    """Why a stage failed, in words that may be shown on the resource: no credentials."""

    reason: Reason
    """A documented reason."""
    message: Annotated[str, Field(max_length=1500)]
    """What, where, and the way out."""
    stage: Stage
    """The stage that failed."""
    log: LogTail = []
    """The last lines of its log before that."""


class Outcome(Model):
    """The content of a termination message; exactly one member is set."""

    result: Result | None = None
    """From publish, when the message holds it."""
    result_sha256: str | None = None
    """From publish, when the result is too large for the message: hash of RESULT_FILE in the store."""
    failure: Failure | None = None
    """From the stage that failed."""
