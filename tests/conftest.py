"""What holds for all tests: how long an example takes is no reason to fail, and which tests share a process."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

WAITING = ("server/test_many_operators.py", "server/test_schedule_outage.py", "server/test_schedule_policies.py")
"""They wait for minutes by the clock."""
LONGEST_FIRST = ("e2e", "server", "waiting", "chart", "store", "run")
"""Of the processes that share the tests, one has the cluster, one the API server, and one waits; then the rest."""

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


class ByFolder(LoadScopeScheduling):
    """Keeps the tests of a folder in one process: they share what is slow to start."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFolder:
    """Have the tests shared by folder."""
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    rank = {group: number for number, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(_group(item.nodeid), len(rank)))


def _group(nodeid: str) -> str:
    path = nodeid.partition("::")[0].removeprefix("tests/")
    return "waiting" if path in WAITING else path.partition("/")[0]
