"""Mails: one transaction for each recipient, so that each has its own end and its own entry in the ledger."""

import html
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from queue import Empty, LifoQueue
from threading import Lock, Semaphore

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import Entry
from report_operator.api.destinations import Email, Encryption, Login, MailServer
from report_operator.api.outputs import OutputFormat, download_name
from report_operator.api.run import Message, Request
from report_operator.api.sources import KeySelector
from report_operator.run.destinations.outcome import Failed, Outcome, Sent
from report_operator.run.destinations.package import Package
from report_operator.run.destinations.smtp import Account, Connection, RefusalError, on_the_wire
from report_operator.run.destinations.trust import trust
from report_operator.run.failure import RunError
from report_operator.run.message import with_links
from report_operator.run.mounts import place_of, secret_value

_POLICY = SMTP.clone(cte_type="7bit")
"""Lines end as mail wants it; nothing in it needs a server that takes 8 bits (RFC 6152)."""

CONNECTIONS = 4
"""To the server at the same time: servers allow each client a few."""


class EmailChannel:
    """The way to the recipients of a mail: a few connections to one server."""

    parallel = 8
    """More than connections: the ledger is written for some recipients while mails go out to others."""
    repeatable = False

    def __init__(self, name: str, email: Email, package: Package) -> None:
        """Read the Secrets and make the mail; raises RunError."""
        self._email = email
        self._package = package
        self._server, self._sender, self._account = _way(name, email, package)
        self._trust: ssl.SSLContext = trust(package.workspace, self._server.ca_from)
        made = mail(email, self._sender, package, package.rendered.messages[name])
        self._mail = on_the_wire(made.as_bytes())
        self._free = Semaphore(CONNECTIONS)
        self._idle: LifoQueue[Connection] = LifoQueue()
        self._opening = Lock()
        self._broken: Failed | None = None

    def send(self, entry: Entry) -> Outcome:
        """Send the mail to one recipient."""
        domain = self._sender.rpartition("@")[2]
        content = f"Message-ID: <{self._package.message_id(entry)}@{domain}>\r\n".encode() + self._mail
        with self._free:
            try:
                return self._sent(entry.recipient or "", content)
            except RefusalError as refusal:
                self._note(refusal.outcome)
                return refusal.outcome

    def probe(self) -> Outcome:
        """Connect and log in; no mail is begun."""
        try:
            self._idle.put(self._opened())
        except RefusalError as refusal:
            return refusal.outcome
        return Sent()

    def close(self) -> None:
        """Take leave of the server."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _sent(self, recipient: str, content: bytes) -> Outcome:
        """Send through a connection that is open, or a new one; raises RefusalError.

        A server may end a connection after a while, or after some mails. What has failed by that goes through another.
        """
        while True:
            connection = self._connection()
            was_new = connection.is_new
            outcome = connection.send(self._sender, recipient, content)
            if connection.is_usable:
                self._idle.put(connection)
            elif isinstance(outcome, Failed) and not was_new:
                continue
            return outcome

    def _connection(self) -> Connection:
        """Return a connection; raises RefusalError."""
        if self._broken is not None:
            raise RefusalError(self._broken)
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._opened()

    def _opened(self) -> Connection:
        """Return a new connection, made after each other: many wrong passwords at once would lock the account."""
        with self._opening:
            if self._broken is not None:
                raise RefusalError(self._broken)
            try:
                return Connection(self._server, self._trust, self._account)
            except RefusalError as refusal:
                self._note(refusal.outcome)
                raise

    def _note(self, refusal: Failed) -> None:
        if not refusal.passing:
            self._broken = refusal


def _way(name: str, email: Email, package: Package) -> tuple[MailServer, str, Account | None]:
    """Return the server, the sender's address and the user; raises RunError.

    Without a server of its own a mail goes to the platform team's relay, within the cluster and with the run's leave.
    """
    if email.server is not None and email.from_ is not None:
        return email.server, email.from_, _account(email.server.login, package)
    relay = package.links.relay
    if relay is None:
        text = f"destination {name!r}: there is no mail relay of the platform team; set email.server and email.from"
        raise RunError(Reason.INVALID_SPEC, text)
    server = MailServer(host=relay.host, port=relay.port, encryption=Encryption.NONE)
    return server, relay.sender, Account(relay.username, relay.password) if relay.username else None


def _account(login: Login | None, package: Package) -> Account | None:
    if login is None:
        return None
    username, password = (
        _credential(source.secret_key_ref, package) for source in (login.username_from, login.password_from)
    )
    return Account(username, password)


def _credential(selector: KeySelector, package: Package) -> str:
    """Return a value of a login, which Python's smtplib sends in ASCII; raises RunError."""
    value = secret_value(package.workspace, selector)
    if not value.isascii():
        text = f"{place_of(selector)} has a character that is not ASCII"
        raise RunError(Reason.INVALID_SPEC, f"{text}: give the user of the mail server a name and a password without")
    return value


def mail(email: Email, sender: str, package: Package, message: Message) -> EmailMessage:
    """Return the mail without its Message-ID, the only header that differs from recipient to recipient.

    EmailMessage refuses line breaks in headers, so that no text can add a header.
    """
    request = package.request
    made = EmailMessage(policy=_POLICY)
    made["Date"] = format_datetime(datetime.now(UTC))
    made["From"] = _address(sender, " ".join((email.from_name or "").split()))
    if email.to or not email.cc:
        made["To"] = [_address(each) for each in email.to] or "undisclosed-recipients:;"
    if email.cc:
        made["Cc"] = [_address(each) for each in email.cc]
    if email.reply_to:
        made["Reply-To"] = [_address(each) for each in email.reply_to]
    made["Subject"] = message.subject
    made["List-Id"] = f"<{_list_id(sender, request)}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: vacation responders stay silent.
    made["Precedence"] = "bulk"  # The older word for it.
    made["X-Report-Operator-Run-ID"] = request.run_id
    made.set_content(with_links(message.text, package.links))
    made.add_alternative(with_links(message.html, package.links, html.escape), subtype="html")
    for name in message.attachments:
        media_type = OutputFormat(name.rpartition(".")[2]).media_type.partition(";")[0]
        kind, _, subtype = media_type.partition("/")
        content = (package.workspace.outputs / name).read_bytes()
        made.add_attachment(content, maintype=kind, subtype=subtype, filename=download_name(request.name, name))
    return made


def _address(address: str, name: str = "") -> Address:
    """Return an address as it is, also one that is not as RFC 5322 says (`a..b@example.com`): the server knows it."""
    username, _, domain = address.rpartition("@")
    return Address(display_name=name, username=username, domain=domain)


def _list_id(sender: str, request: Request) -> str:
    """Return the list's name (RFC 2919): the same for all Reports of a schedule, so that readers can sort them."""
    return f"{request.schedule or request.name}.{request.namespace}.{sender.rpartition('@')[2]}"
