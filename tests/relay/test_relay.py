"""Runs that send through the relay to a real mail server: whose answers they get, and what they may not do."""

import json
import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from report_operator.api.relay import MAX_SIZE, Grant, GrantError, granted
from report_operator.relay.places import CLIENTS_OF_ADDRESS
from report_operator.relay.server import Server
from report_operator.relay.settings import PREFIX, Settings, SettingsError
from report_operator.relay.shares import Shares
from tests.support import mail_server, strange_mail_server
from tests.support.apiserver import ROOT
from tests.support.mail_server import HOST, PASSWORD, USERNAME, MailServer
from tests.support.ports import free_ports
from tests.support.relay import KEY, SENDER, grant, running

EVERYBODY = ["ann@example.com", "bob@lab.example.org", "bob@example.com", "nobody@example.com"]
MAIL = f"From: Reports <{SENDER}>\r\nTo: ann@example.com\r\nSubject: Weekly\r\n\r\nHello\r\n.\r\nagain\r\n".encode()


@contextmanager
def client(relay: Server, leave: Grant | None = None) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(HOST, relay.server_address[1], timeout=20) as smtp:
        smtp.ehlo()
        smtp.login(*(leave or grant(EVERYBODY)).credentials(KEY.encode()))
        yield smtp


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


@pytest.fixture
def relay(mails: MailServer) -> Iterator[Server]:
    with running(mails.port, connections=2) as server:
        yield server


def test_a_mail_passes_as_it_is(relay: Server, mails: MailServer) -> None:
    with client(relay) as smtp:
        assert smtp.sendmail(SENDER, ["ann@example.com", "bob@lab.example.org"], MAIL) == {}
    [mail] = mails.mails
    assert (mail.sender, mail.recipients) == (SENDER, ["ann@example.com", "bob@lab.example.org"])
    assert mail.content == MAIL


def test_the_answers_are_the_server_s(relay: Server, mails: MailServer) -> None:
    mails.recipient_answer = lambda to: "550 5.1.1 no such user" if to.startswith("nobody") else None
    with client(relay) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            smtp.sendmail(SENDER, ["nobody@example.com"], MAIL)
        assert refused.value.recipients == {"nobody@example.com": (550, b"5.1.1 no such user")}
        mails.data_answer = lambda _: "452 4.3.1 full"
        with pytest.raises(smtplib.SMTPDataError) as full:
            smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
        assert (full.value.smtp_code, full.value.smtp_error) == (452, b"4.3.1 full")
        mails.data_answer = lambda _: None
        smtp.mail(SENDER)
        smtp.rcpt("ann@example.com")
        assert smtp.data(MAIL) == (250, b"2.0.0 queued as Q1")
        mails.sender_answer = lambda _: "553 5.7.1 not your address"
        assert smtp.mail(SENDER) == (553, b"5.7.1 not your address")


def test_no_answer_of_the_server_is_none_of_the_relay(relay: Server, mails: MailServer) -> None:
    """The server has the mail; that it said nothing must not look like a refusal."""
    mails.drop_after_data = lambda _: True
    with client(relay) as smtp, pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
    assert len(mails.mails) == 1


@contextmanager
def strange_relay(**answers: bytes) -> Iterator[smtplib.SMTP]:
    """Yield a run's connection to the relay of a server that gives these answers."""
    with strange_mail_server.running(**answers) as port, running(port) as relay, client(relay) as smtp:
        yield smtp


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("answer", [b"", b"5", b"55", b"garbage\r\n", b"354 what\r\n", b"250-taken\r\ngarbage\r\n"])
def test_a_mail_without_a_valid_answer_has_none_of_the_relay(answer: bytes) -> None:
    with strange_relay(**{".": answer}) as smtp, pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail(SENDER, ["ann@example.com"], MAIL)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("MAIL", b"garbage\r\n"),
        ("RCPT", b"354 what\r\n"),
        ("RCPT", b"5"),
        ("DATA", b"250 taken already\r\n"),
        ("DATA", b"35"),
    ],
)
def test_a_command_without_a_valid_answer_has_failed(command: str, answer: bytes) -> None:
    """Above all DATA: what is said of it is the relay's answer to the whole mail."""
    with strange_relay(**{command: answer}) as smtp, pytest.raises(smtplib.SMTPException) as failed:
        smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
    assert "451, b'4.4." in str(failed.value)
    assert "the mail server gives no valid answer: " in str(failed.value)


