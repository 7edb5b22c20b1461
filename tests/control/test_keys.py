"""Who is the first with an idempotency key, who waits for it, and whose files are named by others."""

from typing import Any

import pytest

from report_operator.control.keys import Keys
from tests.support.objects import SPEC, UID, report

Json = dict[str, Any]
KEYED = SPEC | {"idempotencyKey": "k"}
RUNNING = {"observedGeneration": 1, "phase": "Running", "reason": "Running", "runID": f"{UID}-1"}
DONE = RUNNING | {"phase": "Succeeded", "reason": "Succeeded", "artifacts": [{"name": "report.pdf"}]}
COPIED = DONE | {"sameAs": "a"}
A, B, C = ("team-a", "a"), ("team-a", "b"), ("team-a", "c")


def keyed(name: str, status: Json | None = None, key: str = "k", **metadata: Any) -> Json:
    return report(spec=SPEC | {"idempotencyKey": key}, status=status, name=name, uid=f"uid-of-{name}", **metadata)


@pytest.fixture
def keys() -> Keys:
    made = Keys()
    made.is_complete = True
    return made


def test_the_first_is_followed_by_the_others(keys: Keys) -> None:
    keys.note(keyed("b"))
    assert keys.first(B) is None
    assert keys.note(keyed("a")) == [B]
    assert (keys.first(A), keys.first(B)) == (None, A)


def test_keys_are_of_a_namespace(keys: Keys) -> None:
    keys.note(keyed("a"))
    keys.note(keyed("b", namespace="team-b"))
    keys.note(keyed("c", key="another"))
    assert keys.first(("team-b", "b")) is None
    assert keys.first(C) is None


def test_who_runs_stays_the_first(keys: Keys) -> None:
    keys.note(keyed("b", RUNNING))
    keys.note(keyed("a"))
    assert (keys.first(A), keys.first(B)) == (B, None)


def test_those_that_wait_are_told_of_every_change(keys: Keys) -> None:
    keys.note(keyed("a", RUNNING))
    keys.note(keyed("b"))
    keys.note(keyed("c", COPIED))
    assert keys.note(keyed("a", RUNNING | {"stage": "render"})) == [B]
    assert keys.note(keyed("a", DONE)) == [B]


def test_the_next_one_is_told_when_the_first_goes_or_takes_another_key(keys: Keys) -> None:
    keys.note(keyed("a", RUNNING))
    keys.note(keyed("b"))
    assert keys.forget(A) == [B]
    assert keys.first(B) is None
    keys.note(keyed("a"))
    assert keys.first(B) == A
    assert keys.note(keyed("a", key="another", generation=2)) == [B]
    assert keys.first(B) is None


def test_it_takes_a_moment_to_know_who_is_the_first(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("report_operator.control.keys.time.monotonic", lambda: clock[0])
    assert keys.seconds_to_settle(A) == 2.0
    keys.note(keyed("a"))
    clock[0] += 0.5
    assert keys.seconds_to_settle(A) == 1.5
    clock[0] += 2
    assert keys.seconds_to_settle(A) == 0
    keys.note(keyed("a", generation=2))
    assert keys.seconds_to_settle(A) == 2.0
    keys.is_complete = False
    clock[0] += 10
    assert keys.seconds_to_settle(A) == 2.0


def test_files_are_borrowed_as_long_as_a_report_names_them(keys: Keys) -> None:
    keys.note(keyed("a", DONE))
    assert not keys.is_borrowed(f"{UID}-1", A)
    keys.note(keyed("b", COPIED))
    assert keys.is_borrowed(f"{UID}-1", A)
    assert not keys.is_borrowed(f"{UID}-1", B)
    keys.note(keyed("b", COPIED | {"artifacts": [], "phase": "Expired"}))
    assert not keys.is_borrowed(f"{UID}-1", A)
    keys.note(keyed("b", COPIED))
    keys.forget(B)
    assert not keys.is_borrowed(f"{UID}-1", A)
