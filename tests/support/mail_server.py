"""A real mail server on loopback (aiosmtpd) that answers as a test says."""

import asyncio
import contextlib
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.localcluster import certificates

HOST = "127.0.0.1"
USERNAME, PASSWORD = "reports", "p4ss-word-of-mail"


@dataclass(frozen=True)
class Mail:
    """A mail that the server has taken."""

    sender: str
    recipients: list[str]
    content: bytes
    protected: bool
    """It came through TLS."""
    login: bool
    """Its sender had logged in."""

    @property
    def message(self) -> EmailMessage:
        """Return the mail, read."""
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message


@dataclass
class MailServer:
    """A running server. The answers are None for yes, or what it says instead."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    recipient_answer: Callable[[str], str | None] = lambda _: None
    sender_answer: Callable[[str], str | None] = lambda _: None
    data_answer: Callable[[Mail], str | None] = lambda _: None
    """Asked after the final dot, when the mail is kept already."""
    drop_after_data: Callable[[Mail], bool] = lambda _: False
    """Whether to end the connection instead of an answer, when the mail is kept already."""
    pipelining: bool = False
    """Whether commands may be sent at once."""
    data_for_nobody: bool = False
    """Whether data is taken although the recipient was refused, and refused afterwards (RFC 2920, section 3.1)."""
    mails_per_connection: int = 1_000_000
    """Further ones have to come through another."""
    connections: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        """Return who has got a mail, in order."""
        return [recipient for mail in self.mails for recipient in mail.recipients]


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_EHLO(  # noqa: N802 - the name that aiosmtpd looks for
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return ["250-PIPELINING", *responses] if self._server.pipelining else responses

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        sent = getattr(server, "mails_sent", 0)
        if sent >= self._server.mails_per_connection:
            assert server.transport
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
            return "421 4.4.5 enough mails of this connection"
        server.mails_sent = sent + 1  # type: ignore[attr-defined]
        refusal = self._server.sender_answer(address)
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refusal = self._server.recipient_answer(address)
        if refusal is None or self._server.data_for_nobody:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        transport = server.transport
        assert isinstance(transport, asyncio.Transport)
        content = envelope.original_content or b""
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
            content=content,
            protected=transport.get_extra_info("sslcontext") is not None,
            login=bool(session.authenticated),
        )
        if not content:
            return "554 5.5.1 no valid recipients"
        refusal = await asyncio.to_thread(self._server.data_answer, mail)
        if refusal is None:
            self._server.mails.append(mail)
        if self._server.drop_after_data(mail):
            transport.abort()
        return refusal or f"250 2.0.0 queued as Q{len(self._server.mails)}"


@contextlib.contextmanager
def running(
    folder: Path | None = None, *, tls: bool = False, start_tls: bool = False, login: bool = False
) -> Iterator[MailServer]:
    """Start a server; `folder` is for its certificate, whose authority is then in `ca.crt` there."""
    server = MailServer()
    context = _context(folder) if folder else None

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        server.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=server.logins[-1] == (USERNAME, PASSWORD), handled=False)

    settings: dict[str, Any] = {"data_size_limit": 64 << 20}
    if start_tls:
        settings |= {"tls_context": context, "require_starttls": True}
    if login:
        settings |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": not tls}

    def connected() -> SMTP:
        server.connections += 1
        with warnings.catch_warnings():  # aiosmtpd does not know that a listener with TLS needs no STARTTLS.
            warnings.simplefilter("ignore")
            return SMTP(_Handler(server), loop=loop, **settings)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    opening = loop.create_server(connected, HOST, 0, ssl=context if tls else None)
    listener = asyncio.run_coroutine_threadsafe(opening, loop).result()
    try:
        server.port = listener.sockets[0].getsockname()[1]
        yield server
    finally:
        loop.call_soon_threadsafe(listener.close)
        asyncio.run_coroutine_threadsafe(_ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """End connections that are still open."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _context(folder: Path) -> ssl.SSLContext:
    certificates.authority(folder)
    certificates.server(folder, "mail", [f"IP:{HOST}"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "mail.crt", folder / "mail.key")
    return context
