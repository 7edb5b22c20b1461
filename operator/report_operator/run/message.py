"""What destinations tell people: made by the stage that has no secret, from the author's texts and our page.

The signed links are secrets of a kind and come later: until then there is a placeholder for each.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import FunctionLoader

from report_operator.api.buckets import S3, Azure, Gcs
from report_operator.api.destinations import Attachments, Destination, Email, Slack, Webhook
from report_operator.api.download import LinkPolicy
from report_operator.api.run import Links, Message, RenderedFile, Request
from report_operator.api.sections import ValueFormat
from report_operator.run import markdown, values
from report_operator.run.sandbox import Sandbox, user_code

LINK = "https://links.invalid/{name}/"
"""Placeholder of the link to a file; RFC 2606 keeps the domain free."""
EXPIRY = "expiry-of-links.invalid"
"""Placeholder of the moment when the links stop working."""

_SUBJECT = "{{ report.title }}{% if period %}, {{ period.text }}{% endif %}"
_TEST = "[Test] "
"""Begins the subject of a mail that is sent to one address as a test."""
_BODY = "{{ report.title }}{% if period %} about {{ period.text }}{% endif %} is ready."
_PAGE, _TEXT = "mail.html", "mail.txt"
_TEMPLATES = FunctionLoader(lambda name: (files("report_operator.run") / "templates" / name).read_text("utf-8"))
_SUBJECT_LENGTH = 250
_METRICS = 12
"""Metrics that a mail shows; the files have all."""


@dataclass(frozen=True)
class Letter:
    """What a message can be about."""

    request: Request
    variables: Mapping[str, Any]
    """What the author's texts see: report, period, params, tables and metrics."""
    files: Sequence[RenderedFile]
    sizes: Mapping[str, int]
    """Bytes of each file, by name."""

    @property
    def has_links(self) -> bool:
        """Return whether recipients get links to the files."""
        return self.request.spec.download.links is LinkPolicy.ENABLED


def compose(destination: Destination, letter: Letter, place: str) -> Message | None:
    """Return what a destination tells people, or None when it does not address any.

    `place` is the destination's in the spec. Raises RunError: TemplateFailed, OutOfMemory.
    """
    match destination.kind:
        case Email() as email:
            return _mail(email, letter, f"{place}.email")
        case Slack() as slack:
            return _chat(slack, letter, f"{place}.slack")
        case Azure() | Gcs() | S3() | Webhook():
            return None


def with_links(text: str, links: Links, escape: Callable[[str], str] = str) -> str:
    """Return a text with the signed links in place of their placeholders; `escape` makes them safe for its markup."""
    filled = text.replace(EXPIRY, written_expiry(links.downloads_expire_at))
    for name, link in links.downloads.items():
        filled = filled.replace(LINK.format(name=name), escape(link))
    return filled


def written_expiry(moment: datetime | None) -> str:
    """Return a moment as people read it: `12 May 2026, 06:00 UTC`."""
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC" if moment else "an unknown time"


def _mail(email: Email, letter: Letter, place: str) -> Message:
    attached, too_large = _chosen(email.attachments, letter)
    visible = _visible(letter, attached)
    body = email.body or _BODY
    mark = _TEST if letter.request.is_test else ""
    subject = _line(mark + _fill(email.subject or _SUBJECT, visible, f"{place}.subject", str))
    pieces = {
        **visible,
        "subject": subject,
        "body": markdown.to_html(_fill(body, visible, f"{place}.body", markdown.escape)),
        "body_text": _fill(body, visible, f"{place}.body", str).strip(),
        "metrics": list(letter.variables["metrics"].items())[:_METRICS],
        "too_large": too_large,
        "has_links": letter.has_links,
    }
    return Message(
        subject=subject,
        text=Sandbox(_TEMPLATES, escape=str).get_template(_TEXT).render(pieces),
        html=Sandbox(_TEMPLATES).get_template(_PAGE).render(pieces),
        attachments=attached,
    )


def _chat(slack: Slack, letter: Letter, place: str) -> Message:
    visible = _visible(letter, [])
    text = _fill(slack.text or _BODY, visible, f"{place}.text", escape_chat).strip()
    return Message(subject=_line(letter.request.title), text=text)


def escape_chat(value: str) -> str:
    """Return a value as a chat shows it as it is (Slack: "Formatting text for app surfaces")."""
    return html.escape(value, quote=False)


def _visible(letter: Letter, attached: Sequence[str]) -> dict[str, Any]:
    """Return what the author's texts see."""
    artifacts = [_artifact(file, letter, attached) for file in letter.files]
    return {**letter.variables, "artifacts": artifacts, "links_expire": EXPIRY}


def _fill(text: str, visible: Mapping[str, Any], place: str, escape: Callable[[str], str]) -> str:
    with user_code("<template>", place, visible):
        return Sandbox(escape=escape).fill(text, visible)


def _line(text: str) -> str:
    """Return a text as one line: a line break would end a header."""
    return " ".join(text.split())[:_SUBJECT_LENGTH]


def _chosen(wanted: Attachments | None, letter: Letter) -> tuple[list[str], list[str]]:
    """Return the files to attach, in the order of the spec, and those that were wanted but do not fit."""
    attached: list[str] = []
    too_large: list[str] = []
    left = wanted.max_bytes if wanted else 0
    for file in letter.files:
        if wanted is None or (wanted.formats and file.format not in wanted.formats):
            continue
        if letter.sizes[file.name] <= left:
            attached.append(file.name)
            left -= letter.sizes[file.name]
        else:
            too_large.append(file.name)
    return attached, too_large


def _artifact(file: RenderedFile, letter: Letter, attached: Sequence[str]) -> dict[str, object]:
    """Return what texts see of a file."""
    return {
        "name": file.name,
        "format": file.format.value,
        "rows": file.rows,
        "size": values.written(letter.sizes[file.name], ValueFormat.BYTES),
        "url": LINK.format(name=file.name) if letter.has_links else None,
        "attached": file.name in attached,
    }


def sizes(folder: Path, rendered: Sequence[RenderedFile]) -> dict[str, int]:
    """Return the bytes of each file in a folder, by name."""
    return {file.name: (folder / file.name).stat().st_size for file in rendered}
