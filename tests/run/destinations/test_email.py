"""Mails to a real mail server: who gets which, what is in them, and each way in which one can fail."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import DeliveryState, Entry
from report_operator.api.relay import Access
from report_operator.api.run import Rendered
from report_operator.run import delivery
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.publish import publish
from report_operator.run.render import render
from tests.run.conftest import PERIOD
from tests.support import mail_server
from tests.support import relay as relay_process
from tests.support.mail_server import HOST, PASSWORD, USERNAME, MailServer
from tests.support.ports import free_ports
from tests.support.shipping import FILES, Shipment

Ship = Callable[..., Shipment]
PutSecret = Callable[[str, str, str], dict[str, Any]]
FROM = "reports@example.com"


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """A relay without encryption."""
    with mail_server.running() as server:
        yield server


def mail(port: int, server: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the destination `mail`; `to` is one address when not given."""
    way = {"host": HOST, "port": port, "encryption": "None"} | (server or {})
    email = {"server": way, "from": FROM} | fields
    return {"name": "mail", "email": {"to": ["ann@example.com"]} | email if "bcc" not in fields else email}


def post(shipment: Shipment) -> list[Entry]:
    """Compose the messages as render does, publish, and return the ledger."""
    rendered = composed(shipment)
    publish(shipment.request, rendered, shipment.workspace)
    return shipment.ledger()


def composed(shipment: Shipment) -> Rendered:
    """Let render make the messages; the files are then those of the shipment again."""
    fetch(shipment.request, shipment.workspace)
    return render(shipment.request, shipment.workspace)


def states(entries: list[Entry]) -> dict[str, str]:
    return {entry.recipient or "": entry.state.value for entry in entries}


@pytest.mark.requirement("A8")
@pytest.mark.requirement("E5")
def test_what_a_mail_holds(ship: Ship, mails: MailServer) -> None:
    fields: dict[str, Any] = {
        "fromName": "Traffic, weekly",
        "to": ["ann@example.com", "bob@example.com"],
        "cc": ["chief@example.com"],
        "bcc": ["hidden@example.com"],
        "replyTo": ["team@example.com"],
        "subject": "Traffic {{ period.text }} \N{EN DASH} {{ metrics['Bytes'] }} bytes",
        "body": "Dear all,\n\n**{{ metrics['Bytes'] }}** bytes & more: [the table]({{ artifacts[1].url }}).",
    }
    sections = [{"blocks": [{"metric": {"title": "Bytes", "table": "by_day", "column": "bytes"}}]}]
    shipment = ship(mail(mails.port, **fields), title="Weekly", period=PERIOD, sections=sections)
    entries = post(shipment)

    assert states(entries) == dict.fromkeys([*fields["to"], *fields["cc"], *fields["bcc"]], "Sent")
    assert {entry.remote_id for entry in entries} == {f"2.0.0 queued as Q{n}" for n in (1, 2, 3, 4)}
    assert all(len(each.recipients) == 1 and each.sender == FROM for each in mails.mails)
    for each in mails.mails:
        message = each.message
        assert str(message["From"]) == f'"Traffic, weekly" <{FROM}>'
        assert str(message["To"]) == "ann@example.com, bob@example.com"
        assert (str(message["Cc"]), str(message["Reply-To"])) == ("chief@example.com", "team@example.com")
        assert b"hidden@example.com" not in each.content
        assert str(message["Subject"]) == "Traffic 4 \N{EN DASH} 10 May 2026 \N{EN DASH} 1 bytes"
        assert str(message["List-Id"]) == "<weekly.team-a.example.com>"
        assert (message["Auto-Submitted"], message["Precedence"]) == ("auto-generated", "bulk")
        assert message["X-Report-Operator-Run-ID"] == "0b8e-1"
        assert message.get_content_type() == "multipart/alternative"
        text, page = (part.get_content() for part in message.iter_parts())
        assert "**1** bytes & more: [the table](http" in text
        assert "<strong>1</strong> bytes &amp; more" in page
        assert "Bytes: 1" in text
        for part in (text, page):
            assert "Report team-a/weekly, run 0b8e-1" in part
            assert "The links work until " in part
            assert ".invalid" not in part
    ids = {str(each.message["Message-ID"]) for each in mails.mails}
    assert len(ids) == 4
    assert all(id_.startswith("<0b8e-1-") and id_.endswith("@example.com>") for id_ in ids)
    links = [word for word in text.split() if word.startswith("http")]
    assert len(links) == len(FILES)
    assert b"day,bytes" in httpx.get(links[1]).content


