"""Sends the report to its destinations, all at the same time; each recipient has an entry in the ledger."""

import logging
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

from report_operator.api.deliveries import ERROR_LENGTH, REMOTE_ID_LENGTH, DeliveryState, Entry, delivery_time
from report_operator.api.destinations import Destination, OnUnknown
from report_operator.api.fields import parse_duration
from report_operator.api.run import Links
from report_operator.run.destinations import Channel, prepare
from report_operator.run.destinations.outcome import Failed, Outcome, Sent, Unknown
from report_operator.run.destinations.package import Package
from report_operator.run.failure import RunError
from report_operator.run.ledger import Ledger

ATTEMPTS = 12
"""Tries of one delivery, in about a quarter of an hour, should the run have that long."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
"""Seconds between two tries, at most: half of it to all of it, doubled each time; a server may ask for more."""
_NO_TIME = "the run's time (spec.run.timeout) was over before it could be sent"
_NOT_BEGUN = "it was ended before its turn came"
_FAULT = "a fault of report-operator; the traceback is in the log of the run's pod"

_log = logging.getLogger(__name__)


def deliver(destinations: Sequence[Destination], package: Package, ledger: Ledger) -> list[Entry]:
    """Send to every recipient that has links for the ledger; return their entries in the order of the spec.

    What fails for a passing cause is tried again while there is time. Nothing is raised: every failure is in its entry.
    """
    until = _end(package)
    couriers = [
        _Courier(destination, package, ledger, until)
        for destination in destinations
        if _planned(destination, package.links)
    ]
    if not couriers:
        return []
    with ThreadPoolExecutor(len(couriers)) as pool:
        return list(chain.from_iterable(pool.map(_Courier.deliver, couriers)))


def _end(package: Package) -> datetime:
    """Return when deliveries have to end: the Job's deadline counts from its start, and so does the pod's time."""
    run, links = package.request.spec.run, package.links
    of_pod = package.workspace.started_at + delivery_time(parse_duration(run.timeout))
    return min(of_pod, links.deliver_until or links.expires_at)


def planned(destinations: Sequence[Destination]) -> list[Entry]:
    """Return the entries before the first delivery.

    When the run is ended before it can say more, the operator finds out by the ledger's objects which have begun.
    """
    return [
        Entry(destination=destination.name, recipient=recipient, last_error=_NOT_BEGUN)
        for destination in destinations
        for recipient in destination.recipients
    ]


def _planned(destination: Destination, links: Links) -> list[Entry]:
    """Return the entries to deliver: a redelivery has links for those that are to be sent again."""
    entries = (Entry(destination=destination.name, recipient=recipient) for recipient in destination.recipients)
    return [entry for entry in entries if entry.id in links.entries]


@dataclass
class _Task:
    """An entry on its way."""

    entry: Entry
    over: bool = False
    """Nothing more is to be done for it."""
    uncertain: bool = False
    """An earlier send may have arrived."""
    waiting: float = 0
    """Seconds that the other side asked to wait."""


@dataclass
class _Unusable:
    """The way to a destination that the author has to mend first."""

    message: str
    parallel: int = 1
    repeatable: bool = False

    def send(self, _entry: Entry) -> Outcome:
        return Failed(self.message)

    def probe(self) -> Outcome:
        return Failed(self.message)

    def close(self) -> None:
        pass


@dataclass
class _Courier:
    """Delivers to the recipients of one destination."""

    destination: Destination
    package: Package
    ledger: Ledger
    until: datetime
    channel: Channel = field(init=False)
    out_of_reach: str = ""
    """Why nothing can be sent in this round."""

    def deliver(self) -> list[Entry]:
        """Return the entries when all is sent, or nothing more can be done."""
        name = self.destination.name
        tasks = [_Task(entry) for entry in _planned(self.destination, self.package.links)]
        self.channel = self._prepared()
        try:
            self._send_all(tasks)
        finally:
            self.channel.close()
        entries = [self._settled(task.entry) for task in tasks]
        counts = {state: sum(entry.state is state for entry in entries) for state in DeliveryState}
        _log.info("destination %r: %s", name, ", ".join(f"{n} {state}" for state, n in counts.items() if n))
        return entries

    def _prepared(self) -> Channel:
        try:
            return prepare(self.destination, self.package)
        except RunError as error:
            return _Unusable(error.message)
        # As in `_try`; nothing has been sent.
        except Exception:  # noqa: BLE001
            _log.exception("a fault of report-operator in destination %r", self.destination.name)
            return _Unusable(_FAULT)

    def _send_all(self, tasks: Sequence[_Task]) -> None:
        """Try all that is left, again and again, with longer and longer waits."""
        left = list(tasks)
        with ThreadPoolExecutor(self.channel.parallel) as pool:
            for attempt in range(ATTEMPTS):
                self.out_of_reach = ""
                list(pool.map(self._try, left))
                left = [task for task in left if not task.over]
                wait = random.uniform(0.5, 1) * min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)  # noqa: S311
                wait = max([wait, *(task.waiting for task in left)])
                remaining = (self.until - datetime.now(UTC)).total_seconds()
                if not left or attempt == ATTEMPTS - 1 or wait > remaining:
                    return
                _log.info("destination %r: %d to try again in %.0f s", self.destination.name, len(left), wait)
                time.sleep(wait)

    def _try(self, task: _Task) -> None:
        """Take an entry one step further, whatever goes wrong."""
        if datetime.now(UTC) >= self.until:
            self._note(task, task.entry.state, task.entry.last_error or _NO_TIME)
            return
        if self.out_of_reach:
            self._note(task, self._failed(task), self.out_of_reach)
            return
        try:
            self._step(task)
        except RunError as error:
            # Of the store: without an intent nothing is sent.
            self._note(task, task.entry.state, error.message)
        # The border of a delivery: a fault of ours in one must not hold up the others, nor lose what they have done.
        except Exception:  # noqa: BLE001
            _log.exception("a fault of report-operator in destination %r", self.destination.name)
            task.over = task.uncertain = True
            self._note(task, self._failed(task), _FAULT)

    def _step(self, task: _Task) -> None:
        held = self.ledger.claim(task.entry)
        if held is not None and not (held.state is DeliveryState.UNKNOWN and self._may_repeat):
            task.entry, task.over = held, True
            return
        if held is not None:
            self.ledger.take_over(task.entry)
            task.uncertain = True
        outcome = self._sent(task.entry)
        now = datetime.now(UTC).replace(microsecond=0)
        task.entry = task.entry.model_copy(update={"attempts": task.entry.attempts + 1, "time": now})
        self._conclude(task, outcome)
        whom = f" to {task.entry.recipient}" if task.entry.recipient else ""
        level = logging.INFO if task.entry.state is DeliveryState.SENT else logging.WARNING
        said = task.entry.last_error or task.entry.remote_id or ""
        _log.log(level, "destination %r%s: %s: %s", self.destination.name, whom, task.entry.state, said)

    @property
    def _may_repeat(self) -> bool:
        return self.channel.repeatable or self.destination.on_unknown is OnUnknown.RESEND

    def _sent(self, entry: Entry) -> Outcome:
        try:
            return self.channel.send(entry)
        except RunError as error:
            return Failed(error.message)

    def _conclude(self, task: _Task, outcome: Outcome) -> None:
        match outcome:
            case Sent(remote_id):
                shown = self.package.redact(remote_id)[:REMOTE_ID_LENGTH] or None
                update = {"state": DeliveryState.SENT, "remote_id": shown, "last_error": None}
                task.entry = task.entry.model_copy(update=update)
                self._record(task)
            case Failed(message, passing=False):
                self._note(task, self._failed(task), message)
                self._record(task)
            case Failed(message, retry_after=wait, out_of_reach=out_of_reach):
                self._note(task, self._failed(task), message)
                task.waiting = wait
                if out_of_reach:
                    self.out_of_reach = task.entry.last_error or message
                if not task.uncertain:
                    self.ledger.release(task.entry)
            case Unknown(message):
                self._note(task, DeliveryState.UNKNOWN, message)
                task.uncertain = True
                if not self._may_repeat:
                    self._record(task)

    def _failed(self, task: _Task) -> DeliveryState:
        """Return the state after a send that has failed: what an earlier one may have brought there is not undone.

        Where a repetition changes nothing, it matters not whether something was taken.
        """
        may_be_there = task.uncertain and not self.channel.repeatable
        return DeliveryState.UNKNOWN if may_be_there else DeliveryState.FAILED

    def _note(self, task: _Task, state: DeliveryState, message: str) -> None:
        text = self.package.redact(message)
        shown = text if len(text) <= ERROR_LENGTH else f"{text[: ERROR_LENGTH - 1]}…"
        task.entry = task.entry.model_copy(update={"state": state, "last_error": shown})

    def _record(self, task: _Task) -> None:
        """Write down how it ended. What has happened has happened, even when the store does not take the note."""
        task.over = True
        try:
            self.ledger.record(task.entry)
        except RunError as error:
            _log.warning("%s", error.message)

    def _settled(self, entry: Entry) -> Entry:
        """Return the entry, or the record that another process has written meanwhile."""
        if entry.state is not DeliveryState.UNKNOWN:
            return entry
        try:
            return self.ledger.recorded(entry) or entry
        except RunError:
            return entry
