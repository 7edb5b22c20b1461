"""No credentials in what people read."""

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
