"""A file that is opened with a password: it is nowhere without one."""

import hashlib
import io

import pytest
from msoffcrypto import OfficeFile
from msoffcrypto.exceptions import InvalidKeyError
from openpyxl import load_workbook
from pypdf import PasswordType, PdfReader

from tests.e2e.failures import secret, spec
from tests.e2e.reports import JSON, ROWS, Team, artifact, download, outcome

pytestmark = pytest.mark.cluster

PASSWORD = "correct horse"
PASSWORD_FROM = {"passwordFrom": {"secretKeyRef": {"name": "readers", "key": "password"}}}
PROTECTED = {"format": "pdf", **PASSWORD_FROM}
WORKBOOK = {"format": "xlsx", "table": ROWS["name"], **PASSWORD_FROM}


@pytest.mark.requirement("D5", "N11")
def test_files_with_a_password(team: Team) -> None:
    team.create("closed", spec(title="Salaries", outputs=[PROTECTED, JSON]))
    found = team.wait("closed")
    assert outcome(found) == ("Failed", "SecretNotFound")
    assert "there is no Secret 'readers' with key 'password'" in found["status"]["message"]
    assert not found["status"]["artifacts"], "nothing is stored when one file cannot be encrypted"

    team.cluster.apply([secret("readers", password=PASSWORD)], team.namespace)
    team.create("closed", spec(title="Salaries of May", outputs=[PROTECTED, WORKBOOK, JSON]))
    found = team.wait("closed")
    assert outcome(found) == ("Succeeded", "Succeeded")
    content = download(found, "report.pdf")
    assert hashlib.sha256(content).hexdigest() == artifact(found, "report.pdf")["sha256"]
    assert PdfReader(io.BytesIO(content)).decrypt("") is PasswordType.NOT_DECRYPTED
    reader = PdfReader(io.BytesIO(content))
    assert reader.decrypt(PASSWORD) is PasswordType.USER_PASSWORD
    assert "Salaries of May" in reader.pages[0].extract_text()

    name = f"{ROWS['name']}.xlsx"
    encrypted = OfficeFile(io.BytesIO(download(found, name)))
    with pytest.raises(InvalidKeyError):
        encrypted.load_key("wrong", verify_password=True)
    encrypted.load_key(PASSWORD, verify_password=True)
    opened = io.BytesIO()
    encrypted.decrypt(opened, verify_integrity=True)
    [sheet] = load_workbook(opened).worksheets
    assert sheet.max_row == artifact(found, name)["rows"] + 1