@pytest.mark.requirement("N2")
def test_attachments_as_far_as_they_fit(ship: Ship, mails: MailServer) -> None:
    shipment = ship(mail(mails.port, attachments={"maxBytes": 23}))
    post(shipment)
    message = mails.mails[0].message
    assert message.get_content_type() == "multipart/mixed"
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("weekly-by_day.csv", "text/csv")
    assert attached.get_content().splitlines() == ["day,bytes", "2026-05-04,1"]
    body = message.get_body(("plain",))
    assert body
    text = body.get_content()
    assert "report.pdf is too large to be attached; use its link." in text
    assert "by_day.csv (23 B, attached)" in text


def test_links_that_are_switched_off(ship: Ship, mails: MailServer) -> None:
    shipment = ship(mail(mails.port, attachments={"maxBytes": 23}), download={"links": "Disabled"})
    without = shipment.links().model_copy(update={"downloads": {}, "downloads_expire_at": None})
    shipment.write_links(without)
    publish(shipment.request, composed(shipment), shipment.workspace)
    content = mails.mails[0].message.as_string()
    assert "report.pdf is too large to be attached." in content
    assert "by_day.csv (23 B, attached)" in content
    for word in ("http", ".invalid", "Download", "work until"):
        assert word not in content


def test_formats_to_attach(ship: Ship, mails: MailServer) -> None:
    post(ship(mail(mails.port, attachments={"formats": ["pdf"]})))
    message = mails.mails[0].message
    assert [part.get_filename() for part in message.iter_attachments()] == ["weekly.pdf"]
    body = message.get_body(("plain",))
    assert body
    assert "too large" not in body.get_content()


def test_only_blind_copies(ship: Ship, mails: MailServer) -> None:
    post(ship(mail(mails.port, bcc=["ann@example.com", "Ann@Example.com", "bob@example.com"])))
    assert sorted(mails.recipients) == ["ann@example.com", "bob@example.com"]
    assert str(mails.mails[0].message["To"]) == "undisclosed-recipients:;"


@pytest.mark.parametrize("field", [{"subject": "{{ tables.rows[0].x }}"}, {"fromName": "Evil\r\nBcc: x@example.com"}])
def test_no_text_can_add_a_header(ship: Ship, mails: MailServer, field: dict[str, Any]) -> None:
    evil = {"name": "rows", "inline": {"rows": [{"x": "Hello\r\nBcc: x@example.com\r\n\r\nbody"}]}}
    day = {"name": "by_day", "inline": {"rows": [{"day": "2026-05-04", "bytes": 1}]}}
    shipment = ship(mail(mails.port, **field), sources=[evil, day])
    post(shipment)
    for each in mails.mails:
        assert each.message["Bcc"] is None
        assert each.recipients == ["ann@example.com"]


def address(number: int) -> str:
    return f"r{number}@example.com"


@pytest.mark.requirement("N1")
def test_a_thousand_recipients_of_whom_some_are_refused(ship: Ship, mails: MailServer) -> None:
    """Twice: the second attempt of the run sends to nobody."""
    wrong = {address(number) for number in range(0, 1000, 27)}
    mails.recipient_answer = lambda to: "550 5.1.1 no such user" if to in wrong else None
    everybody = [address(number) for number in range(1000)]
    shipment = ship(mail(mails.port, bcc=everybody))
    rendered = composed(shipment)
    for _ in range(2):
        result = publish(shipment.request, rendered, shipment.workspace)
        assert sorted(mails.recipients) == sorted(set(everybody) - wrong)
        assert states(shipment.ledger()) == {each: "Failed" if each in wrong else "Sent" for each in everybody}
        [total] = result.deliveries
        assert (total.state, total.sent, total.failed, len(total.problems)) == ("Failed", 962, 38, 10)
        assert f"refuses recipient {address(0)}: 550 5.1.1 no such user" in (total.last_error or "")
    assert mails.connections <= 8, "few connections, each for many mails"


