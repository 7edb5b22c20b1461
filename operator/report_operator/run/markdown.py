"""Markdown to HTML, and values to Markdown. HTML in a text is shown, not interpreted."""

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
_SPECIAL = re.compile(r"([\\`*_\[\]<>&~|#])")
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


class _Parser(MarkdownIt):
    """CommonMark with tables and strikethrough; links to web and mail addresses, no images."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "typographer": True})
        self.enable(["table", "strikethrough", "replacements", "smartquotes"])
        self.disable("image")

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return bool(_LINK.match(url))


_PARSER = _Parser()


def to_html(text: str) -> Markup:
    """Return the HTML of a Markdown text; safe to put into a page."""
    return Markup(_PARSER.render(text))  # noqa: S704 - markdown-it escapes all text


def escape(value: str) -> str:
    """Return a value as it is to be read, whatever Markdown it seems to hold: one line, special characters escaped."""
    return _SPECIAL.sub(r"\\\1", _LINE_BREAKS.sub(" ", value))
