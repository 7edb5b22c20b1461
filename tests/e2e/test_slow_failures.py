"""The failures that take minutes, started together with those of test_failures."""

from typing import Any

import pytest

from tests.e2e.failures import FAST, SLOW, Cause
from tests.e2e.reports import Team
from tests.e2e.test_failures import check

pytestmark = pytest.mark.cluster


@pytest.mark.requirement("E5")
@pytest.mark.parametrize("cause", SLOW, ids=lambda cause: cause.name)
def test_cause_has_its_reason(failing: Team, bucket: Any, cause: Cause) -> None:
    check(failing, cause, bucket)


def test_what_failed_stays_as_it_was(failing: Team) -> None:
    """Minutes later, with every Job ended and tidied up."""
    edited = "missing-table"
    causes = [cause for cause in FAST if cause.phase == "Failed" and cause.name != edited]
    found = {cause.name: failing.elsewhere(cause.namespace).wait(cause.name)["status"] for cause in causes}
    assert {name: status["reason"] for name, status in found.items()} == {each.name: each.reason for each in causes}
