"""Takes credentials out of texts that people read: messages on the resource, logs, a terminal."""

import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus, unquote

_MASK = "***"
_SHORT = 4
"""Values shorter than this are masked only where they stand alone: masking each "a" would leave no message."""
_WORD = 8
"""Words of a value from this length on are masked by themselves, such as the token in `Bearer <token>`."""

_PATTERNS = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#\"'<>]*@"), rf"\1{_MASK}@"),
    (re.compile(r"(?i)\b(https?://[^\s?#\"'<>]+)\?[^\s#\"'<>]*"), rf"\1?{_MASK}"),
    (re.compile(r"(?i)\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s,;)]+)"), rf"\1{_MASK}"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[-\w.~+/]{8,}=*"), rf"\1{_MASK}"),
)
"""Userinfo and query of a URL, the password of a libpq connection string, an Authorization header."""

_WEB_PATH = re.compile(r"^https?://[^/\s]+((/[^\s?]*)\S*)$", re.IGNORECASE)
"""Path and query of a web address, and the path alone: those of chats hold their token there."""
_PAIR = re.compile(r"(?:^|[;&?])([^=;&?\s]+)=([^;&\s]+)")
"""Name and value in a connection string (`k=v;k=v`), a query or a shared access signature (`k=v&k=v`)."""
_PUBLIC = re.compile(r"(?:name|protocol|suffix|endpoint)$", re.IGNORECASE)
"""Names of values that tell where a storage account is: messages have to name it."""
_USERINFO = re.compile(r"^[a-zA-Z][\w+.-]*://([^:@/]*):(.*)@")


class Redactor:
    """Replaces known secret values, and what looks like credentials, in a text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(_pattern, known))) if known else None

    @classmethod
    def of(cls, secrets: Path) -> Self:
        """Return a redactor of every value under a folder of mounted Secrets (`<name>/<key>`)."""
        files = [file for file in secrets.glob("*/*") if file.is_file()]
        return cls(file.read_text(encoding="utf-8", errors="replace") for file in files)

    def __call__(self, text: str) -> str:
        """Return the text with `***` in place of each credential."""
        if self._known:
            text = self._known.sub(_MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _forms(value: str) -> set[str]:
    """Return the value and its parts as they may turn up, decoded and written in other ways."""
    parts = {value, value.strip(), *value.splitlines()}
    if userinfo := _USERINFO.match(value.strip()):
        parts |= {userinfo[2], f"{userinfo[1]}:{userinfo[2]}"}
    else:
        parts |= {word for word in value.split() if len(word) >= _WORD}
    if path := _WEB_PATH.match(value.strip()):
        parts |= {part for part in (path[1], path[2], *path[2].split("/")) if len(part) >= _WORD}
    parts |= {part for name, part in _PAIR.findall(value) if len(part) >= _WORD and not _PUBLIC.search(name)}
    decoded = {form for part in parts for form in (part, unquote(part))}
    return {form for part in decoded for form in (part, *_written(part)) if form.strip()}


def _written(text: str) -> Iterator[str]:
    """Yield a text as URLs, Python, HTML and JSON write it; in JSON, PHP writes a backslash before each slash."""
    yield from (quote(text, safe=""), quote_plus(text), repr(text)[1:-1], html.escape(text))
    json_text = json.dumps(text)[1:-1]
    yield from (json_text, json_text.replace("/", "\\/"))


def _pattern(value: str) -> str:
    return re.escape(value) if len(value) >= _SHORT else rf"(?<!\w){re.escape(value)}(?!\w)"
