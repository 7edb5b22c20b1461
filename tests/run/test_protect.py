"""Files that are opened with a password."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msoffcrypto import OfficeFile
from msoffcrypto.exceptions import InvalidKeyError
from openpyxl import load_workbook
from pypdf import PasswordType, PdfReader

from report_operator.api.conditions import Reason
from report_operator.api.report import ReportSpec
from report_operator.run.failure import RunError
from report_operator.run.protect import LONGEST_PASSWORD, protect
from report_operator.run.render import render
from report_operator.run.workbook_encryption import LARGEST_FILE
from report_operator.run.workspace import Workspace
from tests.support import rendering

PASSWORD = "correct horse größe"
PASSWORD_FROM = {"passwordFrom": {"secretKeyRef": {"name": "readers", "key": "password"}}}
PROTECTED = {"format": "pdf", **PASSWORD_FROM}
WORKBOOK = {"format": "xlsx", "table": "t"}
Prepare = Callable[[bytes | None], Workspace]


def spec(*outputs: Any) -> ReportSpec:
    return ReportSpec.model_validate({"title": "Salaries", "outputs": list(outputs)})


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Render two PDFs, of which one is to have a password, and a workbook; None is no Secret."""

    def make(value: bytes | None) -> Workspace:
        workspace = rendering.workspace(tmp_path, {"t": "SELECT 'Jones' AS name, 4200 AS salary"})
        outputs = [{"format": "pdf"}, {"format": "pdf", "name": "open"}, WORKBOOK]
        render(rendering.request({"title": "Salaries", "outputs": outputs}), workspace)
        if value is not None:
            (workspace.secrets / "readers").mkdir(parents=True)
            (workspace.secrets / "readers/password").write_bytes(value)
        return workspace

    return make


@pytest.mark.requirement("N11")
def test_only_the_password_opens_the_file(prepare: Prepare) -> None:
    workspace = prepare(f"{PASSWORD}\n".encode())  # An editor, or echo, adds the line end.
    before = PdfReader(workspace.outputs / "report.pdf")
    text, pages = before.pages[0].extract_text(), len(before.pages)
    protect(spec(PROTECTED, {"format": "pdf", "name": "open"}), workspace)
    content = (workspace.outputs / "report.pdf").read_bytes()
    assert b"/AESV3" in content, "AES with 256 bits"
    for wrong in ("", "correct horse", "password"):
        assert PdfReader(workspace.outputs / "report.pdf").decrypt(wrong) is PasswordType.NOT_DECRYPTED
    reader = PdfReader(workspace.outputs / "report.pdf")
    assert reader.decrypt(PASSWORD) is PasswordType.USER_PASSWORD
    assert "Salaries" in text
    assert (reader.pages[0].extract_text(), len(reader.pages)) == (text, pages)
    assert reader.metadata is not None
    assert reader.metadata.title == "Salaries"
    assert [str(item["/Title"]) for item in reader.outline if isinstance(item, dict)] == ["Salaries"]
    assert not PdfReader(workspace.outputs / "open.pdf").is_encrypted
    assert sorted(path.name for path in workspace.outputs.glob("*.[ep]*")) == ["open.pdf", "report.pdf"]


@pytest.mark.requirement("N11")
@pytest.mark.parametrize("password", [PASSWORD, "x" * LONGEST_PASSWORD, "😀"])
def test_only_the_password_opens_a_workbook(prepare: Prepare, password: str) -> None:
    workspace = prepare(password.encode())
    file = workspace.outputs / "t.xlsx"
    plain = file.read_bytes()
    protect(spec(WORKBOOK | PASSWORD_FROM), workspace)
    assert plain not in file.read_bytes()
    with file.open("rb") as opened:
        encrypted = OfficeFile(opened)
        for wrong in ("correct horse", password[:-1] + "y"):
            with pytest.raises(InvalidKeyError):
                encrypted.load_key(wrong, verify_password=True)
        encrypted.load_key(password, verify_password=True)
        content = io.BytesIO()
        encrypted.decrypt(content, verify_integrity=True)
    assert content.getvalue() == plain
    [sheet] = load_workbook(content).worksheets
    assert list(sheet.values) == [("name", "salary"), ("Jones", 4200)]
    assert not list(workspace.outputs.glob("*.encrypted"))


@pytest.mark.requirement("N11")
def test_a_workbook_of_any_size_is_encrypted_whole(prepare: Prepare) -> None:
    """From 7 MB on its container has more tables."""
    workspace = prepare(PASSWORD.encode())
    file = workspace.outputs / "t.xlsx"
    with zipfile.ZipFile(file, "a") as workbook:
        workbook.writestr("docProps/large", os.urandom(8_000_000))
    plain = file.read_bytes()
    protect(spec(WORKBOOK | PASSWORD_FROM), workspace)
    with file.open("rb") as opened:
        encrypted, content = OfficeFile(opened), io.BytesIO()
        encrypted.load_key(PASSWORD, verify_password=True)
        encrypted.decrypt(content, verify_integrity=True)
    assert content.getvalue() == plain


@pytest.mark.requirement("N11")
def test_a_workbook_that_no_container_holds(prepare: Prepare) -> None:
    workspace = prepare(PASSWORD.encode())
    os.truncate(workspace.outputs / "t.xlsx", LARGEST_FILE + 1)
    with pytest.raises(RunError) as raised:
        protect(spec(WORKBOOK | PASSWORD_FROM), workspace)
    assert raised.value.reason is Reason.DATA_INVALID
    assert raised.value.message.startswith("t.xlsx has 2,147,483,617 bytes, and a workbook with a password at most")
    assert not list(workspace.outputs.glob("*.encrypted"))


@pytest.mark.requirement("N11")
@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        (None, Reason.SECRET_NOT_FOUND, "there is no Secret 'readers' with key 'password'"),
        (b" \n", Reason.INVALID_SPEC, "key 'password' of Secret 'readers' is empty"),
        (b"x" * (LONGEST_PASSWORD + 1), Reason.INVALID_SPEC, "more than 127 bytes"),
    ],
)
def test_without_a_password_that_can_be_one_nothing_is_encrypted(
    prepare: Prepare, value: bytes | None, reason: Reason, says: str
) -> None:
    workspace = prepare(value)
    before = {path: path.read_bytes() for path in workspace.outputs.iterdir()}
    with pytest.raises(RunError) as raised:
        protect(spec(PROTECTED, WORKBOOK | PASSWORD_FROM), workspace)
    assert raised.value.reason is reason
    assert says in raised.value.message
    assert {path: path.read_bytes() for path in workspace.outputs.iterdir()} == before


def test_the_longest_password_counts_to_its_end(prepare: Prepare) -> None:
    workspace = prepare(b"x" * LONGEST_PASSWORD)
    protect(spec(PROTECTED), workspace)
    reader = PdfReader(workspace.outputs / "report.pdf")
    assert reader.decrypt("x" * (LONGEST_PASSWORD - 1)) is PasswordType.NOT_DECRYPTED
    assert reader.decrypt("x" * LONGEST_PASSWORD) is PasswordType.USER_PASSWORD
