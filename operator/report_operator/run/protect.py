"""Encrypts the files that are opened with a password."""

import logging
import secrets
from pathlib import Path

from report_operator.api.conditions import Reason
from report_operator.api.report import ReportSpec
from report_operator.api.sources import KeySelector
from report_operator.run.failure import RunError
from report_operator.run.mounts import place_of, secret_value
from report_operator.run.workspace import Workspace

LONGEST_PASSWORD = 127
"""Bytes of UTF-8 that PDF 2.0 looks at (ISO 32000-2, 7.6.4.3.3); Excel takes 255 characters."""

_log = logging.getLogger(__name__)


def protect(spec: ReportSpec, workspace: Workspace) -> None:
    """Encrypt, in its place, each file that has a password.

    Raises RunError: SecretNotFound, or InvalidSpec for a password that cannot be one; then no file is encrypted.
    """
    wanted = [(output.file_name, output.password_key) for output in spec.outputs if output.password_key]
    passwords = {name: _password(workspace, key) for name, key in wanted}
    for name, password in passwords.items():
        _encrypt(workspace.outputs / name, password)
        _log.info("%s: encrypted", name)


def _password(workspace: Workspace, key: KeySelector) -> str:
    password = secret_value(workspace, key)
    if len(password.encode()) > LONGEST_PASSWORD:
        raise RunError(
            Reason.INVALID_SPEC,
            f"{place_of(key)} has more than {LONGEST_PASSWORD} bytes: no more of a password"
            " would count in a PDF, use a shorter one",
        )
    return password


def _encrypt(path: Path, password: str) -> None:
    encrypted = path.with_suffix(".encrypted")
    (_encrypt_pdf if path.suffix == ".pdf" else _encrypt_workbook)(path, password, encrypted)
    encrypted.replace(path)


def _encrypt_pdf(path: Path, password: str, target: Path) -> None:
    from pypdf import PdfWriter  # noqa: PLC0415 - only where a PDF has a password

    writer = PdfWriter(clone_from=path)
    # The second password would lift restrictions, of which there are none: nobody has it.
    writer.encrypt(password, secrets.token_urlsafe(32), algorithm="AES-256")
    writer.write(target)


def _encrypt_workbook(path: Path, password: str, target: Path) -> None:
    from report_operator.run import workbook_encryption  # noqa: PLC0415 - only where a workbook has a password

    size, largest = path.stat().st_size, workbook_encryption.LARGEST_FILE
    if size > largest:
        raise RunError(
            Reason.DATA_INVALID,
            f"{path.name} has {size:,} bytes, and a workbook with a password at most {largest:,}:"
            " have fewer rows, or no password",
        )
    workbook_encryption.encrypt(path, password, target)
