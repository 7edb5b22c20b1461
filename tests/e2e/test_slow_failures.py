"""The failures that take minutes, started together with those of test_failures."""

from typing import Any

import pytest

from tests.e2e.failures import SLOW, Cause
from tests.e2e.reports import Team
from tests.e2e.test_failures import check

pytestmark = pytest.mark.cluster


@pytest.mark.requirement("E5")
@pytest.mark.parametrize("cause", SLOW, ids=lambda cause: cause.name)
def test_cause_has_its_reason(failing: Team, bucket: Any, cause: Cause) -> None:
    check(failing, cause, bucket)
