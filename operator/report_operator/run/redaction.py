"""Takes credentials out of texts that people read: messages on the resource, logs, a terminal."""

import re
from collections.abc import Iterable
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

_WEB_PATH = re.compile(rf"^https?://[^/\s]+(/\S{{{_WORD},}})$", re.IGNORECASE)
"""Path and query of a web address: those of chats hold their token there."""
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
    """Return the value and its parts as they may turn up: decoded, percent-encoded, as a Python literal."""
    parts = {value, value.strip(), *value.splitlines()}
    if userinfo := _USERINFO.match(value.strip()):
        parts |= {userinfo[2], f"{userinfo[1]}:{userinfo[2]}"}
    else:
        parts |= {word for word in value.split() if len(word) >= _WORD}
    if path := _WEB_PATH.match(value.strip()):
        parts.add(path[1])
    decoded = {form for part in parts for form in (part, unquote(part))}
    encoded = {form for part in decoded for form in (quote(part, safe=""), quote_plus(part), repr(part)[1:-1])}
    return {form for form in decoded | encoded if form.strip()}


def _pattern(value: str) -> str:
    return re.escape(value) if len(value) >= _SHORT else rf"(?<!\w){re.escape(value)}(?!\w)"
