"""No credentials in what people read."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from report_operator.run.redaction import Redactor

MASK = "***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot reach https://user:pass@host:8443/path", "cannot reach https://***@host:8443/path"),
        ("GET https://host/a?X-Amz-Signature=abc&b=c failed", "GET https://host/a?*** failed"),
        ("at (http://host/a?token=x#part)", "at (http://host/a?***#part)"),
        ("postgresql+psycopg://u:p%40ss@h/db", "postgresql+psycopg://***@h/db"),
        ("host=h user=u password=hush dbname=d", "host=h user=u password=*** dbname=d"),
        (r"password = 'it\'s hush' x", "password = *** x"),
        ("Authorization: Bearer abc.def-ghi_jkl=", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("mail to a@example.com, see http://host/a", "mail to a@example.com, see http://host/a"),
        ("password authentication failed for user", "password authentication failed for user"),
        ("Basic knowledge", "Basic ***"),
    ],
)
def test_what_looks_like_credentials(text: str, expected: str) -> None:
    assert Redactor()(text) == expected


PASSWORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="*"), min_size=4
)


@given(password=PASSWORDS, before=st.text(), after=st.text())
@example(password="p@ss/w:rd", before="FATAL: ", after="")
@example(password="100%41", before="", after="")
def test_the_password_of_a_url_in_any_form(password: str, before: str, after: str) -> None:
    assume(password not in before + after and password not in f"postgresql://user:@host/db{MASK}")
    redact = Redactor([f"postgresql://user:{quote(password, safe='')}@host/db\n"])
    for form in (password, quote(password), quote(password, safe=""), quote_plus(password), repr(password)):
        text = redact(f"{before} {form} {after}")
        assert password not in text
        assert quote(password, safe="") not in text


@given(value=PASSWORDS, before=st.text(st.characters(exclude_characters="*")), after=st.text())
def test_a_header_value(value: str, before: str, after: str) -> None:
    assume(value not in f"{before} {MASK} {after}")
    assert value not in Redactor([f"{value}\n"])(f"{before} {value} {after}")


def test_a_token_after_its_scheme() -> None:
    redact = Redactor(["Token abcdefgh12345"])
    assert redact("the token abcdefgh12345 was refused") == "the token *** was refused"


TOKENS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40)


@given(token=TOKENS, id_=st.integers(1, 10**19), query=st.sampled_from(["", "?wait=true", "?thread_id=1"]))
@example(token="0" * 8, id_=1, query="")
def test_the_token_of_a_chat_s_url(token: str, id_: int, query: str) -> None:
    """A server may repeat the path, its last piece, or both as JSON of PHP and HTML have them."""
    assume(token not in f"GET  was not understood, no webhook POST to {MASK} of 1{id_}")
    path = f"/api/webhooks/{id_}/{token}"
    redact = Redactor([f"https://chat.example.com{path}{query}\n"])
    for said in (path, path + query, token, path.replace("/", "\\/"), quote(path, safe=""), f"{path}&amp;x"):
        assert token not in redact(f"POST to {said} was not understood")
    assert redact("no webhook of https://chat.example.com") == "no webhook of https://chat.example.com"


@given(key=st.binary(min_size=32, max_size=64))
def test_the_key_of_a_connection_string(key: bytes) -> None:
    written = base64.b64encode(key).decode()
    account = "AccountName=teamaccount;EndpointSuffix=core.windows.net"
    redact = Redactor([f"DefaultEndpointsProtocol=https;AccountKey={written};{account}"])
    for form in (written, quote(written, safe=""), json.dumps(written), written.replace("/", "\\/")):
        assert redact(f"the key {form} is wrong").strip('"') in ("the key *** is wrong", 'the key "***" is wrong')
    assert redact("https://teamaccount.blob.core.windows.net") == "https://teamaccount.blob.core.windows.net"


@given(signature=st.binary(min_size=32, max_size=32))
@pytest.mark.parametrize(
    "before", ["sv=2024-11-04&sp=cw&", "?sp=cw&", "BlobEndpoint=https://a.example;SharedAccessSignature=sp=cw&"]
)
def test_the_signature_of_a_shared_access_signature(before: str, signature: bytes) -> None:
    plain = base64.b64encode(signature).decode()
    redact = Redactor([f"{before}sig={quote(plain, safe='')}&se=2036-01-01"])
    assert redact(f"Signature did not match: {plain}") == "Signature did not match: ***"
    assert redact(f"sig is {quote(plain, safe='')}.") == "sig is ***."


def test_each_line_of_a_value() -> None:
    redact = Redactor(["first line\nsecond line\n"])
    assert redact("saw second line") == "saw ***"


def test_short_values_only_where_they_stand_alone() -> None:
    assert Redactor(["ab"])("about ab, 'ab' and cab") == "about ***, '***' and cab"


def test_an_empty_value_masks_nothing() -> None:
    assert Redactor(["", " \n"])("a message") == "a message"


def test_everything_under_a_folder(tmp_path: Path) -> None:
    for name, key, value in (("db", "url", b"postgresql://u:hush-hush@h/d"), ("api", "bin", b"\xff\xfesecret-bytes")):
        (tmp_path / name).mkdir()
        (tmp_path / name / key).write_bytes(value)
    redact = Redactor.of(tmp_path)
    assert redact("password hush-hush refused") == "password *** refused"
    assert Redactor.of(tmp_path / "missing")("text") == "text"
