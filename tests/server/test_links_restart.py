"""Links after a restart of the operator, on a real API server: a module of its own, with operators of its own."""

import itertools
from pathlib import Path

import httpx
import pytest

from tests.server.process import operator
from tests.server.team import PATIENCE, Team
from tests.server.test_links import finished, linked, links_of, make_due, renewed
from tests.support.cluster import eventually
from tests.support.seaweedfs import SeaweedFS

_numbers = itertools.count()


@pytest.fixture
def team(api: httpx.Client) -> Team:
    return Team.make(api, f"links-again-{next(_numbers)}")


@pytest.mark.requirement("A9")
def test_what_was_due_while_no_operator_ran_is_renewed_at_the_start(
    team: Team, access: Path, store: SeaweedFS, tmp_path: Path
) -> None:
    with operator(access, store, tmp_path / "log") as first:
        first.wait_ready()
        finished(team)
    make_due(team)
    with operator(access, store, tmp_path / "log") as second:
        second.wait_ready()
        renewed(team)


@pytest.mark.requirement("N9")
def test_the_platform_team_switches_off_all(team: Team, access: Path, store: SeaweedFS, tmp_path: Path) -> None:
    with operator(access, store, tmp_path / "log") as allowed:
        allowed.wait_ready()
        finished(team, "before")
    assert linked(team, "before")
    with operator(access, store, tmp_path / "log", REPORT_OPERATOR_LINKS="false") as forbidden:
        forbidden.wait_ready()
        finished(team, "after")
        assert not linked(team, "after")
        eventually(lambda: True if not linked(team, "before") else None, PATIENCE, "links are taken away")
        hook = {"name": "hook", "webhook": {"url": "https://example.com/"}}
        assert links_of(team, "sending", destinations=[hook]).downloads == {}
    with operator(access, store, tmp_path / "log") as allowed:
        allowed.wait_ready()
        for name in ("before", "after"):
            eventually(lambda name=name: True if linked(team, name) else None, PATIENCE, "links are back")  # type: ignore[misc]
