"""A connection to a mail server, and what its answers mean for a delivery (RFC 5321)."""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from report_operator.api.destinations import Encryption, MailServer
from report_operator.run.destinations.outcome import Failed, Outcome, Sent, Unknown

_TIMEOUT = 30
"""Seconds to connect, for the answer to a command, and for the server to take a block of a mail."""
_DATA_TIMEOUT = 120
"""Seconds for the answer to a whole mail: servers look for viruses before they answer."""
_BLOCK = 65_536
"""Bytes. In Python a timeout is that of a whole `sendall`, and a large mail over a slow line takes minutes."""
_PERMANENT = 500
_THE_MAIL = "the mail"
"""What is refused, in messages."""
GO_ON = 354
"""The server waits for a mail."""
CLOSING = 421
"""The server ends the connection (RFC 5321, section 3.8)."""
_DOT = re.compile(rb"^\.", re.MULTILINE)


def is_yes(code: int) -> bool:
    """Return whether a server has done what it was told (RFC 5321, section 4.2.1)."""
    return 200 <= code <= 299  # noqa: PLR2004


def is_no(code: int) -> bool:
    """Return whether a server has refused.

    What is neither yes nor no says nothing: smtplib returns -1 for what is no answer, and 55 for "550" cut short.
    """
    return 400 <= code <= 599  # noqa: PLR2004


@dataclass(frozen=True)
class Account:
    """A user of the server."""

    username: str
    password: str


class RefusalError(Exception):
    """The server cannot be used: this is not about one recipient."""

    def __init__(self, outcome: Failed) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class Connection:
    """A connection that is open, protected and logged in. One thread at a time."""

    def __init__(self, server: MailServer, trust: ssl.SSLContext, account: Account | None) -> None:
        """Connect to that server and no other; raises RefusalError."""
        self._place = f"{server.host}:{server.chosen_port}"
        self.is_usable = True
        self.is_new = True
        """No mail has been sent by it yet."""
        try:
            self._smtp = opened(server, trust, account)
        except smtplib.SMTPException as error:
            raise RefusalError(self._refusal(error)) from error
        except ssl.SSLCertVerificationError as error:
            text = (
                f"the certificate of {self._place} is not trusted: {error.verify_message}; name its authority in caFrom"
            )
            raise RefusalError(Failed(text)) from error
        except UnicodeError as error:  # Of the codec "idna", before anybody is asked.
            text = f"email.server.host: {server.host!r} is no name of a host: each part has 1 to 63 characters"
            raise RefusalError(Failed(text)) from error
        except OSError as error:
            text = f"{self._place} cannot be reached: {error}"
            raise RefusalError(Failed(text, passing=True, out_of_reach=True)) from error

    def send(self, sender: str, recipient: str, mail: bytes) -> Outcome:
        """Send a mail, made by `on_the_wire`, to one recipient; raises RefusalError.

        A server has taken a mail when it says so after the final dot (RFC 5321, section 4.2.5). What ends before that
        dot is sent has failed; what ends after it without a valid answer is unknown.
        """
        try:
            refused = self._envelope(sender, recipient, len(mail))
            if refused is not None:
                return refused
            self.is_new = False
            self._pass(mail)
        except (smtplib.SMTPException, OSError) as error:
            self._lost()
            return Failed(f"{self._place} ended the connection: {_said(error)}", passing=True)
        try:
            self._smtp.send(b"\r\n.\r\n")
            code, answer = self._answer()
        except (smtplib.SMTPException, OSError) as error:
            self._lost()
            return Unknown(f"{self._place} got the mail and did not answer: {_said(error)}")
        if is_yes(code):
            return Sent(_text(answer))
        if is_no(code):
            return self._failed(_THE_MAIL, code, answer)
        self._lost()
        return Unknown(f"{self._place} got the mail and gives no valid answer: {_shown(code, answer)}")

    def close(self) -> None:
        """Take leave."""
        try:
            self._smtp.quit()
        except (smtplib.SMTPException, OSError):
            self._smtp.close()

    def _envelope(self, sender: str, recipient: str, size: int) -> Failed | None:
        """Say who sends how much to whom; return what is refused about the recipient. Raises RefusalError."""
        options = f" SIZE={size}" if self._smtp.has_extn("size") else ""  # RFC 1870
        commands = {
            f"sender {sender}": f"MAIL FROM:{smtplib.quoteaddr(sender)}{options}",
            f"recipient {recipient}": f"RCPT TO:{smtplib.quoteaddr(recipient)}",
            _THE_MAIL: "DATA",
        }
        answers = [(what, *answer) for what, answer in zip(commands, self._answers(commands.values()), strict=False)]
        for what, code, answer in answers:
            if not _is_valid(what, code):  # Whom data would reach is not known, so there must be none.
                self._lost()
                return Failed(f"{self._place} gives no valid answer to {what}: {_shown(code, answer)}", passing=True)
        refused = [each for each in answers if is_no(each[1])]
        if not refused:
            return None
        if answers[-1][1] == GO_ON:
            self._smtp.docmd(".")  # The server waits for data that is for nobody (RFC 2920, section 3.1).
        what, code, answer = refused[0]
        if code == CLOSING:
            self._lost()
            return self._failed(what, code, answer)
        if what == f"sender {sender}":
            self.close()
            raise RefusalError(self._failed(what, code, answer, out_of_reach=True))
        self._smtp.rset()
        return self._failed(what, code, answer)

    def _pass(self, mail: bytes) -> None:
        for start in range(0, len(mail), _BLOCK):
            self._smtp.send(mail[start : start + _BLOCK])

    def _answers(self, commands: Iterable[str]) -> Iterator[tuple[int, bytes]]:
        """Yield the answers to commands until the server is leaving.

        They are sent at once to a server that takes them so (RFC 2920), else one by one until the first refusal.
        """
        at_once = self._smtp.has_extn("pipelining")
        if at_once:
            self._smtp.send("".join(f"{command}\r\n" for command in commands))
        for command in commands:
            code, answer = self._smtp.getreply() if at_once else self._smtp.docmd(command)
            yield code, answer
            if code == CLOSING or not (at_once or is_yes(code)):
                return

    def _answer(self) -> tuple[int, bytes]:
        """Return the answer to a whole mail, for which servers take their time."""
        connection = self._smtp.sock
        if connection is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        connection.settimeout(_DATA_TIMEOUT)
        try:
            return self._smtp.getreply()
        finally:
            connection.settimeout(_TIMEOUT)

    def _lost(self) -> None:
        self.is_usable = False
        self._smtp.close()

    def _failed(self, what: str, code: int, answer: bytes, *, out_of_reach: bool = False) -> Failed:
        passing = code < _PERMANENT
        said = f"{self._place} refuses {what}: {_shown(code, answer)}"
        return Failed(said, passing=passing, out_of_reach=out_of_reach and passing)

    def _refusal(self, error: smtplib.SMTPException) -> Failed:
        """Return why the server lets nobody in."""
        if isinstance(error, smtplib.SMTPResponseException):
            answer = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
            what = "the login" if isinstance(error, smtplib.SMTPAuthenticationError) else "to work"
            return self._failed(what, error.smtp_code, answer, out_of_reach=True)
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return Failed(f"{self._place} ended the connection: {error}", passing=True, out_of_reach=True)
        return Failed(f"{self._place}: {error}")