def test_runs_share_few_connections_that_last(relay: Server, mails: MailServer) -> None:
    def send(number: int) -> None:
        mine = [f"r{number}-{each}@example.com" for each in range(5)]
        with client(relay, grant(mine)) as smtp:
            for each in mine:
                smtp.sendmail(SENDER, [each], MAIL)

    threads = [threading.Thread(target=send, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(mails.recipients)) == len(mails.recipients) == 30
    assert mails.connections <= 2
    mails.mails_per_connection = 3
    with client(relay) as smtp:
        for _ in range(8):
            smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
    assert len(mails.mails) == 38, "a connection that the server ends is replaced"


@pytest.mark.parametrize(
    ("expires_at", "key"),
    [(None, "another key"), (datetime(2026, 1, 1, tzinfo=UTC), KEY)],
)
def test_who_may_not_come_in(*, relay: Server, mails: MailServer, expires_at: datetime | None, key: str) -> None:
    with smtplib.SMTP(HOST, relay.server_address[1], timeout=20) as smtp:
        smtp.ehlo()
        assert smtp.mail(SENDER)[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.login(*grant(EVERYBODY, expires_at).credentials(key.encode()))
        assert refused.value.smtp_code == 535
        assert smtp.mail(SENDER)[0] == 530
    assert mails.connections == 0


def test_a_leave_that_was_widened_is_none() -> None:
    _, password = grant(EVERYBODY).credentials(KEY.encode())
    wider, _ = grant([*EVERYBODY, "eve@example.com"]).credentials(KEY.encode())
    with pytest.raises(GrantError, match="not that of a run"):
        granted(KEY.encode(), wider, password, datetime.now(UTC))
    name, password = grant(EVERYBODY).credentials(KEY.encode())
    assert granted(KEY.encode(), name, password, datetime.now(UTC)).namespace == "team-a"


def test_the_leave_of_the_largest_run_fits_into_a_login(relay: Server, mails: MailServer) -> None:
    """RFC 4954, section 4: 12,288 bytes in Base64."""
    everybody = [f"recipient-{number}@customer-{number}.example.com" for number in range(1000)]
    long = {"namespace": "n" * 63, "run_id": f"{UUID(int=0)}-{10**9}"}
    name, password = grant(everybody).model_copy(update=long).credentials(KEY.encode())
    assert len(b64encode(f"\0{name}\0{password}".encode())) <= 12_288
    with client(relay, grant(everybody)) as smtp:
        assert smtp.sendmail(SENDER, [everybody[0].upper(), everybody[999]], MAIL) == {}
    assert len(mails.mails) == 1


def test_a_recipient_is_that_of_one_run_only(relay: Server) -> None:
    """Or the leave of one run would tell who gets the mails of another."""
    mine = grant(EVERYBODY)
    assert not mine.model_copy(update={"run_id": "0b8e-2"}).allows(KEY.encode(), EVERYBODY[0])
    assert mine.allows(KEY.encode(), EVERYBODY[0])


@pytest.mark.parametrize(
    ("sender", "recipient", "content", "says"),
    [
        ("chief@platform.example.com", "ann@example.com", MAIL, f"mails of this relay are from {SENDER}"),
        (SENDER, "ann@elsewhere.com", MAIL, "ann@elsewhere.com is no recipient of run 0b8e-1"),
        (SENDER, "ann@example.com", MAIL.replace(SENDER.encode(), b"chief@example.com"), "are from"),
        (SENDER, "ann@example.com", b"From: chief@example.com\r\n" + MAIL, "are from"),
        (SENDER, "ann@example.com", MAIL.replace(b"From: ", b"From: chief@example.com, "), "are from"),
        (SENDER, "ann@example.com", b"From : chief@example.com\r\n" + MAIL, "no header of a mail"),
        (SENDER, "ann@example.com", b"Subject: x\r\n\r\nHello\r\n", "are from"),
        (SENDER, "ann@example.com", MAIL + b"x" * 1100 + b"\r\n", "lines end with CRLF"),
    ],
)
def test_what_a_run_may_not_send(
    *, relay: Server, mails: MailServer, sender: str, recipient: str, content: bytes, says: str
) -> None:
    with client(relay) as smtp:
        with pytest.raises(smtplib.SMTPException) as refused:
            smtp.sendmail(sender, [recipient], content)
        assert says in str(refused.value)
        assert mails.mails == []
        assert smtp.sendmail(SENDER, ["ann@example.com"], MAIL) == {}, "the conversation goes on"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n"])
def test_a_mail_hides_no_second_one(relay: Server, mails: MailServer, end: bytes) -> None:
    """SMTP smuggling: an end of the mail that the relay does not see and the server might."""
    hidden = b"MAIL FROM:<chief@example.com>\r\nRCPT TO:<eve@elsewhere.com>\r\nDATA\r\nFrom: chief@example.com\r\n\r\n"
    with client(relay) as smtp:
        smtp.mail(SENDER)
        smtp.rcpt("ann@example.com")
        smtp.docmd("DATA")
        smtp.send(MAIL.replace(b"\r\n.\r\n", b"\r\n..\r\n") + b"x" + end + hidden + b"\r\n.\r\n")
        assert smtp.getreply()[0] == 550
    assert mails.mails == []


def test_a_mail_that_is_too_large(relay: Server, mails: MailServer) -> None:
    with client(relay) as smtp:
        assert smtp.docmd(f"MAIL FROM:<{SENDER}> SIZE={MAX_SIZE + 1}")[0] == 552
        smtp.mail(SENDER)
        smtp.rcpt("ann@example.com")
        assert smtp.data(MAIL + (b"x" * 990 + b"\r\n") * (MAX_SIZE // 990))[0] == 552
    assert mails.mails == []


@pytest.mark.parametrize("encryption", ["StartTLS", "TLS"])
def test_the_platform_s_login_is_used_under_tls(tmp_path: Path, encryption: str) -> None:
    starts = {"tls": encryption == "TLS", "start_tls": encryption == "StartTLS"}
    with mail_server.running(tmp_path, **starts, login=True) as server:
        known = {"encryption": encryption, "username": USERNAME, "password": PASSWORD, "ca_file": tmp_path / "ca.crt"}
        with running(server.port, **known) as relay, client(relay) as smtp:
            smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
        assert [(mail.protected, mail.login) for mail in server.mails] == [(True, True)]
        with running(server.port, **known | {"password": "wrong"}) as relay, client(relay) as smtp:
            code, said = smtp.mail(SENDER)
        assert (code, b"the mail server cannot be used" in said) == (451, True)


def test_a_server_that_is_not_there() -> None:
    with running(free_ports(1)[0]) as relay, client(relay) as smtp:
        code, said = smtp.mail(SENDER)
    assert (code, said) == (451, b"4.4.1 the mail server cannot be used: [Errno 111] Connection refused")


@contextmanager
def greeted(relay: Server, address: str) -> Iterator[str]:
    """Connect from an address of this machine; return the code of the greeting."""
    place = (HOST, relay.server_address[1])
    with socket.create_connection(place, timeout=10, source_address=(address, 0)) as connection:
        yield connection.recv(100).decode()[:3]


def test_one_address_does_not_keep_all_others_out(relay: Server) -> None:
    with ExitStack() as stack:
        greetings = [stack.enter_context(greeted(relay, "127.0.0.1")) for _ in range(CLIENTS_OF_ADDRESS + 1)]
        assert greetings == ["220"] * CLIENTS_OF_ADDRESS + ["421"]
        with greeted(relay, "127.0.0.2") as other:
            assert other == "220"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with greeted(relay, "127.0.0.1") as again:
            if again == "220":
                return
        time.sleep(0.05)
    pytest.fail("connections that have ended still take places")


def of_namespace(namespace: str) -> Grant:
    return grant(EVERYBODY).model_copy(update={"namespace": namespace})


def test_one_namespace_does_not_keep_all_others_out(mails: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the connections are its own at most, whatever its runs do with them."""
    monkeypatch.setattr("report_operator.relay.upstream._PATIENCE", 0.2)
    with running(mails.port, connections=4) as relay, ExitStack() as stack:
        greedy = [stack.enter_context(client(relay, of_namespace("team-a"))) for _ in range(3)]
        assert [smtp.mail(SENDER)[0] for smtp in greedy] == [250, 250, 451]
        assert greedy[0].noop()[0] == 250
        with client(relay, of_namespace("team-b")) as other:
            assert other.sendmail(SENDER, ["ann@example.com"], MAIL) == {}
            assert other.mail(SENDER)[0] == 250
        with client(relay, of_namespace("team-c")) as third:
            assert third.mail(SENDER)[0] == 250
            greedy[1].rset()
            assert greedy[2].mail(SENDER)[0] == 250, "what is given back is there for whoever comes"


def test_who_waits_longest_comes_first() -> None:
    """One whose namespace has its share keeps nobody behind it waiting."""
    shares, order, threads = Shares(2), list[str](), list[threading.Thread]()
    assert shares.take("team-a", 0)

    def wait(namespace: str) -> None:
        if shares.take(namespace, 20):
            order.append(namespace)

    for number, namespace in enumerate(("team-a", "team-b", "team-c"), start=1):
        threads.append(threading.Thread(target=wait, args=[namespace]))
        threads[-1].start()
        while len(shares._waiting) + len(order) < number:
            time.sleep(0.01)
    threads[1].join()
    assert order == ["team-b"]
    shares.give("team-a")
    threads[0].join()
    shares.give("team-b")
    threads[2].join()
    assert order == ["team-b", "team-a", "team-c"]


def dawdle(smtp: smtplib.SMTP, how: str) -> None:
    """Keep a mail going for half a minute."""
    assert smtp.mail(SENDER)[0] == smtp.rcpt("ann@example.com")[0] == 250
    if how == "more of the mail":
        smtp.docmd("DATA")
        smtp.send(f"From: {SENDER}\r\n\r\n".encode())
    until = time.monotonic() + 30
    while time.monotonic() < until:
        match how:
            case "silence":
                smtp.getreply()
            case "a byte" | "more of the mail":
                smtp.send(b"x" if how == "a byte" else b"more\r\n")
                time.sleep(0.02)
            case command:
                smtp.docmd(command)


@pytest.mark.parametrize("how", ["NOOP", "RCPT TO:<ann@example.com>", "a byte", "more of the mail", "silence"])
def test_a_mail_that_takes_too_long_is_ended(
    mails: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """Whatever the run does meanwhile, and the connection to the real server is there for others."""
    monkeypatch.setattr("report_operator.relay.upstream._LONGEST", 0.5)
    caplog.set_level("INFO", "report_operator")
    with running(mails.port, connections=1) as relay:
        with client(relay) as slow, pytest.raises(OSError, match=r"closed|reset|not connected|Broken pipe"):
            dawdle(slow, how)
        with client(relay) as other:
            assert other.sendmail(SENDER, ["bob@example.com"], MAIL) == {}
    assert mails.recipients == ["bob@example.com"]
    assert "namespace team-a, run 0b8e-1: ended: its mail takes too long" in caplog.messages


def test_the_server_s_time_for_a_whole_mail_is_not_the_run_s(
    mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the run sent away while the server looks for viruses, nobody would know whether it has taken the mail."""
    monkeypatch.setattr("report_operator.relay.upstream._LONGEST", 0.5)
    mails.data_answer = lambda _: time.sleep(1.5)
    with running(mails.port, connections=1) as relay, client(relay) as smtp:
        assert smtp.sendmail(SENDER, ["ann@example.com"], MAIL) == {}


def test_commands_at_once(relay: Server, mails: MailServer) -> None:
    with client(relay) as smtp:
        assert smtp.has_extn("pipelining")
        commands = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n".encode()
        smtp.send(commands)
        assert [smtp.getreply()[0] for _ in range(3)] == [250, 250, 354]
        smtp.send(MAIL.replace(b"\r\n.\r\n", b"\r\n..\r\n") + b".\r\n" + commands)
        assert [smtp.getreply()[0] for _ in range(4)] == [250, 250, 250, 354]
        smtp.close()
    assert [mail.content for mail in mails.mails] == [MAIL]


@pytest.mark.parametrize(
    "command", ["VRFY ann", "RCPT TO:<ann@example.com>", "DATA", "MAIL FROM:<> SIZE=1", "AUTH LOGIN"]
)
def test_what_is_no_command_here(relay: Server, command: str) -> None:
    with client(relay) as smtp:
        assert 500 <= smtp.docmd(command)[0] < 600
        assert smtp.noop()[0] == 250


def test_a_run_that_goes_in_the_middle_of_a_mail(relay: Server, mails: MailServer) -> None:
    with client(relay) as smtp:
        smtp.mail(SENDER)
        smtp.rcpt("ann@example.com")
        smtp.docmd("DATA")
        smtp.send(MAIL.replace(b"\r\n.\r\n", b"\r\n..\r\n"))
        smtp.close()
    with client(relay) as smtp:
        smtp.sendmail(SENDER, ["bob@example.com"], MAIL)
    assert mails.recipients == ["bob@example.com"]


def test_at_its_end_the_relay_waits_for_mails(mails: MailServer) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def answer(_: object) -> None:
        begun.set()
        assert goes_on.wait(20)

    mails.data_answer = answer
    ends: list[Callable[[], None]] = []
    with running(mails.port, connections=2) as relay, client(relay) as smtp:
        sending = threading.Thread(target=smtp.sendmail, args=[SENDER, ["ann@example.com"], MAIL])
        sending.start()
        assert begun.wait(20)
        ending = threading.Thread(target=relay.pool.close, args=[20])
        ending.start()
        ends += [sending.join, ending.join]
        with client(relay) as other:
            while other.mail(SENDER) != (451, b"4.4.1 the relay is going down"):
                other.rset()
        assert ending.is_alive()
        goes_on.set()
        for join in ends:
            join()
    assert mails.recipients == ["ann@example.com"]


def test_the_process_from_its_start_to_sigterm(mails: MailServer) -> None:
    """As the pod runs it: settings in the environment, a mail passed on, a good end, and no secret in its log."""
    port = free_ports(1)[0]
    fields = {"KEY": KEY, "SENDER": SENDER, "HOST": HOST, "PORT": mails.port, "ENCRYPTION": "None", "LISTEN_PORT": port}
    ours = {f"{PREFIX}{name}": str(value) for name, value in fields.items()}
    environment = os.environ | ours | {"PYTHONPATH": str(ROOT / "operator")}
    command = [sys.executable, "-m", "report_operator", "relay"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        first = process.stdout.readline()
        with smtplib.SMTP(HOST, port, timeout=20) as smtp:
            smtp.login(*grant(EVERYBODY).credentials(KEY.encode()))
            smtp.sendmail(SENDER, ["ann@example.com"], MAIL)
        process.terminate()
        said = first + process.communicate(timeout=40)[0]
    assert process.returncode == 0, said.decode()
    assert mails.recipients == ["ann@example.com"]
    lines = [json.loads(line)["message"] for line in said.splitlines()]
    assert lines[0] == f"mails from {SENDER} go to {HOST}:{mails.port}"
    assert lines[1] == "namespace team-a, run 0b8e-1: 250 2.0.0 queued as Q1"
    assert KEY.encode() not in said


def test_a_process_without_settings_says_which() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "report_operator", "relay"]
    done = subprocess.run(
        command, env=environment | {"PYTHONPATH": str(ROOT / "operator")}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (os.EX_CONFIG, "")
    assert f"{PREFIX}KEY: Field required" in done.stderr


def test_settings_that_are_wrong_are_named_and_not_shown() -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_env({f"{PREFIX}KEY": "short", f"{PREFIX}SENDER": SENDER})
    assert f"{PREFIX}KEY: " in str(wrong.value)
    assert f"{PREFIX}HOST: Field required" in str(wrong.value)
    assert "short" not in str(wrong.value).replace("too_short", "")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HOST", "mail..example.com", "is no name of a host: each part has 1 to 63 characters"),
        ("USERNAME", "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg", "should match pattern"),
        ("PASSWORD", "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss", "should match pattern"),
    ],
)
def test_what_no_mail_could_be_sent_with_is_said_at_the_start(name: str, value: str, says: str) -> None:
    good = {"KEY": "k" * 32, "SENDER": SENDER, "HOST": "mail.example.com"}
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name}: .*{says}") as wrong:
        Settings.from_env({f"{PREFIX}{each}": text for each, text in (good | {name: value}).items()})
    assert value not in str(wrong.value)