@pytest.mark.parametrize("data_for_nobody", [False, True])
def test_commands_at_once(*, ship: Ship, mails: MailServer, data_for_nobody: bool) -> None:
    """A server that takes several commands at once tells of each, and of data that is for nobody."""
    mails.pipelining, mails.data_for_nobody = True, data_for_nobody
    mails.recipient_answer = lambda to: "550 5.1.1 no such user" if to == address(3) else None
    body = "A line with a dot alone:\n\n.\n\n.. and two"
    entries = post(ship(mail(mails.port, bcc=[address(number) for number in range(9)], body=body)))
    assert states(entries) == {address(n): "Failed" if n == 3 else "Sent" for n in range(9)}
    assert entries[3].last_error == f"{HOST}:{mails.port} refuses recipient {address(3)}: 550 5.1.1 no such user"
    assert sorted(mails.recipients) == [address(number) for number in range(9) if number != 3]
    text = mails.mails[0].message.get_body(("plain",))
    assert text
    assert "\r\n.\r\n\r\n.. and two\r\n" in text.get_content()


@pytest.mark.parametrize("pipelining", [False, True])
def test_a_server_that_takes_few_mails_of_a_connection(*, ship: Ship, mails: MailServer, pipelining: bool) -> None:
    """The others go through new connections, in the same try."""
    mails.pipelining, mails.mails_per_connection = pipelining, 2
    everybody = [address(number) for number in range(20)]
    entries = post(ship(mail(mails.port, bcc=everybody)))
    assert {(entry.state, entry.attempts) for entry in entries} == {(DeliveryState.SENT, 1)}
    assert sorted(mails.recipients) == sorted(everybody)


@pytest.mark.parametrize(("answer", "attempts"), [("451 4.7.1 greylisted, come again", 3), ("421 4.3.2 going down", 3)])
def test_a_passing_refusal_is_tried_again(ship: Ship, mails: MailServer, answer: str, attempts: int) -> None:
    asked: list[str] = []

    def refuse(to: str) -> str | None:
        asked.append(to)
        return answer if len(asked) < attempts else None

    mails.recipient_answer = refuse
    [entry] = post(ship(mail(mails.port)))
    assert (entry.state, entry.attempts, mails.recipients) == (DeliveryState.SENT, attempts, ["ann@example.com"])


@pytest.mark.parametrize(
    ("answer", "state", "tries"),
    [("554 5.7.1 spam", "Failed", 1), ("452 4.3.1 full", "Failed", delivery.ATTEMPTS)],
)
def test_a_mail_that_is_refused(*, ship: Ship, mails: MailServer, answer: str, state: str, tries: int) -> None:
    mails.data_answer = lambda _: answer
    [entry] = post(ship(mail(mails.port)))
    assert (entry.state, entry.attempts, mails.mails) == (state, tries, [])
    assert entry.last_error == f"{HOST}:{mails.port} refuses the mail: {answer}"


def test_a_sender_that_is_refused_is_not_tried_for_everybody(ship: Ship, mails: MailServer) -> None:
    asked: list[str] = []

    def refuse(sender: str) -> str:
        asked.append(sender)
        return "553 5.7.1 not your address"

    mails.sender_answer = refuse
    entries = post(ship(mail(mails.port, bcc=[address(number) for number in range(50)])))
    assert {entry.state for entry in entries} == {DeliveryState.FAILED}
    assert len(asked) <= 4, "as many as are sent at the same time"


@pytest.mark.requirement("N1")
@pytest.mark.parametrize(("policy", "arrived", "state"), [("Hold", 1, "Unknown"), ("Resend", 2, "Sent")])
def test_the_connection_ends_after_the_mail(
    *, ship: Ship, mails: MailServer, policy: str, arrived: int, state: str
) -> None:
    """The server has taken the mail, but its answer never comes."""
    mails.drop_after_data = lambda _: len(mails.mails) == 1
    [entry] = post(ship(mail(mails.port) | {"onUnknown": policy}))
    assert (len(mails.mails), entry.state) == (arrived, state)
    assert len({str(each.message["Message-ID"]) for each in mails.mails}) == 1


