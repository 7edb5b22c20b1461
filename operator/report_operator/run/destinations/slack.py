"""Messages to a chat by Slack's incoming webhooks; Mattermost and Rocket.Chat take the same.

Slack shows the blocks; the others know no blocks and show the text, which therefore holds everything too.
"""

import json
from typing import Any

from report_operator import __version__
from report_operator.api.deliveries import Entry
from report_operator.api.destinations import Slack
from report_operator.api.run import Message
from report_operator.run.destinations.address import secret_address
from report_operator.run.destinations.outcome import Outcome
from report_operator.run.destinations.package import Package
from report_operator.run.destinations.post import client, post, reach
from report_operator.run.destinations.trust import trust
from report_operator.run.message import escape_chat, with_links, written_expiry

Json = dict[str, Any]

_TITLE, _TEXT, _FIELDS, _URL = 150, 3000, 10, 3000
"""Characters of a header, of a section and of a button's URL, and fields of a section (Slack: Block Kit)."""


class SlackChannel:
    """The way to a channel of a chat."""

    parallel = 1
    repeatable = False

    def __init__(self, name: str, slack: Slack, package: Package) -> None:
        """Read the Secrets and make the message; raises RunError."""
        self._url = secret_address(package.workspace, slack.url_from.secret_key_ref)
        message = payload(package, package.rendered.messages[name])
        self._body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        self._redact = package.redact
        self._client = client(trust(package.workspace, slack.ca_from), package.reach)

    def send(self, _entry: Entry) -> Outcome:
        """POST the message. Chats know no id of a message, so that a repetition is a second message."""
        headers = {"Content-Type": "application/json", "User-Agent": f"report-operator/{__version__}"}
        return post(self._client, self._url, self._body, headers, self._redact, has_id=False)

    def probe(self) -> Outcome:
        """Ask whether a server is there."""
        return reach(self._client, self._url)

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def payload(package: Package, message: Message) -> Json:
    """Return the message with blocks, and with a text for chats that know none.

    A block with an empty text would have all of it refused (Block Kit: section).
    """
    body = with_links(message.text, package.links, escape_chat)
    metrics = [f"{escape_chat(title)}: *{escape_chat(text)}*" for title, text in package.rendered.metrics.items()]
    links = {name: link for name, link in package.links.downloads.items() if len(link) <= _URL}
    lines = [f"<{escape_chat(link)}|{name}>" for name, link in package.links.downloads.items()]
    origin = f"Report {package.request.namespace}/{package.request.name}, run {package.request.run_id}"
    until = f"The links work until {written_expiry(package.links.downloads_expire_at)}."
    told = [f"*{escape_chat(message.subject)}*", body, *metrics, *lines, until if lines else "", origin]
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.subject[:_TITLE]}},
        *([{"type": "section", "text": _words(body[:_TEXT])}] if body else []),
        *([{"type": "section", "fields": [_words(each) for each in metrics[:_FIELDS]]}] if metrics else []),
        *([{"type": "actions", "elements": [_button(name, link) for name, link in links.items()]}] if links else []),
        {"type": "context", "elements": [_words(f"{until} {origin}" if lines else origin)]},
    ]
    return {"text": "\n".join(filter(None, told)), "blocks": blocks}


def _words(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def _button(name: str, link: str) -> Json:
    return {"type": "button", "text": {"type": "plain_text", "text": name[:75]}, "url": link}
