"""What a run and the relay say to each other (RFC 5321).

Nothing is kept: each command about a mail goes to the real server, and its answer comes back. So what the ledger of a
run says of a mail is what the real server said. Where its last answer is lost, the run gets none either.
"""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import default
from io import BufferedIOBase

from report_operator.api.relay import MAX_SIZE, Grant, GrantError
from report_operator.relay.gate import Gate
from report_operator.relay.upstream import DATA, Answer, Pool, ServerError, Way
from report_operator.run.destinations.smtp import CLOSING

_COMMAND = 16_384
"""Bytes of a command; that of AUTH may have 12,288 (RFC 4954, section 4)."""
_LINE = 1000
"""Bytes of a line of a mail (RFC 5321, section 4.5.3.1.6)."""
_HEADER = 1_048_576
"""Bytes of all headers: a thousand recipients may be named."""
_BLOCK = 65_536
_ADDRESS = r"<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[-A-Za-z0-9.]+)>"
_MAIL = re.compile(rf"FROM:{_ADDRESS}(?: SIZE=([0-9]{{1,12}}))?", re.IGNORECASE)
_RCPT = re.compile(rf"TO:{_ADDRESS}", re.IGNORECASE)
_FIELD = re.compile(rb"[!-9;-~]+:|[ \t]")
"""How a line of a header begins (RFC 5322, section 2.2); other ways are read differently by different programs."""

_log = logging.getLogger(__name__)


class _EndError(Exception):
    """The conversation is over."""


class _RefusedError(Exception):
    """A command or a mail is refused; the text is the answer."""