@pytest.mark.requirement("N1")
@pytest.mark.parametrize("then", ["550 5.1.1 no such user", "452 4.3.1 full"])
def test_what_may_have_arrived_stays_unknown_when_it_is_refused_later(ship: Ship, mails: MailServer, then: str) -> None:
    """`Failed` is sent again by a plain request of redelivery, and Ann may have the mail."""
    mails.drop_after_data = lambda _: len(mails.mails) == 1
    mails.recipient_answer = lambda _: then if mails.mails else None
    shipment = ship(mail(mails.port) | {"onUnknown": "Resend"})
    [entry] = post(shipment)
    assert (len(mails.mails), entry.state) == (1, DeliveryState.UNKNOWN)
    assert entry.last_error == f"{HOST}:{mails.port} refuses recipient ann@example.com: {then}"
    assert [each.state for each in shipment.settle()] == [DeliveryState.UNKNOWN], "as the ledger's objects say"


@pytest.mark.requirement("N1")
def test_what_may_have_arrived_stays_unknown_when_the_server_goes(ship: Ship, mails: MailServer) -> None:
    """The first of the next round find that, and Ann, who is the last, is not tried."""
    mails.drop_after_data = lambda each: each.recipients == ["ann@example.com"]
    mails.recipient_answer = lambda to: "451 4.7.1 come again" if to.startswith("r") else None
    mails.sender_answer = lambda _: "451 4.3.0 out of order" if mails.mails else None
    others = [address(number) for number in range(30)]
    entries = post(ship(mail(mails.port, to=[*others, "ann@example.com"]) | {"onUnknown": "Resend"}))
    assert len(mails.mails) == 1
    assert states(entries) == dict.fromkeys(others, "Failed") | {"ann@example.com": "Unknown"}


def test_a_server_that_is_not_there(ship: Ship) -> None:
    port = free_ports(1)[0]
    entries = post(ship(mail(port, bcc=[address(number) for number in range(50)])))
    assert {entry.state for entry in entries} == {DeliveryState.FAILED}
    said = f"{HOST}:{port} cannot be reached: [Errno 111] Connection refused"
    assert {entry.last_error for entry in entries} == {said}


@pytest.mark.parametrize("host", ["mail..example.com", f"{'a' * 64}.example.com"])
def test_a_server_whose_name_is_none(ship: Ship, host: str) -> None:
    """Once, not again and again, and nothing is left unknown."""
    entries = post(ship(mail(25, {"host": host}, bcc=[address(number) for number in range(9)])))
    said = f"email.server.host: '{host}' is no name of a host: each part has 1 to 63 characters"
    assert {(entry.state, entry.attempts, entry.last_error) for entry in entries} == {(DeliveryState.FAILED, 1, said)}


def test_an_address_that_no_server_takes_keeps_nobody_else_waiting(ship: Ship, mails: MailServer) -> None:
    wrong = ["ann..lee@example.com", "ann@example..com"]
    entries = post(ship(mail(mails.port, to=["bob@example.com", *wrong], replyTo=[wrong[0]])))
    assert states(entries)["bob@example.com"] == "Sent"
    assert f"To: {', '.join(['bob@example.com', *wrong])}\r\n".encode() in mails.mails[0].content
    assert states(entries)[wrong[1]] == "Failed"
    assert f"refuses recipient {wrong[1]}: 553" in (entries[2].last_error or "")


@pytest.mark.requirement("A8")
@pytest.mark.parametrize("encryption", ["StartTLS", "TLS"])
def test_protected_and_logged_in(ship: Ship, put_secret: PutSecret, tmp_path: Path, encryption: str) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    with mail_server.running(folder, tls=encryption == "TLS", start_tls=encryption == "StartTLS", login=True) as server:
        login = {
            "usernameFrom": put_secret("relay", "username", f"{USERNAME}\n"),
            "passwordFrom": put_secret("relay", "password", f"{PASSWORD}\n"),
        }
        trusted = {"caFrom": put_secret("relay", "ca.crt", (folder / "ca.crt").read_text())}
        way = {"encryption": encryption, "login": login}
        [entry] = post(ship(mail(server.port, way | trusted)))
        assert (entry.state, entry.last_error) == (DeliveryState.SENT, None)
        assert [(each.protected, each.login) for each in server.mails] == [(True, True)]


