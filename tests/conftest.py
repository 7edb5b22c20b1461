"""What holds for all tests: how long an example takes is no reason to fail, and which tests share a process."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
LONGEST_FIRST = ("e2e", "server", "minutes", "chart", "store", "run")
"""Of the processes that share the tests, one has the cluster, one the API server, and one waits; then the rest."""

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder together, which share what is slow to start, and begin with the longest."""
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(groups[item], len(rank)))


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("minutes"):
        return "minutes"
    return item.path.relative_to(TESTS).parts[0]