class Conversation:
    """One connection of a run."""

    def __init__(
        self, source: BufferedIOBase, target: BufferedIOBase, hang_up: Callable[[], None], gate: Gate, pool: Pool
    ) -> None:
        """`hang_up` ends both, whatever waits for them."""
        self._source = source
        self._target = target
        self._hang_up = hang_up
        self._gate = gate
        self._pool = pool
        self._grant: Grant | None = None
        self._way: Way | None = None
        self._recipients = 0
        self._commands: dict[str, Callable[[str], bytes]] = {
            "EHLO": self._ehlo,
            "HELO": lambda _: b"250 report-operator relay\r\n",
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": lambda _: b"250 2.0.0 OK\r\n",
        }

    def run(self) -> None:
        """Answer until either side ends it. Raises OSError when the connection is lost."""
        try:
            self._say(b"220 report-operator relay\r\n")
            while line := self._source.readline(_COMMAND):
                verb, _, argument = line.decode("latin-1").strip().partition(" ")
                if verb.upper() == "QUIT":
                    self._say(b"221 2.0.0 bye\r\n")
                    return
                self._say(self._answer(verb.upper(), argument.strip()))
        except _EndError:
            return
        finally:
            self._let_go()

    def _answer(self, verb: str, argument: str) -> bytes:
        command = self._commands.get(verb)
        if command is None:
            return b"502 5.5.1 unknown command\r\n"
        try:
            return command(argument)
        except _RefusedError as error:
            return f"{error}\r\n".encode()

    def _say(self, answer: bytes) -> None:
        self._target.write(answer)
        self._target.flush()

    def _ehlo(self, _: str) -> bytes:
        return b"250-report-operator relay\r\n250-PIPELINING\r\n250-SIZE %d\r\n250 AUTH PLAIN\r\n" % MAX_SIZE

    def _auth(self, argument: str) -> bytes:
        kind, _, initial = argument.partition(" ")
        if kind.upper() != "PLAIN" or not initial:
            raise _RefusedError("504 5.5.4 AUTH PLAIN with an initial response")
        try:
            self._grant = self._gate.admit(initial)
        except GrantError as error:
            _log.warning("refused: %s", error)
            raise _RefusedError(f"535 5.7.8 {error}") from error
        return b"235 2.7.0 welcome\r\n"

    def _mail(self, argument: str) -> bytes:
        """Begin a mail with the real server."""
        grant, sender = self._grant, self._gate.sender
        if grant is None:
            raise _RefusedError("530 5.7.0 log in first")
        if grant.expires_at <= datetime.now(UTC):
            raise _RefusedError("550 5.7.1 the leave of this run has ended")
        if self._way is not None:
            raise _RefusedError("503 5.5.1 there is a mail already")
        found = _MAIL.fullmatch(argument)
        if found is None:
            raise _RefusedError("501 5.5.4 MAIL FROM:<address> SIZE=bytes")
        if found[1].lower() != sender.lower():
            raise _RefusedError(f"550 5.7.1 mails of this relay are from {sender}")
        if int(found[2] or 0) > MAX_SIZE:
            raise _RefusedError(f"552 5.3.4 a mail has {MAX_SIZE} bytes at most")
        try:
            return self._begin(grant, found[2]).line()
        except ServerError as error:
            raise _RefusedError(f"451 4.4.1 {error}") from error

    def _begin(self, grant: Grant, size: str | None) -> Answer:
        """Return the answer to MAIL through a connection that lasts; raises ServerError."""
        while True:
            way = self._pool.take(grant.namespace, self._late)
            self._way, self._recipients = way, 0
            options = f" SIZE={size}" if size and way.takes_size else ""
            try:
                answer = way.ask(f"MAIL FROM:<{self._gate.sender}>{options}")
            except ServerError:
                if way.is_new:
                    self._let_go()
                    raise
                self._let_go()
                continue
            if answer.code == CLOSING:
                way.close()
            if not answer.is_yes:
                self._let_go()
            if answer.code == CLOSING and not way.is_new:
                continue
            return answer

    def _rcpt(self, argument: str) -> bytes:
        if self._way is None or self._grant is None:
            raise _RefusedError("503 5.5.1 MAIL first")
        found = _RCPT.fullmatch(argument)
        if found is None:
            raise _RefusedError("501 5.5.4 RCPT TO:<address>")
        if not self._grant.allows(self._gate.key, found[1]):
            raise _RefusedError(f"550 5.7.1 {found[1]} is no recipient of run {self._grant.run_id}")
        try:
            answer = self._way.ask(f"RCPT TO:<{found[1]}>")
        except ServerError as error:
            self._let_go()
            raise _RefusedError(f"451 4.4.2 {error}") from error
        self._recipients += answer.is_yes
        return answer.line()

    def _data(self, _: str) -> bytes:
        """Pass a mail on; no answer, when the real server has got all of it and does not answer."""
        if self._way is None:
            raise _RefusedError("503 5.5.1 MAIL first")
        if not self._recipients:
            raise _RefusedError("554 5.5.1 there is no recipient")
        self._say(b"354 end with a dot\r\n")
        way, lines = self._way, self._lines()
        try:
            _pass_on(way, lines, self._gate.sender)
        except (_RefusedError, ServerError) as error:
            self._let_go()
            for _line in lines:  # The answer comes after the final dot.
                pass
            said = str(error) if isinstance(error, _RefusedError) else f"451 4.4.2 {error}"
            self._tell(said)
            raise _RefusedError(said) from error
        try:
            way.send(b".\r\n")
            answer = way.answer()
        except ServerError as error:
            self._tell(f"unknown: {error}")
            raise _EndError from error
        self._let_go(done=answer.code != CLOSING)
        self._tell(answer.line().decode("latin-1").strip())
        return answer.line()

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of a mail without its final dot, which stands between two CRLF. Raises _EndError without."""
        whole = True
        while (line := self._source.readline(_LINE + 1)) != b".\r\n" or not whole:
            if not line:
                raise _EndError
            yield line
            whole = line.endswith(b"\r\n")

    def _late(self) -> None:
        self._tell("ended: its mail takes too long")
        self._hang_up()

    def _rset(self, _: str) -> bytes:
        self._let_go()
        return b"250 2.0.0 OK\r\n"

    def _let_go(self, *, done: bool = False) -> None:
        """Let others have the connection to the real server; a mail that is not done is given up."""
        way, self._way = self._way, None
        if way is None:
            return
        if way.is_midway:  # What was sent of the mail is not taken: its final dot never comes.
            way.close()
        try:
            if way.is_open and not done and not way.ask("RSET").is_yes:
                way.close()
        except ServerError:
            pass
        finally:
            self._pool.give(way)

    def _tell(self, said: str) -> None:
        grant = self._grant
        if grant is not None:
            _log.info("namespace %s, run %s: %s", grant.namespace, grant.run_id, said)


def _pass_on(way: Way, lines: Iterator[bytes], sender: str) -> None:
    """Send all lines of a mail to the real server; raises _RefusedError, ServerError.

    Only CRLF ends a line: were a lone LF passed on, a server that takes it for an end could read a second mail, with
    another sender, out of the first ("SMTP smuggling", CVE-2023-51764).
    """
    header = _header(lines)
    _check_sender(header, sender)
    answer = way.ask(DATA)
    if answer.is_no:
        raise _RefusedError(answer.line().decode("latin-1").strip())
    size, block = len(header), bytearray(header)
    for line in lines:
        block += _checked(line)
        size += len(line)
        if size > MAX_SIZE:
            raise _RefusedError(f"552 5.3.4 a mail has {MAX_SIZE} bytes at most")
        if len(block) > _BLOCK:
            way.send(bytes(block))
            block.clear()
    way.send(bytes(block))


def _checked(line: bytes) -> bytes:
    if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
        raise _RefusedError(f"550 5.6.0 lines end with CRLF and have {_LINE} bytes at most")
    return line


def _header(lines: Iterator[bytes]) -> bytes:
    """Return the header of a mail with the empty line after it."""
    found, size = [], 0
    for line in lines:
        found.append(_checked(line))
        size += len(line)
        if line == b"\r\n":
            return b"".join(found)
        if size > _HEADER or not _FIELD.match(line):
            raise _RefusedError("550 5.6.0 this is no header of a mail")
    raise _RefusedError("550 5.6.0 the mail has no body")


def _check_sender(header: bytes, sender: str) -> None:
    """Raise _RefusedError unless the mail shows the address that it is from, and no other."""
    shown = BytesHeaderParser(policy=default).parsebytes(header).get_all("From", [])
    addresses = [address.addr_spec.lower() for each in shown for address in each.addresses]
    if len(shown) != 1 or addresses != [sender.lower()]:
        raise _RefusedError(f"550 5.7.1 mails of this relay are from {sender}")