@pytest.mark.parametrize(
    ("encryption", "known", "password", "says"),
    [
        ("StartTLS", False, PASSWORD, "is not trusted: "),
        ("TLS", False, PASSWORD, "is not trusted: "),
        ("StartTLS", True, "wrong-p4ssword", "refuses the login: 535 5.7.8"),
        (
            "StartTLS",
            True,
            "Pa\N{SECTION SIGN}word",
            "key 'password' of Secret 'relay' has a character that is not ASCII: ",
        ),
    ],
)
def test_what_the_author_has_to_mend(
    *, ship: Ship, put_secret: PutSecret, tmp_path: Path, encryption: str, known: bool, password: str, says: str
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    with mail_server.running(folder, tls=encryption == "TLS", start_tls=encryption == "StartTLS", login=True) as server:
        login = {
            "usernameFrom": put_secret("relay", "username", USERNAME),
            "passwordFrom": put_secret("relay", "password", password),
        }
        way = {"encryption": encryption, "login": login}
        trusted = {"caFrom": put_secret("relay", "ca.crt", (folder / "ca.crt").read_text())} if known else {}
        shipment = ship(mail(server.port, way | trusted, bcc=[address(number) for number in range(20)]))
        entries = post(shipment)
        assert {entry.state for entry in entries} == {DeliveryState.FAILED}
        assert all(says in (entry.last_error or "") for entry in entries)
        assert server.mails == []
        assert len(server.logins) <= 2, "a wrong password again and again would lock the account"
        assert password.encode() not in b" ".join(shipment.stored().values())


@pytest.mark.requirement("A8")
def test_without_a_server_the_platform_s_relay_takes_the_mails(ship: Ship, tmp_path: Path) -> None:
    """The real server asks for a login and TLS; neither is in the run. Its answers are those of the ledger."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    everybody = [address(number) for number in range(12)] + ["ann@elsewhere.com"]
    with mail_server.running(folder, start_tls=True, login=True) as server:
        server.recipient_answer = lambda to: "550 5.1.1 no such user" if to == address(3) else None
        upstream = {"encryption": "StartTLS", "username": USERNAME, "password": PASSWORD, "ca_file": folder / "ca.crt"}
        with relay_process.running(server.port, **upstream) as relay:
            shipment = ship({"name": "mail", "email": {"fromName": "Traffic, weekly", "to": everybody}})
            grant = relay_process.grant(everybody[:-1])
            username, password = grant.credentials(relay_process.KEY.encode())
            access = Access(
                host=HOST,
                port=relay.server_address[1],
                sender=relay_process.SENDER,
                username=username,
                password=password,
            )
            shipment.write_links(shipment.links().model_copy(update={"relay": access}))
            publish(shipment.request, composed(shipment), shipment.workspace)
        assert server.connections <= 8
    entries = shipment.ledger()
    assert states(entries) == dict.fromkeys(everybody, "Sent") | dict.fromkeys([address(3), everybody[-1]], "Failed")
    assert "refuses recipient r3@example.com: 550 5.1.1 no such user" in (entries[3].last_error or "")
    assert "ann@elsewhere.com is no recipient of run" in (entries[-1].last_error or "")
    assert {str(mail.message["From"]) for mail in server.mails} == {f'"Traffic, weekly" <{relay_process.SENDER}>'}
    assert {mail.protected and mail.login for mail in server.mails} == {True}
    assert PASSWORD.encode() not in b" ".join(shipment.stored().values())


def test_a_platform_without_a_relay(ship: Ship) -> None:
    shipment = ship({"name": "mail", "email": {"to": ["ann@example.com"]}})
    [entry] = post(shipment)
    assert (entry.state, "there is no mail relay" in (entry.last_error or "")) == (DeliveryState.FAILED, True)


def test_a_server_without_tls_gets_nothing(ship: Ship, mails: MailServer) -> None:
    [entry] = post(ship(mail(mails.port, {"encryption": "StartTLS"})))
    assert (entry.state, mails.mails) == (DeliveryState.FAILED, [])
    assert "STARTTLS extension not supported" in (entry.last_error or "")


def test_a_template_that_is_wrong_fails_the_run_before_anything_is_sent(ship: Ship, mails: MailServer) -> None:
    with pytest.raises(
        RunError, match=r"spec.destinations\[0\].email.subject, line 1: 'nothing' is not known"
    ) as caught:
        post(ship(mail(mails.port, subject="{{ nothing }}")))
    assert caught.value.reason is Reason.TEMPLATE_FAILED
    assert mails.mails == []