def opened(server: MailServer, trust: ssl.SSLContext, account: Account | None) -> smtplib.SMTP:
    """Return a connection to that server and no other, logged in. Raises SMTPException, OSError."""
    smtp = _connected(server, trust)
    with ExitStack() as stack:
        stack.callback(smtp.close)
        if server.encryption is Encryption.START_TLS:  # Whatever the server says of itself.
            smtp.starttls(context=trust)
        smtp.ehlo_or_helo_if_needed()
        if account is not None:
            smtp.login(account.username, account.password)
        stack.pop_all()
    return smtp


def _connected(server: MailServer, trust: ssl.SSLContext) -> smtplib.SMTP:
    name = socket.gethostname()
    if server.encryption is Encryption.TLS:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.chosen_port, name, timeout=_TIMEOUT, context=trust)
    else:
        smtp = smtplib.SMTP(server.host, server.chosen_port, name, timeout=_TIMEOUT)
    if smtp.sock is not None:
        # The final dot must not wait for the acknowledgement of the mail, which servers hold back (RFC 1122: 40 ms).
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return smtp


def on_the_wire(mail: bytes) -> bytes:
    """Return a mail as a server takes it, without the end of its last line (RFC 5321, section 4.5.2)."""
    return _DOT.sub(b"..", mail.removesuffix(b"\r\n"))


def _is_valid(what: str, code: int) -> bool:
    """Return whether a command about this may be answered so: DATA is followed by a mail, the others are done."""
    return is_no(code) or (code == GO_ON if what == _THE_MAIL else is_yes(code))


def _shown(code: int, answer: bytes) -> str:
    return f"{code} {_text(answer)}".rstrip()


def _text(answer: bytes) -> str:
    return " ".join(answer.decode("utf-8", "replace").split())


def _said(error: Exception) -> str:
    """Return what has happened; smtplib says "Server not connected" of whatever ended a send."""
    cause = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else None
    said = cause if isinstance(cause, OSError) else error
    return str(said) or type(said).__name__
