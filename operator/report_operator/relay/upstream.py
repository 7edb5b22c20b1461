"""Connections to the real mail server, kept and shared: it sees a few, however many runs there are."""

import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from queue import Empty, LifoQueue
from typing import NamedTuple, TypeVar

from report_operator.relay.shares import Shares
from report_operator.run.destinations.smtp import GO_ON, is_no, is_yes

_T = TypeVar("_T")

DATA = "DATA"
"""The command that a mail follows."""
_PATIENCE = 25.0
"""Seconds that a mail waits for a connection, and that the server may take for a command: less than a run waits."""
_DATA_TIMEOUT = 110.0
"""Seconds that the server may take for a whole mail: less than a run waits."""
_LONGEST = 900.0
"""Seconds from the beginning of a mail to its final dot: the largest at half a megabit a second."""
_IDLE = 60.0
"""Seconds without a mail after which a connection is not used again."""


class Answer(NamedTuple):
    """What a server says."""

    code: int
    text: bytes
    """Lines without their code, LF in between."""

    @property
    def is_yes(self) -> bool:
        """Return whether it has taken the command."""
        return is_yes(self.code)

    @property
    def is_no(self) -> bool:
        """Return whether it has refused the command."""
        return is_no(self.code)

    def line(self) -> bytes:
        """Return the answer as it is sent."""
        *more, last = self.text.replace(b"\r", b"").split(b"\n")
        return b"".join(b"%d-%b\r\n" % (self.code, each) for each in more) + b"%d %b\r\n" % (self.code, last)


class ServerError(Exception):
    """The server cannot be used now; the text says why."""


class Way:
    """A connection to the server, for one mail at a time.

    Methods raise ServerError when it is lost, and when an answer is no valid one: then it is closed, as nobody knows
    what the next answer would be about.
    """

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp
        self._used_at = time.monotonic()
        self.is_new = True
        """No mail has been begun by it."""
        self.is_open = True
        self.is_midway = False
        """The server waits for the rest of a mail."""
        self.namespace = ""
        """Who has it."""
        self._alarm = threading.Timer(0, lambda: None)

    def hold(self, namespace: str, late: Callable[[], None]) -> None:
        """Give it to a namespace for one mail; `late` is called by another thread when that takes too long."""
        self.namespace = namespace
        self._alarm = threading.Timer(_LONGEST, late)
        self._alarm.daemon = True
        self._alarm.start()

    def let_go(self) -> None:
        """Expect nothing more of who has it."""
        self._alarm.cancel()

    @property
    def takes_size(self) -> bool:
        """Return whether the server wants to know the size of a mail (RFC 1870)."""
        return self._smtp.has_extn("size")

    @property
    def is_fresh(self) -> bool:
        """Return whether the server may still be there."""
        return time.monotonic() - self._used_at < _IDLE

    def ask(self, command: str) -> Answer:
        """Return the answer to a command."""
        answer = self._do(lambda: Answer(*self._smtp.docmd(command)))
        self._check(answer, as_wanted=answer.code == GO_ON if command == DATA else answer.is_yes)
        self.is_midway = answer.code == GO_ON
        return answer

    def send(self, content: bytes) -> None:
        """Send a part of a mail."""
        self._do(lambda: self._smtp.send(content))

    def answer(self) -> Answer:
        """Return the answer to a mail that was sent whole, for which servers take their time."""
        self.let_go()
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(_DATA_TIMEOUT)
        answer = self._do(lambda: Answer(*self._smtp.getreply()))
        self._check(answer, as_wanted=answer.is_yes)
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(_PATIENCE)
        self._used_at, self.is_midway = time.monotonic(), False
        return answer

    def close(self) -> None:
        """End the connection at once: a mail whose final dot was not sent is not taken."""
        self.is_open = False
        self._smtp.close()

    def _check(self, answer: Answer, *, as_wanted: bool) -> None:
        """Raise ServerError when an answer is neither what is wanted nor a refusal."""
        if not (as_wanted or answer.is_no):
            self.close()
            said = " ".join(answer.text.decode("ascii", "replace").split())
            raise ServerError(f"the mail server gives no valid answer: {answer.code} {said}")

    def _do(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise ServerError(f"the mail server ended the connection: {error}") from error


class Pool:
    """At most so many connections. Safe for threads."""

    def __init__(self, connect: Callable[[], smtplib.SMTP], most: int) -> None:
        self._connect = connect
        self._shares = Shares(most)
        self._idle: LifoQueue[Way] = LifoQueue()
        self._closed = False

    def take(self, namespace: str, late: Callable[[], None]) -> Way:
        """Return a connection that is this thread's until `give`; raises ServerError.

        Whoever has it must be made to give it back when `late` is called.
        """
        if not self._shares.take(namespace, _PATIENCE):
            raise ServerError("the relay is going down" if self._closed else "too many mails are on their way")
        try:
            way = self._kept() or self._connected()
        except BaseException:
            self._shares.give(namespace)
            raise
        way.hold(namespace, late)
        return way

    def give(self, way: Way) -> None:
        """Let others have a connection, on which no mail is begun any more."""
        way.let_go()
        if way.is_open:
            way.is_new = False
            self._idle.put(way)
        self._shares.give(way.namespace)

    def close(self, patience: float) -> None:
        """Begin no further mail, and wait so many seconds at most for those that are on their way."""
        self._closed = True
        self._shares.close(patience)
        while way := self._kept():
            way.close()

    def _kept(self) -> Way | None:
        while True:
            try:
                way = self._idle.get_nowait()
            except Empty:
                return None
            if way.is_fresh:
                return way
            way.close()

    def _connected(self) -> Way:
        try:
            smtp = self._connect()
        except ssl.SSLCertVerificationError as error:
            raise ServerError(f"the certificate of the mail server is not trusted: {error.verify_message}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise ServerError(f"the mail server cannot be used: {error}") from error
        if smtp.sock is not None:
            smtp.sock.settimeout(_PATIENCE)
        return Way(smtp)
